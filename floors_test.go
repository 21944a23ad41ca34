// Package moult_test holds the house to its floors.
package moult_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The floors, from below. A package imports only from floors below its own.
const (
	ground = iota
	domain
	adapter
	program
)

var floorNames = []string{"ground", "domain", "adapter", "program"}

// floors says where each package stands, by the longest prefix of its path that is listed.
var floors = map[string]int{
	"fault": ground, "release": ground, "disk": ground, "web": ground, "clock": ground,
	"update": domain, "archive": domain, "agent": domain, "pack": domain, "repository": domain, "tuf": domain,
	"config": adapter, "journal": adapter, "slot": adapter, "source": adapter, "trust": adapter, "keyfile": adapter,
	"agent/mqtt": adapter, "agent/process": adapter, "agent/led": adapter, "agent/wifi": adapter, "agent/systemd": adapter,
	"agent/bustest": adapter,
	"cmd":           program, "bench": program,
}

// neighbours are the imports within a floor that are meant, each with its reason. On the ground and among programs all are.
var neighbours = map[string]string{
	"agent update":                   "the routine carries out the update's verbs, and adds none",
	"source/github source/forge":     "what forges have in common stands once",
	"source/gitea source/forge":      "what forges have in common stands once",
	"source/gitlab source/forge":     "what forges have in common stands once",
	"pack pack/deflate":              "a bundle is one deflated stream",
	"repository tuf":                 "what is published has the form that devices take",
	"repository pack":                "bundles are a part of the repository",
	"trust/trusttest trust":          "a hostile repository serves the port that trust reads from",
	"source/sourcetest source/forge": "its forge in a box is one of forge's kinds",
}

// noIO is what a package of the domain does not touch: it is told of the world through ports.
var noIO = []string{"net", "net/http", "os", "os/exec", "syscall"}

// pkg is a package of the module: what its files import, tests left out.
type pkg struct {
	imports map[string]string // to the file that has it
}

func TestFloors(t *testing.T) {
	packages := readPackages(t)
	if len(packages) < 10 {
		t.Fatalf("got %d packages, want the whole module", len(packages))
	}
	for name, p := range packages {
		floor, known := floorOf(name)
		if !known {
			t.Errorf("%s stands on no floor: add it to the floors of this test, and say in CONTRIBUTING.md what it is for", name)
			continue
		}
		for imported, file := range p.imports {
			if why := refuses(name, floor, imported); why != "" {
				t.Errorf("%s imports %s: %s", file, imported, why)
			}
		}
	}
}

// TestAgentStaysSmall keeps out of the agent what would make it large.
func TestAgentStaysSmall(t *testing.T) {
	packages := readPackages(t)
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for imported, file := range packages[name].imports {
			for _, large := range []string{"github.com/go-git/", "html/template", "text/template", "moult/repository", "filippo.io/age"} {
				if strings.HasPrefix(imported+"/", large) || imported == large {
					t.Errorf("%s imports %s, and the agent comes to it", file, imported)
				}
			}
			if inside, ok := strings.CutPrefix(imported, "moult/"); ok {
				visit(inside)
			}
		}
	}
	visit("cmd/moult-agent")
	if len(seen) < 10 {
		t.Errorf("got %d packages in the agent, want many: %v", len(seen), seen)
	}
}

// TestFilesStaySmall keeps a file to one noun: 700 lines are past any.
func TestFilesStaySmall(t *testing.T) {
	count := 0
	walk(t, func(name string) {
		count++
		if lines := strings.Count(read(t, name), "\n"); lines > 700 {
			t.Errorf("%s: got %d lines, want at most 700: part it along a noun", name, lines)
		}
	})
	if count < 20 {
		t.Errorf("got %d files, want the whole module", count)
	}
}

func refuses(name string, floor int, imported string) string {
	inside, ours := strings.CutPrefix(imported, "moult/")
	if !ours {
		if floor == domain && slices.Contains(noIO, imported) {
			return "the domain does no I/O of its own; give it a port"
		}
		return ""
	}
	below, known := floorOf(inside)
	switch {
	case !known:
		return "it stands on no floor"
	case below > floor:
		return fmt.Sprintf("a %s package may not stand on a %s package", floorNames[floor], floorNames[below])
	case below == floor && (floor == domain || floor == adapter) && neighbours[name+" "+inside] == "":
		return fmt.Sprintf("neighbours on the %s floor do not know each other; if they must, give the reason in this test", floorNames[floor])
	}
	return ""
}

func floorOf(name string) (floor int, known bool) {
	for p := name; p != "."; p = path.Dir(p) {
		if floor, known := floors[p]; known {
			return floor, true
		}
	}
	return 0, false
}

func readPackages(t *testing.T) map[string]pkg {
	t.Helper()
	packages := map[string]pkg{}
	walk(t, func(name string) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		if packages[dir].imports == nil {
			packages[dir] = pkg{map[string]string{}}
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			packages[dir].imports[imported] = name
		}
	})
	return packages
}

// read returns a file's text. Through it the files are part of what the test's cached result depends on.
func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// walk visits the Go files of the module.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "node_modules" || d.Name() == "testdata"):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go"):
			visit(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
