package micropython_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moult/trust/trusttest"
)

// hostile is what a server does to a board that runs 1.0, when 1.1 is out.
type hostile struct {
	name  string
	do    func(r *trusttest.Repo) // makes the honest repository, which has 1.1, hostile
	want  string                  // the reason; "" for nothing new; "network" for a failure that may pass; "updated" for none
	after func(r *trusttest.Repo) // what the honest repository does about it; nil: it goes on as ever
	only  string                  // "requests" or "bundles"; "" for both
	serve func(w http.ResponseWriter, req *http.Request) bool
}

var (
	boardOld = map[string]string{"app.py": strings.Repeat("print('old')\n", 40), "gone.py": "gone", "lib/a.py": strings.Repeat("a = 1\n", 50)}
	boardNew = map[string]string{"app.py": strings.Repeat("print('old')\n", 40) + "print('new')\n", "lib/a.py": strings.Repeat("a = 1\n", 50), "lib/b.py": "b"}
)

func fileOf(r *trusttest.Repo, prefix, suffix string) string {
	for name := range r.Files {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			return name
		}
	}
	panic("no file " + prefix + suffix)
}

func metadataOf(name string, version int64) string {
	return fmt.Sprintf("metadata/%d.%s.json", version, name)
}

func garbled(r *trusttest.Repo, name string) {
	data := bytes.Clone(r.Files[name])
	data[len(data)/2] ^= 1
	r.Files[name] = data
}

// flood answers a path with bytes without end, or where there is a pause between them with a few seconds' worth: a board that
// lets itself be held up by a trickle gets to its end, and fails for another reason.
func flood(part string, size int, pause time.Duration) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, part) {
			return false
		}
		end := time.Now().Add(3 * time.Second)
		for err := error(nil); err == nil && req.Context().Err() == nil && (pause == 0 || time.Now().Before(end)); {
			_, err = w.Write(make([]byte, size))
			w.(http.Flusher).Flush()
			time.Sleep(pause)
		}
		return true
	}
}

