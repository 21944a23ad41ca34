package release_test

import (
	"strings"
	"testing"

	"moult/release"
)

func TestCheckPath(t *testing.T) {
	deep := strings.Repeat("d/", 511) + "x"
	tests := []struct {
		name, in string
		wantErr  string // "" for none
	}{
		{name: "file", in: "app.py"}, {name: "file in folders", in: "a/b/c.py"}, {name: "hidden", in: ".env"}, {name: "dots in a name", in: "a..b/...c"},
		{name: "spaces and letters", in: "my file é.py"}, {name: "backslash, which is a letter here", in: `a\..\b`},
		{name: "longest name", in: strings.Repeat("n", release.MaxName)}, {name: "deepest", in: deep},
		{name: "empty", in: "", wantErr: "empty"},
		{name: "absolute", in: "/etc/passwd", wantErr: "absolute"},
		{name: "up", in: "..", wantErr: `".."`}, {name: "up and away", in: "../../etc/passwd", wantErr: `".."`},
		{name: "up from within", in: "a/../../b", wantErr: `".."`}, {name: "up at the end", in: "a/..", wantErr: `".."`},
		{name: "itself", in: ".", wantErr: `"."`}, {name: "itself within", in: "a/./b", wantErr: `"."`}, {name: "itself at first", in: "./a", wantErr: `"."`},
		{name: "two slashes", in: "a//b", wantErr: `""`}, {name: "slash at the end", in: "a/", wantErr: `""`},
		{name: "NUL", in: "a\x00b", wantErr: "control"}, {name: "new line", in: "a\nb", wantErr: "control"}, {name: "escape", in: "\x1b[2J", wantErr: "control"}, {name: "delete", in: "a\x7f", wantErr: "control"},
		{name: "broken UTF-8", in: "a\xff", wantErr: "UTF-8"}, {name: "overlong slash", in: "a\xc0\xafb", wantErr: "UTF-8"},
		{name: "name too long", in: "a/" + strings.Repeat("n", release.MaxName+1), wantErr: "256 bytes"},
		{name: "path too long", in: deep + "xx", wantErr: "1025 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := release.CheckPath(test.in)
			if (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%q: got %v, want %q", test.in, err, test.wantErr)
			}
		})
	}
}

func TestCheckLink(t *testing.T) {
	tests := []struct {
		name, at, in string
		wantErr      string
	}{
		{name: "beside", at: "a", in: "b"}, {name: "below", at: "a", in: "b/c"}, {name: "up and down", at: "a/b/l", in: "../../c"},
		{name: "folder", at: "a", in: "b/"}, {name: "the top", at: "a/l", in: ".."}, {name: "its own folder", at: "a/l", in: "."},
		{name: "no target", at: "a", in: "", wantErr: "0 bytes"}, {name: "long target", at: "a", in: strings.Repeat("x", release.MaxPath+1), wantErr: "1025 bytes"},
		{name: "absolute", at: "a", in: "/etc/passwd", wantErr: "absolute"}, {name: "the root", at: "a", in: "/", wantErr: "absolute"},
		{name: "out", at: "a", in: "../b", wantErr: "leads out"}, {name: "the folder above", at: "a", in: "..", wantErr: "leads out"},
		{name: "out from a folder", at: "a/l", in: "../../b", wantErr: "leads out"},
		{name: "up after a name, which may be a link", at: "a/b/l", in: "x/../../c", wantErr: "clean"}, {name: "up after up and a name", at: "a/b/l", in: "../x/..", wantErr: "clean"},
		{name: "two slashes", at: "a", in: "b//c", wantErr: "clean"}, {name: "NUL", at: "a", in: "b\x00", wantErr: "NUL"},
		{name: "broken UTF-8, which JSON cannot hold", at: "a", in: "b\xff", wantErr: "UTF-8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := release.CheckLink(test.at, test.in)
			if (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%q at %q: got %v, want %q", test.in, test.at, err, test.wantErr)
			}
		})
	}
}
