package pack_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"moult/pack"
)

// TestDictionary holds the dictionary to docs/formats.md, from which others take it.
func TestDictionary(t *testing.T) {
	doc, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, behind, found := strings.Cut(string(doc), "The stream has a preset dictionary")
	said, behind, found2 := strings.Cut(behind, "\n```\n")
	text, behind, found3 := strings.Cut(behind, "\n```\n")
	if !found || !found2 || !found3 || strings.ReplaceAll(text, "\n", "") != pack.Dictionary {
		t.Fatalf("docs/formats.md: got %q, want the lines of pack.Dictionary", text)
	}
	n := len(pack.Dictionary)
	stored := fmt.Sprintf("`00 %02x %02x %02x %02x`", n&0xff, n>>8, ^n&0xff, ^n>>8&0xff)
	for _, want := range []string{fmt.Sprintf("%d bytes", n), fmt.Sprintf("`%x`", sha256.Sum256([]byte(pack.Dictionary)))} {
		if !strings.Contains(said, want) {
			t.Errorf("docs/formats.md: got %q, want %s in it", said, want)
		}
	}
	for _, want := range []string{stored, fmt.Sprintf("first %d bytes", n)} {
		if !strings.Contains(behind, want) {
			t.Errorf("docs/formats.md: got no %s", want)
		}
	}
	if n > 700 {
		t.Errorf("got %d bytes, want at most 700: the smallest window must reach behind it", n)
	}
}

// others inflates bundles in the two ways of docs/formats.md: with a preset dictionary, and with a stored block before the stream.
const others = `
import json, struct, sys, zlib
text, bundles = json.load(sys.stdin)
text, out = text.encode(), []
for b in map(bytes.fromhex, bundles):
    d = zlib.decompressobj(-b[4], zdict=text)
    one = d.decompress(b[5:])
    e = zlib.decompressobj(-b[4])
    two = e.decompress(struct.pack("<BHH", 0, len(text), 65535 - len(text)) + text + b[5:])
    assert d.eof and e.eof and two[:len(text)] == text and two[len(text):] == one
    out.append(one.hex())
print(json.dumps(out))
`

func TestOthersInflate(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Fatalf("%v; scripts/test-deps.sh installs it", err)
	}
	body := []byte(pack.Dictionary + strings.Repeat(pack.Dictionary, 3))
	var bundles []string
	for window := 10; window <= 15; window++ {
		var buf bytes.Buffer
		w, err := pack.NewWriter(&buf, window)
		if err != nil {
			t.Fatal(err)
		}
		w.Section(pack.Module, 0, []byte("m")) // its error comes with Close
		w.Section(pack.Timestamp, 1, body)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if buf.Len() > 200 {
			t.Errorf("window %d: got %d bytes, want few", window, buf.Len())
		}
		bundles = append(bundles, hex.EncodeToString(buf.Bytes()))
		b, err := pack.OpenBundle(&buf)
		for range 2 {
			if err == nil {
				_, err = b.Next()
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.Body(1 << 20); err != nil || !bytes.Equal(got, body) {
			t.Errorf("window %d: got %d bytes, %v, want %d", window, len(got), err, len(body))
		}
		if _, err := b.Next(); err != io.EOF {
			t.Errorf("window %d: got %v, want the end", window, err)
		}
	}
	in, err := json.Marshal([]any{pack.Dictionary, bundles})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", others)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("0100016d0301%x%x", binary.AppendUvarint(nil, uint64(len(body))), body)
	for i, g := range got {
		if g != want {
			t.Errorf("bundle %d: got other bytes", i)
		}
	}
	if len(got) != len(bundles) {
		t.Errorf("got %d answers, want %d", len(got), len(bundles))
	}
}
