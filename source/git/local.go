package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"moult/fault"
	"moult/release"
)

// repository is a local one, opened in place: a bare one, one with a working tree, or a working tree linked to one.
type repository struct{ *filesystem.Storage }

// Objects above largeObject are streamed; below it they are held, with a cache for the bases of deltas.
const (
	largeObject = 1 << 20
	cacheSize   = 4 << 20
)

func openRepository(path string) (*repository, error) {
	dot, err := gitDir(path)
	if err != nil {
		return nil, err
	}
	var fs billy.Filesystem = osfs.New(dot)
	common := dot
	if line, err := os.ReadFile(filepath.Join(dot, "commondir")); err == nil { // git-worktree keeps the rest there
		common = within(dot, strings.TrimSpace(string(line)))
		fs = dotgit.NewRepositoryFilesystem(fs, osfs.New(common))
	}
	for _, name := range []string{"objects", "refs"} {
		if _, err := os.Stat(filepath.Join(common, name)); err != nil {
			return nil, notRepository(path, err)
		}
	}
	r := &repository{filesystem.NewStorageWithOptions(fs, cache.NewObjectLRU(cacheSize), filesystem.Options{
		KeepDescriptors:      true,
		LargeObjectThreshold: largeObject,
		AlternatesFS:         osfs.New("/"),
	})}
	return r, r.checkFormat()
}

// gitDir finds a repository's own directory: path itself where it is bare, its .git, or where a .git file points.
func gitDir(path string) (string, error) {
	dot := filepath.Join(path, ".git")
	info, err := os.Stat(dot)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Join(path, "HEAD")); err != nil {
			return "", notRepository(path, err)
		}
		return path, nil
	case err != nil:
		return "", err
	case info.IsDir():
		return dot, nil
	}
	line, err := os.ReadFile(dot)
	if err != nil {
		return "", err
	}
	to, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "gitdir: ")
	if !ok {
		return "", fmt.Errorf("%s: got %.40q, want gitdir: and a path", dot, line)
	}
	return within(path, to), nil
}

func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func notRepository(path string, err error) error {
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return fault.Hint(fmt.Errorf("got no git repository: %w", release.ErrNotFound), "give the directory that holds .git, or a bare repository")
}

// checkFormat refuses a repository whose objects or references this package would misread.
func (r *repository) checkFormat() error {
	config, err := r.Config()
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	extensions := config.Raw.Section("extensions")
	for key, known := range map[string]string{"objectformat": "sha1", "refstorage": "files"} {
		if got := extensions.Option(key); got != "" && !strings.EqualFold(got, known) {
			return fault.Hint(fmt.Errorf("extensions.%s: got %q, want %q", key, got, known), "serve this repository over https or ssh, or convert it")
		}
	}
	return nil
}

func (r *repository) open(h plumbing.Hash) (content, error) {
	o, err := r.EncodedObject(plumbing.AnyObject, h)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return content{}, fault.Hint(fmt.Errorf("object %s: missing", h), "the repository is damaged or was cloned in part; run git fsck")
	}
	if err != nil {
		return content{}, fmt.Errorf("object %s: %w", h, err)
	}
	body, err := o.Reader()
	if err != nil {
		return content{}, fmt.Errorf("object %s: %w", h, err)
	}
	hasher := plumbing.NewHasher(o.Type(), o.Size())
	return content{&hashed{body, hasher, h, o.Size()}, o.Type(), o.Size()}, nil
}

// hashed reads an object and wants its hash at the end: go-git does not look.
type hashed struct {
	io.ReadCloser
	hasher plumbing.Hasher
	want   plumbing.Hash
	left   int64
}

func (r *hashed) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.hasher.Write(p[:n])
	if r.left -= int64(n); err == io.EOF && (r.left != 0 || r.hasher.Sum() != r.want) {
		err = fault.Hint(fmt.Errorf("object %s: got other bytes than its hash says", r.want), "the repository is damaged; run git fsck")
	}
	return n, err
}

