package config

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"

	"moult/release"
)

func (n node) limits() release.Limits {
	var l release.Limits
	n.object(keys{
		"files": func(v node) { l.Files = v.count() },
		"size":  func(v node) { l.Bytes = v.size() },
	})
	return l
}

// count reads a whole number above zero. It fits an int of 32 bits, as small boards have.
func (n node) count() int {
	i, err := strconv.ParseInt(n.number(), 10, 32)
	if err != nil || i <= 0 {
		n.wrong("got %s, want a whole number from 1 to %d", n.shownNumber(), math.MaxInt32)
		return 0
	}
	return int(i)
}

// number is the text of a number, or "".
func (n node) number() string {
	if n.kind() != '0' {
		return ""
	}
	return string(n.value.Value.(hujson.Literal))
}

func (n node) shownNumber() string {
	if text := n.number(); text != "" {
		return shorten(text)
	}
	return n.what()
}

var sizeForm = regexp.MustCompile(`^([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]+)$`)

// maxSize is the largest size taken, in bytes: no device's disk, and far from where a sum of sizes overflows.
const maxSize = 1 << 50

// size reads bytes: a number, or a text with its unit.
func (n node) size() int64 {
	if text := n.number(); text != "" {
		i, err := strconv.ParseInt(text, 10, 64)
		if err != nil || i <= 0 || i > maxSize {
			n.wrong("got %s, want a whole number of bytes from 1 to %d", shorten(text), int64(maxSize))
			return 0
		}
		return i
	}
	const want = `want a number of bytes, or a text such as "500MB", "1GB" or "1GiB"`
	if n.kind() != '"' {
		n.wrong("got %s, %s", n.what(), want)
		return 0
	}
	text := literalText(n.value)
	form := sizeForm.FindStringSubmatch(text)
	unit := 0.0
	if form != nil {
		unit = sizeUnit(form[2])
	}
	if unit == 0 {
		n.wrong("got %s, %s", shown(text), want)
		return 0
	}
	amount, _ := strconv.ParseFloat(form[1], 64) // the form lets only numbers through
	bytes := math.Round(amount * unit)
	if bytes < 1 || bytes > maxSize {
		n.wrong("got %s, want 1 to %d bytes", shown(text), int64(maxSize))
		return 0
	}
	return int64(bytes)
}

func sizeUnit(name string) float64 {
	switch strings.ToLower(name) {
	case "b":
		return 1
	case "kb":
		return 1e3
	case "mb":
		return 1e6
	case "gb":
		return 1e9
	case "kib":
		return 1 << 10
	case "mib":
		return 1 << 20
	case "gib":
		return 1 << 30
	}
	return 0
}
