package release_test

import (
	"path"
	"strings"
	"testing"
	"time"

	"moult/release"
)

func TestKeepMatch(t *testing.T) {
	tests := []struct {
		pattern string
		match   []string
		not     []string
	}{
		{"secrets.py", []string{"secrets.py", "secrets.py/below"}, []string{"lib/secrets.py", "secrets.pyc", "Secrets.py", ""}},
		{"data", []string{"data", "data/a", "data/a/b"}, []string{"database", "x/data", "dat"}},
		{"data/", []string{"data", "data/a", "data/a/b"}, []string{"database", "x/data/a"}},
		{"data/**", []string{"data/a", "data/a/b", "data/.a"}, []string{"data", "database", "x/data/a"}},
		{"data/*", []string{"data/a", "data/.hidden"}, []string{"data", "data/a/b"}},
		{"*.json", []string{"a.json", ".json"}, []string{"a/b.json", "a.jsonl"}},
		{"**/*.json", []string{"a.json", "a/b.json", "a/b/c.json"}, []string{"a.json/b"}},
		{"a/**/z", []string{"a/z", "a/b/z", "a/b/c/z", "a/z/z"}, []string{"a", "z", "a/b", "b/a/z", "a/z/b"}},
		{"a/**/b/**/c", []string{"a/b/c", "a/x/b/y/z/c", "a/b/b/c"}, []string{"a/c", "a/b", "a/c/b"}},
		{"**", []string{"a", "a/b"}, nil},
		{"**/", []string{"a", "a/b"}, nil},
		{"cache-?/", []string{"cache-1/a", "cache-1/a/b"}, []string{"cache-1", "cache-12/a"}},
		{"log[0-9].txt", []string{"log1.txt"}, []string{"loga.txt", "log12.txt"}},
		{"log[^0-9].txt", []string{"loga.txt"}, []string{"log1.txt"}},
		{"what[?]", []string{"what?"}, []string{"whatx"}},
		{"mess-é?", []string{"mess-éü"}, []string{"mess-é"}},
	}
	for _, tt := range tests {
		keep, err := release.ParseKeep([]string{"never/this", tt.pattern})
		if err != nil {
			t.Fatalf("ParseKeep(%q): %v", tt.pattern, err)
		}
		for _, path := range tt.match {
			if !keep.Match(path) {
				t.Errorf("%q does not match %q", tt.pattern, path)
			}
		}
		for _, path := range tt.not {
			if keep.Match(path) {
				t.Errorf("%q matches %q", tt.pattern, path)
			}
		}
	}
	if (release.Keep)(nil).Match("a") {
		t.Error("no patterns match a file")
	}
}

func TestParseKeepRefuses(t *testing.T) {
	tests := []struct{ name, pattern, want string }{
		{"empty", "", "empty"},
		{"slash alone", "/", "empty"},
		{"absolute", "/data", "absolute"},
		{"leaves", "../data", `".."`},
		{"dot", "./data", `"."`},
		{"double slash", "a//b", `""`},
		{"two slashes at the end", "a//", `""`},
		{"open bracket", "a[b", "closed"},
		{"empty bracket", "a[]", "closed"},
		{"bracket over parts", "a[b/c]", "closed"},
		{"stars within a part", "data/a**", "whole part"},
		{"three stars", "***", "whole part"},
		{"backslash", `data\x`, "backslash"},
		{"control character", "a\nb", "control"},
		{"too long", strings.Repeat("a/", release.MaxPath), "at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keep, err := release.ParseKeep([]string{"fine", tt.pattern})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "keep") {
				t.Errorf("ParseKeep(%q): got %v, want keep … %s", tt.pattern, err, tt.want)
			}
			if keep != nil {
				t.Errorf("got %q beside an error", keep)
			}
		})
	}
}

// A pattern made to be slow ends all the same: the test would not within a lifetime, were the time exponential.
func TestKeepIsNotSlow(t *testing.T) {
	keep := release.Keep{strings.Repeat("**/a/", 100) + "b"}
	done := make(chan bool, 1)
	go func() { done <- keep.Match(strings.Repeat("a/", 500) + "c") }()
	select {
	case got := <-done:
		if got {
			t.Error("got a match")
		}
	case <-time.After(time.Minute):
		t.Fatal("still matching after a minute")
	}
}

// naive matches by trying every number of parts for each **.
func naive(parts, names []string) bool {
	switch {
	case len(parts) == 0:
		return len(names) == 0
	case parts[0] == "**":
		return naive(parts[1:], names) || len(names) > 0 && naive(parts, names[1:])
	case len(names) == 0:
		return false
	}
	ok, _ := path.Match(parts[0], names[0])
	return ok && naive(parts[1:], names[1:])
}

// FuzzKeep holds that what is accepted matches as the plainest matcher would, and never takes a name's beginning for a part.
func FuzzKeep(f *testing.F) {
	f.Add("a/**/b*/**", "a/x/by/z")
	f.Add("data/", "data/x")
	f.Add("[^a]?/**/*", "b1/c")
	f.Fuzz(func(t *testing.T, pattern, file string) {
		keep, err := release.ParseKeep([]string{pattern})
		if err != nil {
			if keep != nil {
				t.Fatalf("got %q beside an error", keep)
			}
			return
		}
		if release.CheckPath(file) != nil || strings.Count(pattern, "**") > 6 || len(file) > 64 {
			return
		}
		clean := strings.TrimSuffix(pattern, "/")
		want := naive(strings.Split(clean, "/"), strings.Split(file, "/"))
		switch {
		case !strings.ContainsAny(pattern, "*?["):
			want = file == clean || strings.HasPrefix(file, clean+"/")
		case clean != pattern || strings.HasSuffix(clean, "**"):
			want = naive(append(strings.Split(clean, "/"), "*", "**"), strings.Split(file, "/"))
		}
		if got := keep.Match(file); got != want {
			t.Fatalf("%q matches %q: got %v, want %v", pattern, file, got, want)
		}
	})
}