func hostiles() []hostile {
	thief := func(role string, put func(r *trusttest.Repo)) func(r *trusttest.Repo) {
		return func(r *trusttest.Repo) {
			r.Signers[role] = []trusttest.Key{r.Key("thief")}
			put(r)
		}
	}
	newKeys := func(r *trusttest.Repo) {
		for _, role := range []string{"timestamp", "snapshot"} {
			r.Signers[role] = []trusttest.Key{r.Key(role + "-2")}
			r.Allow(role, 1, r.Key(role+"-2"))
		}
		r.Root.Version++
		r.PutRoot()
		r.PublishSnapshot()
	}
	return []hostile{
		{name: "arbitrary software: a file's bytes", want: "hash", do: func(r *trusttest.Repo) {
			garbled(r, "files/"+digestOf(boardNew["app.py"])[:2]+"/"+digestOf(boardNew["app.py"]))
		}},
		{name: "arbitrary software: a manifest's bytes", want: "hash", do: func(r *trusttest.Repo) { garbled(r, fileOf(r, "targets/irrigation/", ".1.1")) }},
		{name: "arbitrary software: a timestamp of a thief's", want: "signature", do: thief("timestamp", (*trusttest.Repo).PutTimestamp)},
		{name: "arbitrary software: a snapshot of a thief's", want: "signature", do: thief("snapshot", (*trusttest.Repo).PutSnapshot)},
		{name: "arbitrary software: a role of a thief's", want: "signature", do: thief("irrigation", func(r *trusttest.Repo) { r.PutRole("irrigation") })},
		{name: "endless data: a timestamp", want: "length", do: func(r *trusttest.Repo) { r.Files["metadata/timestamp.json"] = make([]byte, 17<<10) }},
		{name: "endless data: a role", want: "length", do: func(r *trusttest.Repo) {
			r.Files[metadataOf("irrigation", r.Roles["irrigation"].Version)] = make([]byte, 1<<20+1)
		}},
		{name: "endless data: a file that tells no length", only: "requests", want: "length", serve: flood("/files/", 64<<10, 0)},
		{name: "endless data: a timestamp that tells no length", only: "requests", want: "length", serve: flood("/metadata/timestamp", 64<<10, 0)},
		{name: "endless data: a bundle that tells no length", only: "bundles", want: "updated", serve: flood("/bundles/", 64<<10, 0)},
		{name: "slow retrieval: the timestamp", only: "requests", want: "network", serve: flood("/metadata/timestamp", 1, 20*time.Millisecond)},
		{name: "slow retrieval: a bundle", only: "bundles", want: "network", serve: flood("/bundles/", 1, 20*time.Millisecond)},
		{name: "dropped requests: the timestamp", want: "missing", only: "requests", do: func(r *trusttest.Repo) { delete(r.Files, "metadata/timestamp.json") }},
		{name: "dropped requests: the snapshot", want: "missing", do: func(r *trusttest.Repo) { delete(r.Files, metadataOf("snapshot", r.Snapshot.Version)) }},
		{name: "dropped requests: the role", want: "missing", do: func(r *trusttest.Repo) { delete(r.Files, metadataOf("irrigation", r.Roles["irrigation"].Version)) }},
		{name: "dropped requests: the manifest", want: "missing", do: func(r *trusttest.Repo) { delete(r.Files, fileOf(r, "targets/irrigation/", ".1.1")) }},
		{name: "dropped requests: a file", only: "requests", want: "missing", do: func(r *trusttest.Repo) { delete(r.Files, "files/"+digestOf("b")[:2]+"/"+digestOf("b")) }},
		{name: "freeze: the timestamp", want: "expired", do: func(r *trusttest.Repo) {
			r.Timestamp.Expires = r.Now.Add(-time.Hour)
			r.Timestamp.UnrecognizedFields["issued"] = r.Timestamp.Expires.Format(time.RFC3339)
			r.PutTimestamp()
		}},
		{name: "freeze: the role", want: "expired", do: func(r *trusttest.Repo) {
			r.Roles["irrigation"].Expires = r.Now.Add(-time.Hour)
			r.PutRole("irrigation")
		}},
		{name: "freeze: issued after the root expired", want: "expired", do: func(r *trusttest.Repo) {
			r.Timestamp.Expires = r.Now.Add(30 * trusttest.Life)
			r.Timestamp.UnrecognizedFields["issued"] = r.Now.Add(20 * trusttest.Life).Format(time.RFC3339)
			r.PutTimestamp()
		}},
		{name: "fast-forward of the versions, and recovery", want: "", after: newKeys, do: func(r *trusttest.Repo) {
			delete(r.Roles["irrigation"].Targets, "irrigation/1.1")
			r.Snapshot.Version, r.Timestamp.Version, r.Roles["irrigation"].Version = 1<<40, 1<<40, 1<<40
			r.Publish()
		}},
		{name: "rollback: the timestamp", want: "rollback", do: func(r *trusttest.Repo) {
			r.Timestamp.Version = 1
			r.PutTimestamp()
		}},
		{name: "rollback: the role that the snapshot names", want: "rollback", do: func(r *trusttest.Repo) {
			r.Snapshot.Meta["irrigation.json"].Version = 1
			r.PutSnapshot()
		}},
		{name: "mix-and-match: the role", want: "mismatch", do: func(r *trusttest.Repo) {
			v := r.Roles["irrigation"].Version
			r.Files[metadataOf("irrigation", v)] = r.Files[metadataOf("irrigation", v-1)]
		}},
		{name: "wrong software: another module's role", want: "wrong-module", do: func(r *trusttest.Repo) {
			r.Files[metadataOf("irrigation", r.Roles["irrigation"].Version)] = r.Files[metadataOf("updater", r.Roles["updater"].Version)]
		}},
		{name: "wrong software: for another kind of device", want: "wrong-device", do: func(r *trusttest.Repo) {
			delete(r.Roles["irrigation"].Targets, "irrigation/1.0")
			r.Add("irrigation", "1.1", trusttest.Release{Files: boardNew, Devices: []string{"linux/armv6"}})
			r.Publish()
		}},
		{name: "wrong software: an older release", want: "", do: func(r *trusttest.Repo) {
			clear(r.Roles["irrigation"].Targets)
			r.Add("irrigation", "0.9", trusttest.Release{Files: boardNew})
			r.Publish()
		}},
		{name: "revoked key: the timestamp's", want: "signature", do: func(r *trusttest.Repo) {
			old := r.Signers["timestamp"]
			newKeys(r)
			r.Signers["timestamp"] = old
			r.PublishTimestamp()
		}},
		{name: "root rotation: the new key did not sign", want: "signature", do: func(r *trusttest.Repo) {
			r.Root.Version = 2
			r.Allow("root", 1, r.Key("thief"))
			r.PutRoot()
		}},
		{name: "malformed JSON: the timestamp", want: "format", do: func(r *trusttest.Repo) { r.Files["metadata/timestamp.json"] = []byte(`{"signatures":[`) }},
	}
}

// TestHostile plays attacks over HTTP, by single requests and with bundles on the server. Each is refused for its reason; what the board runs
// and trusts is as before; and afterwards a good update works.
func TestHostile(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		for _, h := range hostiles() {
			for _, way := range []string{"requests", "bundles"} {
				if h.only != "" && h.only != way {
					continue
				}
				t.Run(h.name+"/"+way, func(t *testing.T) { h.play(t, word, way) })
			}
		}
	})
}

