package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// file is one configuration file being read.
type file struct {
	*loader
	name   string
	strict bool  // unknown keys are refused
	lines  []int // where each line begins
}

func (f *file) add(p Problem) {
	p.File = f.name
	f.problems = append(f.problems, p)
}

// parse reads a file's JSON with comments and trailing commas; it reports false, having recorded why, where it is none.
func (f *file) parse(data []byte) (node, bool) {
	data = []byte(strings.TrimPrefix(string(data), "\ufeff"))
	f.lines = []int{0}
	for i, c := range data {
		if c == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	top := node{file: f}
	// The parser calls itself for each level: so many would exhaust the stack of a small machine.
	const maxBrackets = 10_000
	brackets := 0
	for i, c := range data {
		if c == '{' || c == '[' {
			if brackets++; brackets > maxBrackets {
				top.offset = i
				top.wrong("got more than %d objects and lists, want a configuration", maxBrackets)
				return top, false
			}
		}
	}
	if !utf8.Valid(data) {
		for top.offset < len(data) {
			r, size := utf8.DecodeRune(data[top.offset:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			top.offset += size
		}
		top.wrong("got broken UTF-8, want the file saved as UTF-8")
		return top, false
	}
	if len(strings.TrimSpace(string(data))) == 0 {
		top.wrong("got an empty file, want a JSON object")
		return top, false
	}
	value, err := hujson.Parse(append(data, '\n')) // a comment may end the file without one
	if err != nil {
		p := syntaxProblem(err)
		p.Line = min(p.Line, len(f.lines))
		f.add(p)
		return top, false
	}
	top.value, top.offset = value, value.StartOffset
	return top, true
}

var (
	syntaxPlace   = regexp.MustCompile(`^hujson: line (\d+), column (\d+): `)
	syntaxInvalid = regexp.MustCompile(`(?s)^invalid character '.*' (at|after|in) ([a-z- ]+)`)
)

// syntaxProblem tells where the JSON is broken without a letter of it: what is broken may be a password.
func syntaxProblem(err error) Problem {
	text := err.Error()
	var line, column int
	if place := syntaxPlace.FindStringSubmatch(text); place != nil {
		text = text[len(place[0]):]
		line, _ = strconv.Atoi(place[1])
		column, _ = strconv.Atoi(place[2])
	}
	message := "got broken JSON"
	switch invalid := syntaxInvalid.FindStringSubmatch(text); {
	case invalid != nil && invalid[1] == "after":
		message = "got an unexpected character " + strings.TrimSpace(invalid[1]+" "+invalid[2]) + "; is a comma or a quote missing?"
	case invalid != nil:
		message = "got an unexpected character " + strings.TrimSpace(invalid[1]+" "+invalid[2])
	case strings.HasPrefix(text, "invalid literal"):
		message = `got what is no value, want a text in double quotes (with \\ for a backslash), a number, true or false`
	case strings.Contains(text, "EOF"):
		message = "got the file's end, want what closes the text, comment, object or list begun here or before"
	}
	return Problem{Line: line, Message: fmt.Sprintf("%s (column %d)", message, column)}
}
