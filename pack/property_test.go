package pack_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"pgregory.net/rapid"

	"moult/pack"
	"moult/pack/deflate"
)

// contents draws what files hold: text with lines in common, bytes, nothing, runs.
func contents() *rapid.Generator[string] {
	line := rapid.SampledFrom([]string{"import time\n", "def start(pump):\n", "    pump.on()\n", "    return None\n", "\n", "x = 1\n"})
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string {
			var text string
			for _, l := range rapid.SliceOfN(line, 0, 60).Draw(t, "lines") {
				text += l
			}
			return text
		}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 300), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.IntRange(0, 5000), func(n int) string { return string(make([]byte, n)) }),
	)
}

var paths = []string{"app.py", "boot.py", "lib/a.py", "lib/b.py", "lib/b.mpy", "bin/tool", "data/x", "data/y/z", "latest"}

func trees() *rapid.Generator[tree] {
	return rapid.Map(rapid.MapOfN(rapid.SampledFrom(paths), contents(), 0, len(paths)), func(m map[string]string) tree {
		if _, there := m["latest"]; there {
			m["latest"] = "-> app.py"
		}
		return m
	})
}

// changed draws what becomes of a tree: edits, files that come and go, and such that change places.
func changed(t *rapid.T, old tree) tree {
	out := tree{}
	for path, content := range old {
		out[path] = content
	}
	for range rapid.IntRange(0, 6).Draw(t, "changes") {
		path := rapid.SampledFrom(paths[:len(paths)-1]).Draw(t, "path")
		switch rapid.IntRange(0, 4).Draw(t, "change") {
		case 0:
			delete(out, path)
		case 1:
			out[path] = contents().Draw(t, "content")
		case 2:
			other := rapid.SampledFrom(paths[:len(paths)-1]).Draw(t, "other")
			out[other] = out[path]
		default:
			content := out[path]
			at := rapid.IntRange(0, len(content)).Draw(t, "at")
			end := rapid.IntRange(at, len(content)).Draw(t, "end")
			out[path] = content[:at] + rapid.StringN(0, 9, 20).Draw(t, "inserted") + content[end:]
		}
	}
	return out
}

// TestRoundTrip holds that what was written is what is read, for any two trees, with and without a base, at any window.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := trees().Draw(t, "installed")
		want := changed(t, have)
		to, base := want.manifest("2"), have.manifest("1")
		for i := range to.Files {
			to.Files[i].Executable = to.Files[i].Link == "" && rapid.Bool().Draw(t, "executable")
		}
		if rapid.Bool().Draw(t, "new device") {
			base, have = nil, nil
		}
		var buf bytes.Buffer
		w, err := pack.NewWriter(&buf, rapid.IntRange(deflate.MinWindow, deflate.MaxWindow).Draw(t, "window"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Section(pack.Module, 0, []byte("m")); err != nil {
			t.Fatal(err)
		}
		if err := pack.Encode(w.Pack(), to, base, want.open, have.open); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := pack.OpenBundle(&buf)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := b.Next(); err != nil {
				t.Fatal(err)
			}
		}
		got, err := install(b.Pack(), to, base, have)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
		if _, err := b.Next(); err != io.EOF {
			t.Fatalf("got %v, want the end", err)
		}
	})
}
