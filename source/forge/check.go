package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"moult/fault"
	"moult/release"
	"moult/web"
)

// API is a forge's API as one source asks it.
type API struct {
	Client *web.Client
	Header http.Header // of each request, such as Accept
	Auth   bool        // a token is sent, so that answers may hold more
}

// NewAPI returns the API that access is for, asked with header.
func NewAPI(client *web.Client, access web.Access, header http.Header) (API, error) {
	client, err := client.With(access)
	return API{Client: client, Header: header, Auth: access.Value != ""}, err
}

// Latest asks for the newest release of the repository whose page is given. Its error says what was checked.
func Latest(ctx context.Context, page string, q release.Query, ask func(context.Context, release.Query) (release.Answer, error)) (release.Answer, error) {
	answer, err := ask(ctx, q)
	if err != nil {
		return release.Answer{}, fmt.Errorf("check %s: %w", page, err)
	}
	return answer, nil
}

// maxPages bounds the pages of a list that one check reads.
const maxPages = 10

// Get reads one JSON document.
func Get[T any](ctx context.Context, api API, address string, meter *web.Meter) (T, error) {
	var v T
	_, err := api.Client.GetJSON(ctx, web.Request{URL: address, Header: api.Header, Meter: meter}, &v)
	return v, err
}

// Newest asks for the one release at address, on condition that it is another than q's memo tells of.
// ok is false where the channel does not allow what came: then only the list can tell.
func Newest[T any](ctx context.Context, api API, address string, q release.Query, item func(T) Item) (a release.Answer, ok bool, err error) {
	var got T
	known, etag, err := api.ask(ctx, address, q, &got)
	if err != nil || known != nil {
		return deref(known), err == nil, err
	}
	one := item(got)
	if one.Draft {
		return release.Answer{}, false, nil
	}
	r, err := one.Release()
	if err != nil {
		return release.Answer{}, false, fmt.Errorf("read the release of %s: %w", address, err)
	}
	if !q.Channel.Allows(r) {
		return release.Answer{}, false, nil
	}
	return api.answer(address, etag, q, r), true, nil
}

// List asks for the releases at address, the newest first, on condition that they are others than q's memo was made from.
// Further pages are read only while none fits.
func List[T any](ctx context.Context, api API, address string, q release.Query, item func(T) Item) (release.Answer, error) {
	first := address
	for page := 0; address != "" && page < maxPages; page++ {
		var got []T
		conditional := q
		if page > 0 {
			conditional.Memo = nil
		}
		var next string
		known, etag, err := api.askPage(ctx, address, conditional, &got, &next)
		if err != nil || known != nil {
			return deref(known), err
		}
		items := make([]Item, len(got))
		for i := range got {
			items[i] = item(got[i])
		}
		if r, ok := Pick(q.Channel, items); ok {
			if page > 0 {
				etag = "" // the first page's ETag says nothing about this one
			}
			return api.answer(first, etag, q, r), nil
		}
		address = next
	}
	return release.Answer{}, NoRelease(q.Channel)
}

// NoRelease is the error of a repository that has nothing for a channel.
func NoRelease(channel release.Channel) error {
	return fault.Hint(fmt.Errorf("%w on the channel %q", release.ErrNoRelease, channel),
		"publish a release, or choose another channel")
}

// IsNotFound reports whether a server said that there is no such thing.
func IsNotFound(err error) bool {
	var status *web.StatusError
	return errors.As(err, &status) && errors.Is(err, release.ErrNotFound)
}

func (api API) ask(ctx context.Context, address string, q release.Query, v any) (*release.Answer, string, error) {
	return api.askPage(ctx, address, q, v, new(string))
}

// askPage gets a JSON document and its ETag, or the answer that the memo held where the document is the same.
func (api API) askPage(ctx context.Context, address string, q release.Query, v any, next *string) (*release.Answer, string, error) {
	req := web.Request{URL: address, Header: api.Header.Clone()}
	m, conditional := readMemo(q.Memo, api.asked(address, q), q.Channel)
	if conditional {
		req.Header.Set("If-None-Match", m.ETag)
		req.Also = []int{http.StatusNotModified}
	}
	resp, err := api.Client.GetJSON(ctx, req, v)
	if err != nil {
		return nil, "", err
	}
	if resp.Status == http.StatusNotModified {
		return &release.Answer{Release: m.Release, Memo: m.write()}, "", nil
	}
	*next = NextPage(resp.URL, resp.Header.Values("Link"))
	return nil, resp.Header.Get("ETag"), nil
}

func (api API) answer(address, etag string, q release.Query, r release.Release) release.Answer {
	return release.Answer{Release: r, Memo: memo{Asked: api.asked(address, q), ETag: etag, Release: r}.write()}
}

// asked names a question: what a memo of another does not fit.
func (api API) asked(address string, q release.Query) string {
	return fmt.Sprintf("%s %t %s", q.Channel, api.Auth, address)
}

func deref(a *release.Answer) release.Answer {
	if a == nil {
		return release.Answer{}
	}
	return *a
}

// NextPage returns the address that Link headers (RFC 8288) name as the next page, on the same host as from; "" is none.
func NextPage(from *url.URL, headers []string) string {
	for _, header := range headers {
		for link := range strings.SplitSeq(header, ",") {
			target, params, _ := strings.Cut(link, ";")
			target = strings.TrimSpace(target)
			if len(target) < 2 || target[0] != '<' || target[len(target)-1] != '>' || !isNext(params) {
				continue
			}
			next, err := from.Parse(target[1 : len(target)-1])
			if err != nil || next.Scheme != from.Scheme || web.HostPort(next) != web.HostPort(from) || next.User != nil {
				continue
			}
			return next.String()
		}
	}
	return ""
}

func isNext(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(name, "rel") && strings.EqualFold(strings.Trim(value, `"`), "next") {
			return true
		}
	}
	return false
}
