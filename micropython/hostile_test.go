package micropython_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"
	"testing"
)

// TestHostileArchive gives a board archives that no forge makes. Nothing leaves the slot, and each is refused with its reason.
func TestHostileArchive(t *testing.T) {
	type files []tar.Header
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644} }
	tests := []struct {
		name  string
		files files
		want  string
	}{
		{"a path that leaves the slot", files{file("top/main/../../../x")}, "got the part '..'"},
		{"a path that leaves it by a folder", files{file("top/main/a/../../x")}, "got the part '..'"},
		{"an empty part", files{file("top/main/a//b")}, "got the part ''"},
		{"an absolute path", files{file("top/main//etc/x")}, "want a clean one"},
		{"a backslash", files{file(`top/main/a\b`)}, "want a clean one"},
		{"a control character", files{file("top/main/a\nb")}, "want a clean one"},
		{"twice the same", files{file("top/main/a"), file("top/main/a")}, "want each once, in order"},
		{"out of order", files{file("top/main/b"), file("top/main/a")}, "want each once, in order"},
		{"a file below a file", files{file("top/main/a"), file("top/main/a/b")}, "got a file below a file"},
		{"a link", files{{Name: "top/main/a", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, "got a link or a special file"},
		{"a hard link", files{{Name: "top/main/a", Typeflag: tar.TypeLink, Linkname: "b"}}, "got a link or a special file"},
		{"a device", files{{Name: "top/main/a", Typeflag: tar.TypeChar}}, "got a link or a special file"},
		{"a header without end", files{{Name: "top/main/a", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"comment": strings.Repeat("x", 5000)}}}, "want at most 4096"},
		{"nothing", nil, "got no file below main"},
		{"the updater's own names alone", files{file("top/main/.manifest"), file("top/main/.version")}, "got no file below main"},
	}
	var packed, wants []string
	for _, test := range tests {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		w := tar.NewWriter(z)
		for _, h := range test.files {
			must(t, w.WriteHeader(&h))
		}
		must(t, w.Close())
		must(t, z.Close())
		packed, wants = append(packed, base64.StdEncoding.EncodeToString(out.Bytes())), append(wants, test.want)
	}
	everywhere(t, func(t *testing.T, which string) {
		out := evalIn(t, which, archives+`
before = sorted(os.listdir(".") + ["slot"])
for i, data in enumerate(DATA):
    boot.remove_tree("slot")
    boot.makedirs("slot")
    try:
        for _ in unpack(Body(a2b_base64(data.encode())), "main", "slot", ("app", "v1", "")):
            pass
        print("accepted")
    except boot.Error as e:
        print(str(e).replace("\n", " "))
    if sorted(os.listdir(".")) != before:
        print("it left the slot:", os.listdir("."))
`, packed)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != len(wants) {
			t.Fatalf("got %d lines, want %d\n%s", len(lines), len(wants), out)
		}
		for i, want := range wants {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%s: got %q, want %q", tests[i].name, lines[i], want)
			}
		}
	})
}
