package mqtt

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzCommand: whatever comes is answered with valid JSON; what is accepted is a plain word with plain arguments,
// and written as JSON it is read as the same.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{
		"", "version", "update irrigation", " set KEY VALUE\n", `{"command":"update","args":["irrigation"],"id":"abc"}`,
		`{"command":"x","args":[null]}`, `{"command":"\ud800"}`, `{"id":7}`, "{", "../x", "\xff", "a\x00", `{"Command":"x"}`,
		`{"command":"a","command":"b"}`, "é x", `{"command":"set","args":["a\u0000"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		cmd, err := parse(payload)
		var r reply
		answer := cmd.answer("done", err)
		if uerr := json.Unmarshal(answer, &r); uerr != nil || !utf8.Valid(answer) || r.ID != cmd.ID || r.OK != (err == nil) || len(answer) > 64<<10 {
			t.Fatalf("answer to %q: %s (%v)", payload, answer, uerr)
		}
		if err != nil {
			return
		}
		for _, text := range append([]string{cmd.Name, cmd.ID}, cmd.Args...) {
			if strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
				t.Fatalf("%q: accepted %q", payload, text)
			}
		}
		if cmd.Name == "" || strings.ContainsAny(cmd.Name, "/\\ ") || cmd.Name[0] == '.' || cmd.Name[0] == '-' {
			t.Fatalf("%q: accepted the name %q", payload, cmd.Name)
		}
		again := encode(cmd)
		if len(again) > maxCommand {
			return // JSON of a text may be longer than is read
		}
		back, err := parse(again)
		if err != nil || !reflect.DeepEqual(back, cmd) {
			t.Fatalf("%q: written as %s, read as %+v, %v; want %+v", payload, again, back, err, cmd)
		}
	})
}

func TestClip(t *testing.T) {
	for _, test := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "lo…"},
		{"ééé", 5, "é…"},
		{"ééé", 6, "ééé"},
		{"a\xffb", 10, "a\uFFFDb"},
	} {
		if got := clip(test.in, test.n); got != test.want {
			t.Errorf("clip(%q, %d): got %q, want %q", test.in, test.n, got, test.want)
		}
	}
}

func TestMemory(t *testing.T) {
	var m memory
	name := func(i int) string { return string(rune('A' + i)) }
	m.add("to do")
	for i := range maxMemory {
		m.add(name(i))
		if i != 2 {
			m.done(name(i), []byte("done"))
		}
	}
	m.done("B", []byte("b"))
	if _, known := m.find("A"); known || len(m) != maxMemory {
		t.Errorf("the oldest of %d that was done is remembered", maxMemory+1)
	}
	if _, known := m.find("to do"); !known {
		t.Error("one that is still to be done is forgotten")
	}
	if answer, known := m.find("B"); !known || string(answer) != "b" {
		t.Errorf("B: got %q, %v", answer, known)
	}
	if answer, known := m.find("C"); !known || answer != nil {
		t.Errorf("C: got %q, %v", answer, known)
	}
	m.drop("C")
	if _, known := m.find("C"); known {
		t.Error("C is remembered")
	}
}
