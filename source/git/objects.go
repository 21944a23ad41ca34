package git

import (
	"fmt"
	"io"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// store gives git objects by their hashes; a local repository and an unpacked pack are such.
type store interface {
	// open returns an object's content, which ends with an error unless it has the size and the hash.
	// It is to be closed before the next is opened.
	open(plumbing.Hash) (content, error)
}

type content struct {
	io.ReadCloser
	kind plumbing.ObjectType
	size int64
}

// maxMeta bounds a commit, a tag and one folder's tree, which are held in memory: a folder of 300,000 files has 16 MiB.
const maxMeta = 16 << 20

// load reads a small object of a kind whole.
func load(s store, h plumbing.Hash, kind plumbing.ObjectType) (*plumbing.MemoryObject, error) {
	c, err := s.open(h)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if c.kind != kind {
		return nil, fmt.Errorf("object %s: got a %s, want a %s", h, c.kind, kind)
	}
	if c.size > maxMeta {
		return nil, fmt.Errorf("object %s: got a %s of %d bytes, want at most %d", h, kind, c.size, maxMeta)
	}
	o := new(plumbing.MemoryObject)
	o.SetType(kind)
	if _, err := io.Copy(o, c); err != nil {
		return nil, fmt.Errorf("object %s: %w", h, err)
	}
	if o.Hash() != h {
		return nil, fmt.Errorf("object %s: got the hash %s", h, o.Hash())
	}
	return o, nil
}

// peeled is what a tag leads to.
type peeled struct {
	commit, tree plumbing.Hash
	at           time.Time
	message      string // of an annotated tag
}

// maxTags bounds a chain of tags of tags.
const maxTags = 8

// errNoCommit means that a tag leads to a file or a tree.
var errNoCommit = fmt.Errorf("want a tag of a commit")

// peel follows a tag to its commit.
func peel(s store, h plumbing.Hash) (peeled, error) {
	var p peeled
	for range maxTags {
		c, err := s.open(h)
		if err != nil {
			return p, err
		}
		c.Close()
		o, err := load(s, h, c.kind)
		if err != nil {
			return p, err
		}
		switch c.kind {
		case plumbing.TagObject:
			var tag object.Tag
			if err := tag.Decode(o); err != nil {
				return p, fmt.Errorf("tag object %s: %w", h, err)
			}
			if p.at.IsZero() {
				p.at, p.message = tag.Tagger.When, tag.Message
			}
			h = tag.Target
		case plumbing.CommitObject:
			var commit object.Commit
			if err := commit.Decode(o); err != nil {
				return p, fmt.Errorf("commit %s: %w", h, err)
			}
			p.commit, p.tree = h, commit.TreeHash
			if p.at.IsZero() {
				p.at = commit.Committer.When
			}
			return p, nil
		default:
			return p, fmt.Errorf("object %s: got a %s, %w", h, c.kind, errNoCommit)
		}
	}
	return p, fmt.Errorf("got a tag of a tag more than %d deep", maxTags)
}

// loadTree reads one folder.
func loadTree(s store, h plumbing.Hash) (*object.Tree, error) {
	o, err := load(s, h, plumbing.TreeObject)
	if err != nil {
		return nil, err
	}
	tree := new(object.Tree)
	if err := tree.Decode(o); err != nil {
		return nil, fmt.Errorf("tree %s: %w", h, err)
	}
	return tree, nil
}