const tagPrefix = "refs/tags/"

// tags returns the hashes that tags point at, by the tags' names.
func (r *repository) tags() (map[string]plumbing.Hash, error) {
	refs, err := r.IterReferences()
	if err != nil {
		return nil, fmt.Errorf("references: %w", err)
	}
	tags := map[string]plumbing.Hash{}
	err = refs.ForEach(func(ref *plumbing.Reference) error {
		if name, ok := strings.CutPrefix(ref.Name().String(), tagPrefix); ok && ref.Type() == plumbing.HashReference {
			tags[name] = ref.Hash()
		}
		return nil
	})
	return tags, err
}

func (s *Source) latestLocal(ctx context.Context, channel release.Channel) (release.Release, error) {
	repo, err := openRepository(s.local)
	if err != nil {
		return release.Release{}, err
	}
	defer repo.Close()
	tags, err := repo.tags()
	if err != nil {
		return release.Release{}, err
	}
	var all []release.Release
	for name := range tags {
		if v, err := release.ParseVersion(name); err == nil {
			all = append(all, release.Release{Version: v})
		}
	}
	for {
		best, err := newest(channel, all)
		if err != nil {
			return release.Release{}, err
		}
		if !best.Version.IsNumeric() {
			return newestByDate(ctx, repo, channel, all, tags)
		}
		err = repo.describe(&best, tags[best.Version.String()])
		if !errors.Is(err, errNoCommit) {
			return best, err
		}
		all = without(all, best.Version)
	}
}

func without(all []release.Release, v release.Version) []release.Release {
	return slices.DeleteFunc(all, func(r release.Release) bool { return r.Version.String() == v.String() })
}

// newestByDate picks from tags of which none that the channel allows is a version.
func newestByDate(ctx context.Context, repo *repository, channel release.Channel, all []release.Release, tags map[string]plumbing.Hash) (release.Release, error) {
	var dated []release.Release
	for _, r := range all {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		if err := repo.describe(&r, tags[r.Version.String()]); err == nil {
			dated = append(dated, r)
		} else if !errors.Is(err, errNoCommit) {
			return r, err
		}
	}
	if _, err := newest(channel, dated); err != nil {
		return release.Release{}, err
	}
	slices.SortStableFunc(dated, func(a, b release.Release) int { return b.Published.Compare(a.Published) })
	best, _ := channel.Newest(dated)
	return best, nil
}

// describe fills in what the tag and its commit tell.
func (r *repository) describe(to *release.Release, h plumbing.Hash) error {
	p, err := peel(r, h)
	if err != nil {
		return fmt.Errorf("tag %s: %w", to.Version, err)
	}
	to.Commit = p.commit.String()
	to.Published = p.at
	to.Notes = strings.TrimSpace(strings.ToValidUTF8(p.message, "\uFFFD"))
	if len(to.Notes) > release.MaxNotes {
		cut := release.MaxNotes
		for !utf8.RuneStart(to.Notes[cut]) {
			cut--
		}
		to.Notes = to.Notes[:cut]
	}
	return nil
}

func (s *Source) fetchLocal(ctx context.Context, r release.Release, want release.Want, put func(release.File) error) (release.Fetched, error) {
	repo, err := openRepository(s.local)
	if err != nil {
		return release.Fetched{}, err
	}
	defer repo.Close()
	name := r.Version.String()
	ref, err := repo.Reference(plumbing.ReferenceName(tagPrefix + name))
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return release.Fetched{}, missingTag(name)
	}
	if err != nil {
		return release.Fetched{}, fmt.Errorf("tag %s: %w", name, err)
	}
	p, err := peel(repo, ref.Hash())
	if err != nil {
		return release.Fetched{}, fmt.Errorf("tag %s: %w", name, err)
	}
	fetched := release.Fetched{Commit: p.commit.String()}
	if err := sameCommit(name, fetched.Commit, r.Commit); err != nil {
		return fetched, err
	}
	return fetched, walk(ctx, repo, p.tree, want, put)
}
