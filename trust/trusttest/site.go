package trusttest

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"moult/release"
	"moult/trust"
)

// Site serves a repository without a network. What it serves may be changed at any time.
type Site struct{ *Repo }

var _ trust.Site = (*Site)(nil)

// Open opens a file of the repository.
func (s *Site) Open(_ context.Context, name string, ask trust.Ask) (*trust.Answer, error) {
	data, there := s.Files[name]
	s.Requests = append(s.Requests, "GET "+name)
	if !there {
		return nil, fmt.Errorf("%s: %w", name, release.ErrNotFound)
	}
	answer := &trust.Answer{Length: int64(len(data)), ETag: fmt.Sprintf(`"%x"`, sum(data))}
	switch {
	case ask.ETag == answer.ETag && ask.From == 0:
		answer.Unchanged = true
		return answer, nil
	case ask.ETag == answer.ETag && ask.From <= answer.Length:
		answer.From = ask.From
	}
	answer.Body = io.NopCloser(bytes.NewReader(data[answer.From:]))
	return answer, nil
}
