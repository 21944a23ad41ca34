package micropython_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"moult/release"
)

// TestManifestForm gives boards and Go the same manifests: both take them or refuse them for the same reason. Go takes one that it writes back to the same.
func TestManifestForm(t *testing.T) {
	digest := strings.Repeat("5e", 32)
	file := func(path string) string { return fmt.Sprintf(`{"path":"%s","length":7,"sha256":"%s"}`, path, digest) }
	manifest := func(files ...string) string {
		text := `{"module":"app","version":"1.0","files":[` + "\n" + strings.Join(files, ",\n")
		if len(files) > 0 {
			text += "\n"
		}
		return text + "]}\n"
	}
	good := manifest(file("a"), file("a-b"), file("b/c"), `{"path":"b/link","length":0,"link":"../a"}`, strings.Replace(file("c"), "}", `,"executable":true}`, 1))
	long := strings.Repeat("0123456789abcde/", 63)
	tests := []struct{ name, manifest, want string }{
		{"good", good, "5 28"},
		{"no file", manifest(), "0 0"},
		{"line ends of Unicode", manifest(file(`l\u2028p\u2029`)), "1 7"},
		{"line ends of Unicode as they are", manifest(file("l\u2028p\u2029")), "format"},
		{"of a repository", strings.Replace(good, `"1.0"`, `"1.0","repository":"https://x/é","commit":"9f"`, 1), "5 28"},
		{"of an empty commit", strings.Replace(good, `"1.0"`, `"1.0","commit":""`, 1), "format"},
		{"of a number", strings.Replace(good, `"1.0"`, `"1.0","commit":9`, 1), "format"},
		{"of another module", strings.Replace(good, "app", "apple", 1), "wrong-module"},
		{"of another version", strings.Replace(good, "1.0", "1.1", 1), "mismatch"},
		{"of no version", strings.Replace(good, `,"version":"1.0"`, "", 1), "format"},
		{"an unknown field", strings.Replace(good, `,"files"`, `,"more":1,"files"`, 1), "format"},
		{"an unknown field of a file", strings.Replace(good, `"length"`, `"more":1,"length"`, 1), "format"},
		{"a field twice", strings.Replace(good, `"length":7`, `"length":7,"length":7`, 1), "format"},
		{"spaces", strings.Replace(good, `"length":7`, `"length": 7`, 1), "format"},
		{"an escape that is none's", manifest(file(`\u0061`)), "format"},
		{"another order", strings.Replace(good, `"module":"app","version":"1.0"`, `"version":"1.0","module":"app"`, 1), "format"},
		{"the link first", strings.Replace(good, `"length":0,"link":"../a"`, `"link":"../a","length":0`, 1), "format"},
		{"no comma", strings.Replace(good, ",\n", "\n", 1), "format"},
		{"a comma more", strings.Replace(good, "\n]}", ",\n]}", 1), "format"},
		{"two files on a line", strings.Replace(good, ",\n", ",", 1), "format"},
		{"a line's end less", strings.TrimSuffix(good, "\n"), "format"},
		{"cut", strings.TrimSuffix(good, "]}\n"), "format"},
		{"cut in a line", good[:len(good)-9], "format"},
		{"a byte more", good + "\n", "format"},
		{"empty", "", "format"},
		{"broken UTF-8", manifest(file("\xff")), "format"},
		{"a path that is none", strings.Replace(good, `"a"`, "7", 1), "format"},
		{"a length below zero", strings.Replace(good, ":7", ":-7", 1), "format"},
		{"a length with a point", strings.Replace(good, ":7", ":7.0", 1), "format"},
		{"a length that is true", strings.Replace(good, ":7", ":true", 1), "format"},
		{"a length that is a text", strings.Replace(good, ":7", `:"7"`, 1), "format"},
		{"a digest in capitals", strings.Replace(good, digest, strings.ToUpper(digest), 1), "format"},
		{"a short digest", strings.Replace(good, digest, digest[2:], 1), "format"},
		{"a digest of 63 digits", strings.Replace(good, digest, digest[1:], 1), "format"},
		{"a digest that is none", strings.Replace(good, digest, strings.Replace(digest, "5", "g", 1), 1), "format"},
		{"no digest", strings.Replace(good, `,"sha256":"`+digest+`"`, "", 1), "format"},
		{"executable, or not", strings.Replace(good, "true", "false", 1), "format"},
		{"a link with a length", strings.Replace(good, `0,"link"`, `1,"link"`, 1), "format"},
		{"a link with a digest", strings.Replace(good, `0,"link"`, `0,"sha256":"`+digest+`","link"`, 1), "format"},
		{"an empty link", strings.Replace(good, `"../a"`, `""`, 1), "format"},
		{"a link out of the slot", strings.Replace(good, `"../a"`, `"../../a"`, 1), "path"},
		{"a link out of the slot, at last", strings.Replace(good, `"../a"`, `"c/../../.."`, 1), "path"},
		{"an absolute link", strings.Replace(good, `"../a"`, `"/a"`, 1), "path"},
		{"a link from the top", strings.Replace(good, "b/link", "b0", 1), "path"},
		{"twice", manifest(file("a"), file("a")), "path"},
		{"out of order", manifest(file("b"), file("a")), "path"},
		{"out of order, deep", manifest(file("a/b"), file("a/c"), file("a/b/d")), "path"},
		{"below a file", manifest(file("a"), file("a/b")), "path"},
		{"below a file that is not the one before", manifest(file("a"), file("a-b"), file("a-b-c"), file("a/b/c/d")), "path"},
		{"below a file with a longer name", manifest(file("a"), file("a-b"), file("a-b/c")), "path"},
		{"beside a folder", manifest(file("a-b"), file("a/b"), file("ab")), "3 21"},
		{"an absolute path", manifest(file("/a")), "path"},
		{"up", manifest(file("../a")), "path"},
		{"up, at last", manifest(file("a/..")), "path"},
		{"where it is", manifest(file("a/./b")), "path"},
		{"an empty part", manifest(file("a//b")), "path"},
		{"a folder", manifest(file("a/")), "path"},
		{"a control character", manifest(file(`a\nb`)), "path"},
		{"another control character", manifest(file("a\x7fb")), "path"},
		{"a long path", manifest(file(long + "0123456789abcdef")), "1 7"},
		{"a path that is too long", manifest(file(long + "0123456789abcdefg")), "path"},
		{"a path of too many bytes", manifest(file(long + "0123456789abcdeé")), "path"},
		{"a long name", manifest(file(strings.Repeat("é", 127) + "e")), "1 7"},
		{"a name that is too long", manifest(file(strings.Repeat("é", 128))), "path"},
	}
	const ours = "the updater's own" // which Go refuses elsewhere
	for _, path := range []string{".version", ".manifest", "..version.new", ".version.new", "a/.moult-carry", ".carry/a"} {
		tests = append(tests, struct{ name, manifest, want string }{ours, manifest(file(path)), "path"})
	}
	var texts []string
	for _, test := range tests {
		texts = append(texts, fmt.Sprintf("%x", test.manifest))
	}
	eachWord(t, func(t *testing.T, word string) {
		out := evalIn(t, word, `
from binascii import unhexlify
from moult.manifest import check
from moult.repository import Refused
for text in DATA:
    with open("manifest", "wb") as f:
        f.write(unhexlify(text))
    try:
        print(*check("manifest", "app", "1.0"))
    except Refused as e:
        print(e.reason)
`, texts)
		got := strings.Split(out, "\n")
		for i, test := range tests {
			if i >= len(got) || got[i] != test.want {
				t.Errorf("%s: got %s, want %s", test.name, got[min(i, len(got)-1)], test.want)
			}
		}
	})
	for _, test := range tests {
		m, err := release.ParseManifest([]byte(test.manifest))
		got := string(release.ReasonOf(err))
		if err == nil {
			again, err := m.Encode()
			must(t, err)
			switch {
			case !bytes.Equal(again, []byte(test.manifest)):
				got = "format"
			case m.Module != "app":
				got = "wrong-module"
			case m.Version.String() != "1.0":
				got = "mismatch"
			default:
				got = fmt.Sprint(len(m.Files), m.Size())
			}
		}
		if got != test.want && test.name != ours {
			t.Errorf("%s: Go: got %s (%v), want %s", test.name, got, err, test.want)
		}
	}
}
