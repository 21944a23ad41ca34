package sourcetest

import (
	"context"
	"errors"
	"testing"

	"moult/fault"
	"moult/release"
)

// Harness makes the model real for one kind of source, and says what that kind can do.
type Harness struct {
	// New returns a source of the repository, which is made for this call alone; nil stands for one that does not exist.
	New func(t *testing.T, repo *Repo) release.Source

	PrereleaseFlag bool // a release can be a pre-release by a flag, whatever its tag says
	Drafts         bool // there are releases that are not published yet
	NamesOnly      bool // the source tells no dates: where no tag is a version, the newest is the last by name
	NamesFolders   bool // where the directory is missing, the error names the folders there are
}

// channel is release.ParseChannel for texts known to be good.
func channel(text string) release.Channel {
	c, err := release.ParseChannel(text)
	if err != nil {
		panic(err)
	}
	return c
}

// Run holds a source to the port's contract.
func Run(t *testing.T, h Harness) {
	t.Run("latest", func(t *testing.T) { runLatest(t, h) })
	t.Run("latest errors", func(t *testing.T) { runLatestErrors(t, h) })
	t.Run("memo", func(t *testing.T) { runMemo(t, h) })
	t.Run("fetch", func(t *testing.T) { runFetch(t, h) })
	t.Run("fetch errors", func(t *testing.T) { runFetchErrors(t, h) })
}

// tags makes a repository of releases, the newest first, each with one file that holds its tag.
func tags(names ...string) *Repo {
	repo := new(Repo)
	for _, name := range names {
		repo.Releases = append(repo.Releases, Release{Tag: name, Files: Tree{"main.py": {Content: name}}})
	}
	return repo
}

func runLatest(t *testing.T, h Harness) {
	flagged := tags("v3.0", "v2.0")
	flagged.Releases[0].Prerelease = true
	draft := tags("v3.0", "v2.0")
	draft.Releases[0].Draft = true
	nightly := "nightly-of-friday"
	if h.NamesOnly {
		nightly = "nightly-of-thursday"
	}
	for _, c := range []struct {
		name, channel string
		repo          *Repo
		want          string
		skip          bool
	}{
		{name: "stable", repo: tags("v1.1", "v1.0"), want: "v1.1"},
		{name: "one release", repo: tags("1"), want: "1"},
		{name: "pre-release by its tag is hidden on stable", repo: tags("v2.0-rc1", "v1.1"), want: "v1.1"},
		{name: "pre-release by its tag is seen on beta", channel: "beta", repo: tags("v2.0-rc1", "v1.1"), want: "v2.0-rc1"},
		{name: "release after its candidates on beta", channel: "beta", repo: tags("v2.0", "v2.0-rc2", "v2.0-rc1"), want: "v2.0"},
		{name: "pre-release by its flag is hidden on stable", repo: flagged, want: "v2.0", skip: !h.PrereleaseFlag},
		{name: "pre-release by its flag is seen on beta", channel: "beta", repo: flagged, want: "v3.0", skip: !h.PrereleaseFlag},
		{name: "draft is hidden on stable", repo: draft, want: "v2.0", skip: !h.Drafts},
		{name: "draft is hidden on beta", channel: "beta", repo: draft, want: "v2.0", skip: !h.Drafts},
		{name: "constraint", channel: "~> 1.2", repo: tags("v2.0", "v1.9.1", "v1.2", "v1.1"), want: "v1.9.1"},
		{name: "pin", channel: "= 1.2", repo: tags("v2.0", "v1.2", "v1.1"), want: "v1.2"},
		{name: "1.9 to 1.10 on stable", repo: tags("1.10", "1.9"), want: "1.10"},
		{name: "1.9 to 1.10 on beta", channel: "beta", repo: tags("1.10", "1.9"), want: "1.10"},
		{name: "1.10 though a patch of 1.9 came later", channel: ">= 1", repo: tags("1.9.1", "1.10", "1.9"), want: "1.10"},
		{name: "tags that are no versions", repo: tags("nightly-of-friday", "nightly-of-thursday"), want: nightly},
		{name: "tags that are no versions on beta", channel: "beta", repo: tags("nightly-of-friday", "nightly-of-thursday"), want: nightly},
		{name: "tag with a slash", repo: tags("release/v1.1", "release/v1.0"), want: "release/v1.1"},
		{name: "tag with characters that need escapes", repo: tags(awkwardTag), want: awkwardTag},
		{name: "tag with characters that need escapes on beta", channel: "beta", repo: tags(awkwardTag), want: awkwardTag},
	} {
		if c.skip {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			answer, err := h.New(t, c.repo).Latest(t.Context(), release.Query{Channel: channel(c.channel)})
			if err != nil {
				t.Fatal(err)
			}
			if got := answer.Release.Version.String(); got != c.want {
				t.Errorf("latest on %s: got %s, want %s", channel(c.channel), got, c.want)
			}
			if len(answer.Memo) > release.MaxMemo {
				t.Errorf("memo: got %d bytes, want at most %d", len(answer.Memo), release.MaxMemo)
			}
		})
	}
}