func (h hostile) play(t *testing.T, word, way string) {
	first := trusttest.New(time.Now().Add(-time.Hour).Truncate(time.Second).UTC(), trusttest.RSA)
	first.AddModule("irrigation")
	first.AddModule("updater")
	first.Add("updater", "7.0", trusttest.Release{Files: map[string]string{"ota.py": "ota"}})
	first.Publish()
	first.Add("irrigation", "1.0", trusttest.Release{Files: boardOld})
	first.Publish()
	handler := trusttest.NewHandler(first)
	server := httptest.NewServer(handler)
	defer server.Close()
	b := newBoard(t, word).readable()
	b.write("config/moult.json", fmt.Sprintf(`{"modules": {"irrigation": {}}, "repository": {"url": %q}}`, server.URL))
	b.write("boot.py", "import moult_boot\nmoult_boot.start()\n")
	b.write("main.py", `import moult.http, moult.core
moult.http.PATIENCE = 300
moult.core.TRIES = 1
forget = moult.forget
moult.forget = lambda *names: forget(*[n for n in names if n != "http"])  # which is impatient here
import moult
print('went', moult.run())
`)
	b.write(".moult/trust/anchor.json", string(first.Files["metadata/1.root.json"]))
	b.boot()
	b.wantTree("irrigation/main", with(boardOld, map[string]string{".version": "1.0"}))
	trusted := b.tree(".moult/trust")
	next := first.Copy()
	next.Now = next.Now.Add(time.Minute)
	next.Add("irrigation", "1.1", trusttest.Release{Files: boardNew})
	next.Publish()
	bad := next.Copy()
	if h.do != nil {
		h.do(bad)
	}
	serve := func(r *trusttest.Repo) {
		r.DropBundles()
		if way == "bundles" {
			version := "1.1"
			for _, only := range []string{"0.9", "1.0"} {
				if r.Roles["irrigation"].Targets["irrigation/1.1"] == nil && r.Roles["irrigation"].Targets["irrigation/"+only] != nil {
					version = only
				}
			}
			r.PutBundles("irrigation", "stable", version, "1.0")
		}
		handler.Serve(r)
	}
	serve(bad)
	handler.Do = h.serve
	_, out := b.start()
	handler.Do = nil
	if h.want == "updated" {
		b.boot()
		b.wantTree("irrigation/main", with(boardNew, map[string]string{".version": "1.1"}))
		return
	}
	switch said := lastFailure(b); {
	case h.want == "" && !strings.Contains(out, "went True"):
		t.Errorf("got a failure, want nothing new\n%s", out)
	case h.want == "network" && (said == "" || reasonIn(said) != ""):
		t.Errorf("got %q, want a failure without a reason\n%s", said, out)
	case h.want != "" && h.want != "network" && reasonIn(said) != h.want:
		t.Errorf("got %q (%s), want %s\n%s", reasonIn(said), said, h.want, out)
	}
	b.wantTree("irrigation/main", with(boardOld, map[string]string{".version": "1.0"}))
	b.wantTree("irrigation/next", map[string]string{})
	genuine := map[string]bool{}
	for _, data := range next.Files {
		genuine[string(data)] = true
	}
	for name, data := range b.tree(".moult/trust") {
		if !strings.HasPrefix(name, "floor") && data != trusted[name] && !genuine[data] && h.want != "" && h.want != "wrong-device" && h.name != "revoked key: the timestamp's" {
			t.Errorf("%s: got what the attack put there: %.200s", name, data)
		}
	}
	good := next.Copy()
	good.Now = good.Now.Add(time.Minute)
	if root := bad.Files["metadata/2.root.json"]; strings.HasPrefix(h.name, "revoked") {
		good = bad.Copy()
		good.Files["metadata/2.root.json"] = root
		good.Signers["timestamp"] = []trusttest.Key{good.Key("timestamp-2")}
	}
	if h.after != nil {
		h.after(good)
	}
	for range 3 { // beyond what was hostile
		good.Targets.Version++
		good.Add("irrigation", "1.1", trusttest.Release{Files: boardNew})
		good.Publish()
	}
	serve(good)
	if _, out := b.boot(); b.tree("irrigation/main")[".version"] != "1.1" {
		t.Errorf("a good update afterwards: got %s\n%s", lastFailure(b), out)
	}
	if left := b.tree(".moult/download"); len(left) > 0 {
		t.Errorf("got %d downloads left, want none", len(left))
	}
}

// lastFailure returns the reason that the board wrote down last.
func lastFailure(b *board) (reason string) {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, ".moult/history.jsonl"))
	must(b.t, err)
	for line := range strings.Lines(string(data)) {
		var e event
		if json.Unmarshal([]byte(line), &e) == nil && e.Event == "failed" {
			reason = e.Reason
		}
	}
	return reason
}

// reasonIn returns the reason of a refusal that stands first in an error's text; "" where none does.
func reasonIn(text string) string {
	text = strings.TrimPrefix(text, "update irrigation: ")
	for _, reason := range []string{"format", "signature", "expired", "rollback", "mismatch", "missing", "length", "hash", "wrong-module", "wrong-device", "path", "untrusted"} {
		if strings.HasPrefix(text, reason+": ") {
			return reason
		}
	}
	return ""
}
