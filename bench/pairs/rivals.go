package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// thinPack is what `git fetch` would receive: the commit, its trees, and its blobs as deltas, as small as git makes them.
func thinPack(old, new string) (int64, error) {
	dir, err := os.MkdirTemp("", "pairs-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	git := func(args ...string) ([]byte, error) {
		env := []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_DIR=" + filepath.Join(dir, "git"), "TZ=UTC",
			"GIT_AUTHOR_NAME=m", "GIT_AUTHOR_EMAIL=m", "GIT_COMMITTER_NAME=m", "GIT_COMMITTER_EMAIL=m"}
		return output(dir, env, "git", args...)
	}
	if _, err := git("init", "-q", "--bare"); err != nil {
		return 0, err
	}
	for _, tree := range []string{old, new} {
		if _, err := git("--work-tree="+tree, "add", "-A", "-f", "."); err != nil {
			return 0, err
		}
		if _, err := git("--work-tree="+tree, "commit", "-q", "-m", "v"); err != nil {
			return 0, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "sh"), []byte("printf 'HEAD\\n^HEAD~\\n' | git pack-objects -q --revs --thin --stdout --window=250 --compression=9 | wc -c"), 0o600); err != nil {
		return 0, err
	}
	out, err := output(dir, []string{"GIT_DIR=" + filepath.Join(dir, "git")}, "sh", "sh")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
}

// tarGz is the whole tree, as a forge's archive has it.
func tarGz(_, new string) (int64, error) {
	tar, err := tarOf(new)
	if err != nil {
		return 0, err
	}
	var n counter
	w, err := gzip.NewWriterLevel(&n, 9)
	if err != nil {
		return 0, err
	}
	w.Write(tar) // a counter has no errors
	w.Close()
	return int64(n), nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func tarOf(dir string) ([]byte, error) {
	return output(dir, nil, "tar", "-cf", "-", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=u+w", ".")
}

// bsdiff is one patch between the two trees as tars.
func bsdiff(old, new string) (int64, error) {
	dir, err := os.MkdirTemp("", "pairs-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	for name, tree := range map[string]string{"old": old, "new": new} {
		tar, err := tarOf(tree)
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), tar, 0o600); err != nil {
			return 0, err
		}
	}
	if _, err := output(dir, nil, "bsdiff", "old", "new", "patch"); err != nil {
		return 0, err
	}
	info, err := os.Stat(filepath.Join(dir, "patch"))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

var rsyncTotal = regexp.MustCompile(`Total bytes (?:sent|received): ([0-9,]+)`)

// rsync is all that went both ways. Files that are the same in both trees have the same time, and are not looked into.
func rsync(old, new string) (int64, error) {
	dir, err := os.MkdirTemp("", "pairs-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	for name, tree := range map[string]string{"old": old, "new": new} {
		to := filepath.Join(dir, name)
		if err := os.CopyFS(to, os.DirFS(tree)); err != nil {
			return 0, err
		}
		if err := filepath.WalkDir(to, timeByContent); err != nil {
			return 0, err
		}
	}
	out, err := output(dir, nil, "rsync", "-rlptz", "--compress-level=9", "--no-whole-file", "--delete", "--stats", "new/", "old/")
	if err != nil {
		return 0, err
	}
	totals := rsyncTotal.FindAllSubmatch(out, -1)
	if len(totals) != 2 {
		return 0, fmt.Errorf("rsync: got %q, want bytes sent and received", out)
	}
	var sum int64
	for _, total := range totals {
		n, err := strconv.ParseInt(strings.ReplaceAll(string(total[1]), ",", ""), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func timeByContent(path string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	at := time.Unix(0, 0)
	if d.Type().IsRegular() {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		at = time.Unix(int64(binary.BigEndian.Uint32(sum[:])), 0)
	} else if !d.IsDir() {
		return nil
	}
	return os.Chtimes(path, at, at)
}