// awkwardTag is a tag that git takes and a URL does not as it stands; its %2F is part of the name.
const awkwardTag = "v1.0+b#1%2F&é=x;y"

func runLatestErrors(t *testing.T, h Harness) {
	drafts := tags("v1.0")
	drafts.Releases[0].Draft = true
	for _, c := range []struct {
		name, channel string
		repo          *Repo
		want          error
		hint, skip    bool
	}{
		{name: "no release", repo: tags(), want: release.ErrNoRelease},
		{name: "no release on beta", channel: "beta", repo: tags(), want: release.ErrNoRelease},
		{name: "no release that fits", channel: ">= 3", repo: tags("v2.0", "v1.0"), want: release.ErrNoRelease},
		{name: "only pre-releases on stable", repo: tags("v2.0-rc2", "v2.0-rc1"), want: release.ErrNoRelease},
		{name: "only drafts", repo: drafts, want: release.ErrNoRelease, skip: !h.Drafts},
		{name: "no repository", want: release.ErrNotFound, hint: true},
		{name: "no repository on beta", channel: "beta", want: release.ErrNotFound, hint: true},
	} {
		if c.skip {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			answer, err := h.New(t, c.repo).Latest(t.Context(), release.Query{Channel: channel(c.channel)})
			wantError(t, err, c.want, c.hint)
			if fault.IsTransient(err) {
				t.Errorf("got a transient error, want a final one: %v", err)
			}
			if !answer.Release.Version.IsZero() || answer.Memo != nil {
				t.Errorf("got %v with an error, want nothing", answer)
			}
		})
	}
	t.Run("context that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		source := h.New(t, tags("v1.0"))
		cancel()
		_, err := source.Latest(ctx, release.Query{})
		wantError(t, err, context.Canceled, false)
	})
}

func runMemo(t *testing.T, h Harness) {
	for _, name := range []string{"stable", "beta", ">= 1"} {
		t.Run("round trip on "+name, func(t *testing.T) {
			source := h.New(t, tags("v1.1", "v1.0"))
			first, err := source.Latest(t.Context(), release.Query{Channel: channel(name)})
			if err != nil {
				t.Fatal(err)
			}
			again, err := source.Latest(t.Context(), release.Query{Channel: channel(name), Memo: first.Memo})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := again.Release.Version, first.Release.Version; got.String() != want.String() {
				t.Errorf("with a memo: got %s, want %s", got, want)
			}
			if (again.Memo == nil) != (first.Memo == nil) {
				t.Errorf("memo after a memo: got %q, want one as the first answer had: %q", again.Memo, first.Memo)
			}
		})
	}
	t.Run("one that does not fit is ignored", func(t *testing.T) {
		source := h.New(t, tags("v2.0-rc1", "v1.0"))
		beta, err := source.Latest(t.Context(), release.Query{Channel: release.Beta})
		if err != nil {
			t.Fatal(err)
		}
		for _, memo := range [][]byte{beta.Memo, []byte("{"), []byte("null"), []byte(`{"release":{"version":"v9"}}`), {}} {
			answer, err := source.Latest(t.Context(), release.Query{Memo: memo})
			if err != nil {
				t.Fatalf("memo %q: %v", memo, err)
			}
			if got := answer.Release.Version.String(); got != "v1.0" {
				t.Errorf("memo %q: got %s, want v1.0", memo, got)
			}
		}
	})
}

func wantError(t *testing.T, err, want error, hint bool) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got the error %v, want %v", err, want)
	}
	if hint && fault.HintOf(err) == "" {
		t.Errorf("got no hint with %v, want one", err)
	}
}
