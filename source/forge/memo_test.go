package forge

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"moult/release"
)

func TestMemo(t *testing.T) {
	good := memo{Asked: "stable false https://x", ETag: `W/"abc"`, Release: release.Release{Version: release.MustVersion("v1"), Notes: "n",
		Assets: []release.Asset{{Name: "a", URL: "https://x/a", Size: 3, SHA256: strings.Repeat("a", 64)}}}}
	got, ok := readMemo(good.write(), good.Asked, release.Stable)
	if !ok || !reflect.DeepEqual(got, good) {
		t.Errorf("written and read: got %+v, %t, want %+v", got, ok, good)
	}
	long, noTag, broken, pre := good, good, good, good
	long.Release.Assets = make([]release.Asset, 10_000)
	noTag.ETag = ""
	broken.ETag = "\"a\r\nX: y\""
	pre.Release.Version = release.MustVersion("v2-rc1")
	for name, c := range map[string]struct {
		memo  memo
		asked string
	}{
		"another question":            {good, "beta false https://x"},
		"longer than is kept":         {long, good.Asked},
		"no ETag":                     {noTag, good.Asked},
		"ETag with a line break":      {broken, good.Asked},
		"release not of this channel": {pre, good.Asked},
	} {
		if _, ok := readMemo(c.memo.write(), c.asked, release.Stable); ok {
			t.Errorf("%s: got a memo, want none", name)
		}
	}
	raw, err := json.Marshal(broken)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := readMemo(raw, good.Asked, release.Stable); ok {
		t.Error("ETag with a line break, from the disk: got a memo, want none")
	}
}

// FuzzItem: what is accepted has a valid tag and comes back from the memo the same; what is refused gives no release.
func FuzzItem(f *testing.F) {
	f.Add([]byte(`{"Tag":"v1.0","Commit":"079e90101242458910cccd35eab0e211dfc359c0","Notes":"n","Page":"https://x/y","Assets":[{"name":"a","url":"https://x","size":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var item Item
		if json.Unmarshal(data, &item) != nil {
			return
		}
		checkItem(t, item)
	})
}

func checkItem(t *testing.T, item Item) {
	r, err := item.Release()
	if err != nil {
		if !reflect.DeepEqual(r, release.Release{}) {
			t.Fatalf("got %+v of what was refused", r)
		}
		return
	}
	if _, err := release.ParseVersion(r.Version.String()); err != nil || len(r.Notes) > release.MaxNotes {
		t.Fatalf("got the tag %q (%v) and %d bytes of notes", r.Version, err, len(r.Notes))
	}
	m := memo{Asked: "q", ETag: `"e"`, Release: r}
	data := m.write()
	if data == nil {
		return // too long to be kept
	}
	if again, ok := readMemo(data, "q", release.Beta); !ok || !reflect.DeepEqual(again, m) {
		t.Fatalf("from the memo: got %+v, %t, want %+v", again, ok, m)
	}
}
