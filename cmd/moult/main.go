// Command moult updates a device's modules from the releases of their repositories, so that a power cut at any instant
// leaves the old or the new version whole.
package main

import (
	"os"

	"moult/cmd/internal/command"
	"moult/cmd/internal/device"
	"moult/cmd/internal/publish"
	"moult/release"
	"moult/source/git"
)

// version is set by the linker in a release.
var version string

func main() { os.Exit(program().Main()) }

func program() command.Program {
	return command.Program{
		Name: "moult", Short: "Over-the-air updates from releases, for MicroPython boards and Linux boards", Version: version,
		Linked: device.Linked{Git: func(url, token, temp string) (release.Source, error) {
			return git.New(url, git.Options{Token: token, Temp: temp})
		}},
		More: publish.Commands,
	}
}
