package sourcetest

import (
	"net/http"
	"strings"
	"testing"

	"moult/release"
	"moult/source/forge"
)

func runAssets(t *testing.T, h ForgeHarness) {
	tree := Tree{"app.py": {Content: "print(1)\n"}, "lib/x.py": {Content: "X = 1\n"}, "run.sh": {Content: "#!/bin/sh\n", Executable: true}}
	packed := string(TarGz("", "", firstPublished, tree))
	tool := "\x7fELF tool"
	wrong := strings.Repeat("0", 64)
	sums := func(name, text string) Asset { return Asset{Name: name, Content: text} }
	for _, c := range []struct {
		name, asset string
		assets      []Asset
		tree        Tree
		want        wanted
	}{
		{name: "plain file by SHA256SUMS", asset: "tool", assets: []Asset{{Name: "tool", Content: tool, NoDigest: true}, sums("SHA256SUMS", wrong+"  other\n"+digest(tool)+"  tool\n")},
			tree: Tree{"tool": {Content: tool, Executable: true}}, want: wanted{ok: true}},
		{name: "in binary mode", asset: "tool", assets: []Asset{{Name: "tool", Content: tool, NoDigest: true}, sums("checksums.txt", digest(tool)+" *tool\r\n")},
			tree: Tree{"tool": {Content: tool, Executable: true}}, want: wanted{ok: true}},
		{name: "as BSD writes them", asset: "tool", assets: []Asset{{Name: "tool", Content: tool, NoDigest: true}, sums("tool_1.0_checksums.txt", "SHA256 (tool) = "+strings.ToUpper(digest(tool))+"\n")},
			tree: Tree{"tool": {Content: tool, Executable: true}}, want: wanted{ok: true}},
		{name: "by its own file with a bare digest", asset: "tool", assets: []Asset{{Name: "tool", Content: tool, NoDigest: true}, sums("SHA256SUMS", wrong+"  tool\n"), sums("tool.sha256", digest(tool)+"\n")},
			tree: Tree{"tool": {Content: tool, Executable: true}}, want: wanted{ok: true}},
		{name: "archive", asset: "module.tar.gz", assets: []Asset{{Name: "module.tar.gz", Content: packed, NoDigest: true}, sums("SHA256SUMS.txt", digest(packed)+"  module.tar.gz\n")},
			tree: tree, want: wanted{ok: true}},
		{name: "name that needs escapes", asset: "tool é+1#.bin", assets: []Asset{{Name: "tool é+1#.bin", Content: tool, NoDigest: true}, sums("SHA256SUMS", digest(tool)+"  tool é+1#.bin\n")},
			tree: Tree{"tool é+1#.bin": {Content: tool, Executable: true}}, want: wanted{ok: true}},
		{name: "digest that does not fit", asset: "tool", assets: []Asset{{Name: "tool", Content: tool, NoDigest: true}, sums("SHA256SUMS", wrong+"  tool\n")},
			want: wanted{says: []string{"sha256: got " + digest(tool) + ", want " + wrong}}},
		{name: "two digests for one name", asset: "tool", assets: []Asset{{Name: "tool", Content: tool, NoDigest: true}, sums("SHA256SUMS", digest(tool)+"  tool\n"+wrong+"  tool\n")},
			want: wanted{says: []string{"no SHA-256"}}},
		{name: "no digest at all", asset: "tool", assets: []Asset{{Name: "tool", Content: tool, NoDigest: true}}, want: wanted{says: []string{"no SHA-256", "SHA256SUMS"}}},
		{name: "not in the checksums file", asset: "tool", assets: []Asset{{Name: "tool", Content: tool, NoDigest: true}, sums("SHA256SUMS", digest(tool)+"  mytool\n"+digest(tool)+"\n")},
			want: wanted{says: []string{"no SHA-256"}}},
		{name: "asset is missing", asset: "tool-arm", assets: []Asset{{Name: "tool", Content: tool}}, want: wanted{is: release.ErrNotFound, says: []string{"tool-arm", "the release has tool"}}},
		{name: "release without assets", asset: "tool", want: wanted{is: release.ErrNotFound, says: []string{"none"}}},
	} {
		for _, token := range []string{"", theToken} {
			t.Run(c.name+map[bool]string{true: ", private"}[token != ""], func(t *testing.T) {
				f := NewForge(t, h.Kind, true)
				f.Put("owner/repo", &Repo{Token: token, Releases: []Release{{Tag: "release/v1.0", Assets: c.assets, Files: wholeTree}}})
				source := h.source(t, f, token)
				for _, channel := range []release.Channel{release.Stable, release.Beta} { // beta's answer carries the assets
					answer, err := source.Latest(t.Context(), release.Query{Channel: channel})
					if channel.String() == "beta" && err != nil {
						t.Fatal(err)
					}
					if err != nil {
						answer.Release = version("release/v1.0")
					}
					got := Tree{}
					_, err = source.Fetch(t.Context(), answer.Release, release.Want{Asset: c.asset}, got.Put)
					c.want.check(t, err)
					if diff := c.tree.Diff(got); c.want.ok && diff != "" {
						t.Error(diff)
					}
				}
				wantTokenAt(t, f)
			})
		}
	}
	isTool := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/tool") }
	for name, c := range map[string]struct {
		fault Fault
		want  wanted
	}{
		"other bytes of the same length": {Body("\x7fELF tolo"), wanted{says: []string{"sha256: got"}}},
		"more bytes":                     {Body(tool + "more"), wanted{says: []string{""}}},
		"cut":                            {Cut(4), wanted{transient: true}},
		"silent":                         {Silent(4), wanted{transient: true, says: []string{"silent"}}},
		"endless":                        {Endless(1<<20, 0), wanted{}},
		"login page":                     {WebPage(), wanted{transient: true, says: []string{"captive portal"}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := NewForge(t, h.Kind, true)
			f.Put("owner/repo", &Repo{Releases: []Release{{Tag: "v1.0", Assets: []Asset{{Name: "tool", Content: tool}, sums("SHA256SUMS", digest(tool)+"  tool\n")}}}})
			match := isTool
			if h.Kind == forge.GitHub {
				match = func(r *http.Request) bool { return isTool(r) && "https://"+r.Host == f.Codeload }
			}
			f.Break(match, -1, c.fault)
			_, err := h.source(t, f, "").Fetch(t.Context(), version("v1.0"), release.Want{Asset: "tool"}, Tree{}.Put)
			if err == nil {
				t.Fatal("got no error, want one")
			}
			if c.want.says != nil && c.want.says[0] != "" {
				c.want.check(t, err)
			}
		})
	}
	t.Run("archive with bytes after its end", func(t *testing.T) {
		f := NewForge(t, h.Kind, true)
		f.Put("owner/repo", &Repo{Releases: []Release{{Tag: "v1.0", Assets: []Asset{{Name: "module.tgz", Content: packed}, sums("SHA256SUMS", digest(packed)+"  module.tgz\n")}}}})
		f.Break(func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "/module.tgz") && (h.Kind != forge.GitHub || "https://"+r.Host == f.Codeload)
		}, -1, Endless(len(packed), 'x'))
		_, err := h.source(t, f, "").Fetch(t.Context(), version("v1.0"), release.Want{Asset: "module.tgz"}, Tree{}.Put)
		if err == nil {
			t.Error("got no error, want one")
		}
	})
}
