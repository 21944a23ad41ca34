package mqtt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a command. What is longer was not written by a person, nor by Home Assistant.
const (
	maxCommand = 4 << 10 // bytes
	maxName    = 64      // bytes
	maxID      = 128     // bytes
)

// command is one as it came: as text, "update irrigation", or as JSON, {"command": "update", "args": ["irrigation"], "id": "abc"}.
type command struct {
	Name string   `json:"command"`
	Args []string `json:"args,omitempty"`
	ID   string   `json:"id,omitempty"` // names one command: what comes again under the same is the same
	key  string   // what it is remembered by; "" for not at all
}

// parse reads a command. Where it is refused, the command that is returned has the name and id as far as they could be read.
func parse(payload []byte) (command, error) {
	switch {
	case len(payload) > maxCommand:
		return command{}, fmt.Errorf("got a command of more than %d bytes", maxCommand)
	case !utf8.Valid(payload):
		return command{}, errors.New("got a command that is not UTF-8")
	}
	text := strings.TrimSpace(string(payload))
	if text == "" {
		return command{}, errors.New("got an empty command")
	}
	var cmd command
	var err error
	if text[0] == '{' {
		cmd, err = parseJSON([]byte(text))
	} else {
		fields := strings.Split(text, " ")
		cmd = command{Name: fields[0]}
		for _, field := range fields[1:] {
			if field != "" {
				cmd.Args = append(cmd.Args, field)
			}
		}
	}
	if err == nil {
		err = cmd.check()
	}
	if err != nil {
		return cmd.shown(), err
	}
	return cmd, nil
}

func parseJSON(text []byte) (cmd command, err error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return cmd, errors.New(`got a command that is broken JSON, want {"command": "…", "args": ["…"], "id": "…"}`)
	}
	for _, field := range []struct {
		key, want string
		read      func(json.RawMessage) bool
	}{
		{"id", "a text", func(v json.RawMessage) bool { return readText(v, &cmd.ID) }}, // first, so that errors are answered under it
		{"command", "a text", func(v json.RawMessage) bool { return readText(v, &cmd.Name) }},
		{"args", "a list of texts", func(v json.RawMessage) bool {
			var list []json.RawMessage
			if v[0] != '[' || json.Unmarshal(v, &list) != nil {
				return false
			}
			for _, element := range list {
				cmd.Args = append(cmd.Args, "")
				if !readText(element, &cmd.Args[len(cmd.Args)-1]) {
					return false
				}
			}
			return true
		}},
	} {
		value, there := fields[field.key]
		delete(fields, field.key)
		if there && !field.read(value) {
			return cmd, fmt.Errorf("%s: want %s", field.key, field.want)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		return cmd, fmt.Errorf("got the key %q, want command, args and id", clip(key, maxName))
	}
	return cmd, nil
}

// readText takes a text; null is none.
func readText(value json.RawMessage, into *string) bool {
	return value[0] == '"' && json.Unmarshal(value, into) == nil
}

// check holds a command to what a Handler may be given: its name is a plain word that cannot be taken for a path or an option.
func (cmd command) check() error {
	if strings.ContainsFunc(cmd.ID, unicode.IsControl) || len(cmd.ID) > maxID {
		return fmt.Errorf("id: want at most %d bytes without control characters", maxID)
	}
	for _, text := range append([]string{cmd.Name}, cmd.Args...) {
		if strings.ContainsFunc(text, unicode.IsControl) {
			return errors.New("got a command with a control character")
		}
	}
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
	}
	if cmd.Name == "" || len(cmd.Name) > maxName || strings.ContainsFunc(cmd.Name, odd) || strings.ContainsRune("-.", rune(cmd.Name[0])) {
		return fmt.Errorf("got the command %q, want a word of letters and digits, with -, _ or . within", clip(cmd.Name, maxName))
	}
	return nil
}

// shown returns what of a refused command its reply repeats.
func (cmd command) shown() command {
	if strings.ContainsFunc(cmd.ID, unicode.IsControl) || len(cmd.ID) > maxID {
		cmd.ID = ""
	}
	return command{Name: clip(cmd.Name, maxName), ID: cmd.ID}
}

// reply is what answers a command.
type reply struct {
	Command string `json:"command"`
	ID      string `json:"id"` // the command's; "" where it had none
	OK      bool   `json:"ok"`
	Text    string `json:"text"`
}

// maxText bounds a reply's text and each of an event's, in bytes, six of which a byte may take as JSON: brokers hang up
// at packets of some size, which is seldom below 64 KiB, and would so for ever.
const maxText = 8 << 10

func (cmd command) answer(text string, err error) []byte {
	if err != nil {
		text = err.Error()
	}
	return encode(reply{cmd.Name, cmd.ID, err == nil, clip(text, maxText)})
}

// encode writes JSON as it is read best: with <, > and &, on one line.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // nothing that is encoded here has a way to fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// clip shortens a text to at most n bytes, between two characters.
func clip(text string, n int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= n {
		return text
	}
	const more = "…"
	text = text[:n-len(more)]
	for !utf8.ValidString(text) { // at most three times
		text = text[:len(text)-1]
	}
	return text + more
}
