package github_test

import (
	"context"
	"fmt"

	"moult/release"
	"moult/source/forge"
	"moult/source/github"
	"moult/web"
)

// A check, and the fetch of the module's directory where the check found something new.
func Example() {
	ctx := context.Background()
	base, path, err := forge.ParseRepo("https://github.com/owner/irrigation")
	if err != nil {
		fmt.Println(err)
		return
	}
	source, err := github.New(web.New(web.Options{Version: "1.0"}), base, path, github.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := source.Latest(ctx, release.Query{Channel: release.Stable})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = source.Fetch(ctx, answer.Release, release.Want{Dir: "main"}, func(f release.File) error {
		fmt.Println(f.Path, f.Size) // f.Body has the bytes until this returns
		return nil
	})
	if err != nil {
		fmt.Println(err) // and what was given is not to be used
	}
}
