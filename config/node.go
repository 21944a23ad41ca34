package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// node is a value of a file, with the path of its key. Its getters record what is wrong and then return a zero value,
// so that reading goes on and all problems come out at once.
type node struct {
	*file
	key    string
	value  hujson.Value
	offset int // of the value; of the name where there is no value
}

// wrong records a problem with the node.
func (n node) wrong(format string, args ...any) {
	n.add(Problem{Line: n.row(), Key: n.key, Message: fmt.Sprintf(format, args...)})
}

// row is the line that the node stands on, from 1.
func (n node) row() int {
	before, _ := slices.BinarySearch(n.lines, n.offset+1)
	return before
}

// at returns a node for a key below n that has no value of its own to point to.
func (n node) at(name string) node {
	return node{file: n.file, key: join(n.key, name), offset: n.offset}
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func join(key, name string) string {
	if !plainKey.MatchString(name) {
		name = fmt.Sprintf("%q", shorten(name))
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

func (n node) kind() hujson.Kind {
	if n.value.Value == nil {
		return 0
	}
	return n.value.Value.Kind()
}

// what names the type of the value.
func (n node) what() string {
	switch n.kind() {
	case '"':
		return "a text"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean" // not which: it may stand where a secret does
	case '{':
		return "an object"
	case '[':
		return "a list"
	default:
		return "null"
	}
}

// want reports whether the value is of a kind, and records it as wrong where it is not.
func (n node) want(kind hujson.Kind, name string) bool {
	if n.kind() == kind {
		return true
	}
	n.wrong("got %s, want %s", n.what(), name)
	return false
}

// keys are what an object may have, and who reads it.
type keys map[string]func(node)

// object reads an object's members in their order and returns how many it has.
func (n node) object(known keys) int {
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	return n.members(func(name string, member node) {
		read := known[name]
		switch {
		case read != nil:
			read(member)
		case n.strict:
			member.wrong("got an unknown key, want %s%s", oneOf(names), didYouMean(name, names))
		}
	})
}

// members gives each of an object's members, and refuses a key that stands twice.
func (n node) members(read func(name string, member node)) int {
	if !n.want('{', "an object") {
		return 0
	}
	object := n.value.Value.(*hujson.Object)
	first := map[string]node{}
	for _, m := range object.Members {
		name := literalText(m.Name)
		member := node{n.file, join(n.key, name), m.Value, m.Value.StartOffset}
		if before, twice := first[name]; twice {
			member.wrong("got the key again, want it once; it stands on line %d already", before.row())
			continue
		}
		first[name] = member
		read(name, member)
	}
	return len(object.Members)
}

// elements gives each element of a list.
func (n node) elements(read func(node)) {
	for i, v := range n.value.Value.(*hujson.Array).Elements {
		read(node{n.file, fmt.Sprintf("%s[%d]", n.key, i), v, v.StartOffset})
	}
}

func literalText(v hujson.Value) string {
	var text string
	if err := json.Unmarshal(v.Value.(hujson.Literal), &text); err != nil {
		return "" // the parser let only valid texts through
	}
	return text
}

// oneLine reads a text of one line that is not empty.
func (n node) oneLine() string {
	if n.kind() != '"' {
		n.wrong("got %s, want a text", n.what())
		return ""
	}
	text := literalText(n.value)
	switch {
	case text == "":
		n.wrong("got an empty text")
	case strings.ContainsFunc(text, isControl):
		n.wrong("got a text with a control character or line break, want one line")
	default:
		return text
	}
	return ""
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }

// checked reads a line and gives it to a check, whose error says what was got and what is wanted.
func (n node) checked(check func(string) error) string {
	text := n.oneLine()
	if text == "" {
		return ""
	}
	if err := check(text); err != nil {
		n.wrong("%v", err)
		return ""
	}
	return text
}

// choice reads one of a few words.
func (n node) choice(words ...string) string {
	text := n.oneLine()
	if text != "" && !slices.Contains(words, text) {
		n.wrong("got %s, want %s%s", shown(text), oneOf(words), didYouMean(text, words))
		return ""
	}
	return text
}

func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

func (n node) boolean() bool {
	if n.kind() != 't' && n.kind() != 'f' {
		n.wrong("got %s, want true or false", n.what())
	}
	return n.kind() == 't'
}

// texts reads a list of checked lines, of which there is at least one.
func (n node) texts(example string, check func(string) error) []string {
	if n.kind() == '"' {
		n.wrong("got a text, want a list of texts, such as %s", example)
		return nil
	}
	if !n.want('[', "a list of texts, such as "+example) {
		return nil
	}
	var all []string
	n.elements(func(v node) {
		if text := v.checked(check); text != "" {
			all = append(all, text)
		}
	})
	if len(n.value.Value.(*hujson.Array).Elements) == 0 {
		n.wrong("got an empty list, want one such as %s", example)
	}
	return all
}

// duration reads a time span above zero.
func (n node) duration() time.Duration {
	const want = `want a time such as "60s", "15m" or "12h"`
	if n.kind() != '"' {
		n.wrong("got %s, %s", n.what(), want)
		return 0
	}
	text := literalText(n.value)
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		n.wrong("got %s, %s", shown(text), want)
		return 0
	}
	return d
}

// anyText is the check of what only the program it is for can judge.
func anyText(string) error { return nil }
