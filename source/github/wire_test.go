package github

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"moult/release"
	"moult/source/forge"
	"moult/source/sourcetest"
	"moult/web"
)

// npm returns a file of the test data that npm installs.
func npm(t *testing.T, name string) string {
	path := filepath.Join("..", "..", "testdata", "npm", "node_modules", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Fatalf(`%v; run "make deps"`, err)
	}
	return path
}

// recorded is one exchange with GitHub as @octokit/fixtures has it.
type recorded struct {
	Scope, Method, Path string
	Status              int
	Response            json.RawMessage
	ResponseIsBinary    bool
	Headers             map[string]any
}

// replay serves a scenario's recorded answers. Who asks for a tag gets what was recorded for a branch of that name.
func replay(t *testing.T, scenario string) (server *httptest.Server, exchanges []recorded, asked *[]*http.Request) {
	data, err := os.ReadFile(npm(t, "@octokit/fixtures/scenarios/api.github.com/"+scenario+"/normalized-fixture.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &exchanges); err != nil {
		t.Fatal(err)
	}
	if len(exchanges) == 0 {
		t.Fatalf("%s: got no exchanges", scenario)
	}
	asked = new([]*http.Request)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r)
		here := strings.NewReplacer("https://api.github.com:443", server.URL, "https://api.github.com", server.URL,
			"https://codeload.github.com", server.URL, "https://github.com", server.URL)
		for _, e := range exchanges {
			if !strings.EqualFold(e.Method, r.Method) || e.Path != strings.Replace(r.URL.RequestURI(), "/refs/tags/", "/", 1) {
				continue
			}
			for name, value := range e.Headers {
				if name != "content-length" && name != "connection" {
					w.Header().Set(name, here.Replace(fmt.Sprint(value)))
				}
			}
			body := []byte(here.Replace(string(e.Response)))
			var text string
			if json.Unmarshal(e.Response, &text) == nil {
				body = []byte(text)
			}
			if e.ResponseIsBinary {
				if body, err = hex.DecodeString(text); err != nil {
					t.Error(err)
				}
			}
			w.WriteHeader(e.Status)
			w.Write(body)
			return
		}
		t.Errorf("%s %s: got a request that was not recorded", r.Method, r.URL.RequestURI())
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	return server, exchanges, asked
}

