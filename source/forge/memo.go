package forge

import (
	"encoding/json"
	"strings"

	"moult/release"
)

// memo is what a check remembers: an ETag, what was asked, and the release that the answer stood for.
type memo struct {
	Asked   string          `json:"asked"` // the URL, the channel, and whether with a token
	ETag    string          `json:"etag"`
	Release release.Release `json:"release"`
}

// maxETag is the longest ETag that is remembered, in bytes; GitHub's have 68.
const maxETag = 256

// readMemo returns what was remembered of the same question, or nothing.
func readMemo(data []byte, asked string, channel release.Channel) (memo, bool) {
	var m memo
	if len(data) > release.MaxMemo || json.Unmarshal(data, &m) != nil {
		return memo{}, false
	}
	ok := m.Asked == asked && goodETag(m.ETag) && !m.Release.Version.IsZero() && channel.Allows(m.Release)
	return m, ok
}

// write returns the memo's bytes, or nil where it would be of no use or too long.
func (m memo) write() []byte {
	if !goodETag(m.ETag) {
		return nil
	}
	data, err := json.Marshal(m)
	if err != nil || len(data) > release.MaxMemo {
		return nil
	}
	return data
}

func goodETag(tag string) bool {
	return len(tag) >= 2 && len(tag) <= maxETag && strings.HasSuffix(tag, `"`) &&
		!strings.ContainsFunc(tag, func(r rune) bool { return r < ' ' || r >= 0x7f })
}