func replayed(t *testing.T, server *httptest.Server, repo, token string) *Source {
	client := web.New(web.Options{})
	t.Cleanup(client.Close)
	source, err := New(client, server.URL, "octokit-fixture-org/"+repo, Options{Token: token, API: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestRecordedArchive(t *testing.T) {
	server, _, asked := replay(t, "get-archive")
	got := sourcetest.Tree{}
	main := release.Release{Version: release.MustVersion("main")}
	fetched, err := replayed(t, server, "get-archive", "0000000000000000000000000000000000000001").Fetch(t.Context(), main, release.Want{}, got.Put)
	if err != nil {
		t.Fatal(err)
	}
	if diff := (sourcetest.Tree{"README.md": {Content: "# get-archive"}}).Diff(got); diff != "" {
		t.Error(diff)
	}
	if fetched.Requests != 2 || fetched.Received != 176 || len(*asked) != 2 {
		t.Errorf("got %+v, want 2 requests and the 176 bytes recorded", fetched)
	}
}

func TestRecordedRelease(t *testing.T) {
	server, exchanges, _ := replay(t, "release-assets")
	source := replayed(t, server, "release-assets", "t")
	tag := release.Release{Version: release.MustVersion("v1.0.0")}
	_, err := source.Fetch(t.Context(), tag, release.Want{Asset: "test-upload.txt"}, nil)
	if !errors.Is(err, release.ErrNotFound) || !strings.Contains(err.Error(), "the release has none") {
		t.Errorf("release without assets: got %v, want not found", err)
	}

	got, err := forge.Get[wireRelease](t.Context(), source.api, source.repos+"/releases/tags/v1.0.0", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(exchanges[2].Response, &got.Assets); err != nil {
		t.Fatal(err)
	}
	r, err := source.item(got).Release()
	if err != nil {
		t.Fatal(err)
	}
	if r.Version.String() != "v1.0.0" || r.Prerelease || r.Published.Format("2006-01-02 15:04") != "2017-10-10 16:00" ||
		r.Page != server.URL+"/octokit-fixture-org/release-assets/releases/tag/v1.0.0" {
		t.Errorf("release: got %+v", r)
	}
	want := release.Asset{Name: "test-upload.txt", Size: 14, URL: "https://api.github.com/repos/octokit-fixture-org/release-assets/releases/assets/1000"}
	if len(r.Assets) != 1 || r.Assets[0].Name != want.Name || r.Assets[0].Size != want.Size || r.Assets[0].SHA256 != "" {
		t.Errorf("assets: got %+v, want %+v", r.Assets, want)
	}
}

func TestRecordedError(t *testing.T) {
	server, _, _ := replay(t, "errors")
	client := web.New(web.Options{})
	_, err := client.Do(t.Context(), web.Request{Method: "POST", URL: server.URL + "/repos/octokit-fixture-org/errors/labels"})
	var status *web.StatusError
	if !errors.As(err, &status) || status.Status != 422 || status.Message != "Validation Failed" {
		t.Errorf("got %v, want status 422 with GitHub's message", err)
	}
}

func TestRecordedRename(t *testing.T) {
	server, _, asked := replay(t, "rename-repository")
	got, err := forge.Get[struct{ Name string }](t.Context(), forge.API{Client: web.New(web.Options{})}, server.URL+"/repos/octokit-fixture-org/rename-repository", nil)
	if err != nil || got.Name != "rename-repository-newname" || len(*asked) != 2 {
		t.Errorf("got %+v, %v after %d requests, want the new name after 2", got, err, len(*asked))
	}
}

func TestRecordedPages(t *testing.T) {
	_, exchanges, _ := replay(t, "paginate-issues")
	for i, e := range exchanges {
		link, _ := e.Headers["link"].(string)
		at, err := url.Parse("https://api.github.com" + e.Path)
		if err != nil {
			t.Fatal(err)
		}
		next := forge.NextPage(at, []string{link})
		if hasNext := strings.Contains(link, `rel="next"`); hasNext != strings.Contains(next, "page=") || !strings.HasPrefix(next, "https://api.github.com/") && hasNext {
			t.Errorf("exchange %d: got the next page %q of %q", i, next, link)
		}
	}
}

// TestDescription holds the requests of this package and the answers of sourcetest's forge to GitHub's own description of its API.
func TestDescription(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile(npm(t, "@octokit/openapi/generated/api.github.com.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	f := sourcetest.NewForge(t, forge.GitHub, false)
	isDescribed := func(r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, "/api/v3/") && !strings.HasPrefix(r.URL.Path, "/api/v3/repositories/")
	}
	f.Break(isDescribed, -1, func(_ *sourcetest.Forge, w http.ResponseWriter, r *http.Request, next http.Handler) {
		right := httptest.NewRecorder()
		next.ServeHTTP(right, r)
		if id, err := described(r.Context(), doc, r, right); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL.RequestURI(), err)
		} else {
			seen[id] = true
		}
		for name, values := range right.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(right.Code)
		w.Write(right.Body.Bytes())
	})
	asset := sourcetest.Asset{Name: "tool", Content: "tool"}
	repo := &sourcetest.Repo{Token: "t", Releases: []sourcetest.Release{
		{Tag: "v3.0", Draft: true},
		{Tag: "v2.0-rc1", Prerelease: true, Notes: "soon"},
		{Tag: "release/v1.0", Files: sourcetest.Tree{"main/app.py": {}}, Assets: []sourcetest.Asset{asset, {Name: "old", Content: "old", NoDigest: true}}},
	}}
	f.Put("owner/repo", repo)
	f.Put("owner/moved", &sourcetest.Repo{MovedTo: "owner/repo"})
	client := web.New(f.WebOptions())
	source, err := New(client, f.URL, "owner/repo", Options{Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for _, channel := range []release.Channel{release.Stable, release.Beta} {
		answer, err := source.Latest(t.Context(), release.Query{Channel: channel})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.Latest(t.Context(), release.Query{Channel: channel, Memo: answer.Memo}); err != nil {
			t.Fatal(err)
		}
	}
	tag := release.Release{Version: release.MustVersion("release/v1.0")}
	for _, want := range []release.Want{{}, {Asset: "tool"}} {
		if _, err := source.Fetch(t.Context(), tag, want, sourcetest.Tree{}.Put); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := source.Fetch(t.Context(), release.Release{Version: release.MustVersion("v9")}, release.Want{Asset: "tool"}, nil); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("release that is not there: got %v", err)
	}
	if kind, err := forge.Detect(t.Context(), client, f.URL); kind != forge.GitHub {
		t.Errorf("detect: got %q, %v, want github", kind, err)
	}
	// The description of an asset, which the source has no need for.
	if _, err := forge.Get[wireAsset](t.Context(), source.api, source.repos+"/releases/assets/3000", nil); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"repos/get-latest-release", "repos/list-releases", "repos/get-release-by-tag", "repos/get-release-asset",
		"repos/download-tarball-archive", "meta/get"} {
		if !seen[id] {
			t.Errorf("%s: got no exchange, want one held to the description", id)
		}
	}
}

// described validates one exchange, and returns the operation's id.
func described(ctx context.Context, doc *openapi3.T, r *http.Request, answer *httptest.ResponseRecorder) (string, error) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v3")
	for _, template := range []string{"/meta", "/repos/{owner}/{repo}/releases", "/repos/{owner}/{repo}/releases/latest",
		"/repos/{owner}/{repo}/releases/tags/{tag}", "/repos/{owner}/{repo}/releases/assets/{asset_id}", "/repos/{owner}/{repo}/tarball/{ref}"} {
		params, ok := match(template, path)
		if !ok {
			continue
		}
		item := doc.Paths.Value(template)
		if item == nil || item.Get == nil || r.Method != http.MethodGet {
			return "", errors.New("no such operation")
		}
		for key := range r.URL.Query() {
			if item.Get.Parameters.GetByInAndName("query", key) == nil {
				return "", fmt.Errorf("no such query parameter: %s", key)
			}
		}
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params,
			Route:   &routers.Route{Spec: doc, Path: template, PathItem: item, Method: r.Method, Operation: item.Get},
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true}}
		if err := openapi3filter.ValidateRequest(ctx, in); err != nil {
			return "", err
		}
		if answer.Code == http.StatusNotModified { // which the description leaves out where it is conditional
			return item.Get.OperationID, nil
		}
		if item.Get.Responses.Status(answer.Code) == nil {
			return "", fmt.Errorf("status: got %d, want one that is described", answer.Code)
		}
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: answer.Code, Header: answer.Header(), Options: in.Options,
			Body: io.NopCloser(strings.NewReader(answer.Body.String()))}
		return item.Get.OperationID, openapi3filter.ValidateResponse(ctx, out)
	}
	return "", errors.New("no such path")
}

// match reads a path by its template; the last part of a tarball's may have slashes.
func match(template, path string) (map[string]string, bool) {
	want := strings.Split(template, "/")
	got := strings.Split(path, "/")
	if strings.HasSuffix(template, "{ref}") {
		got = strings.SplitN(path, "/", len(want))
	}
	if len(want) != len(got) {
		return nil, false
	}
	params := map[string]string{}
	for i := range want {
		if name, ok := strings.CutPrefix(want[i], "{"); ok {
			plain, err := url.PathUnescape(got[i])
			if err != nil {
				return nil, false
			}
			params[strings.TrimSuffix(name, "}")] = plain
		} else if want[i] != got[i] {
			return nil, false
		}
	}
	return params, true
}
