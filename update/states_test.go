package update_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"moult/update"
)

// TestNoStateIsADeadEnd holds the table of states and ways out in docs/design.md to the code: it names every state that
// the code has and no other, and from each a way leads to idle.
func TestNoStateIsADeadEnd(t *testing.T) {
	data, err := os.ReadFile("../docs/design.md")
	must(t, err)
	_, section, found := strings.Cut(string(data), "### Ways out of each state\n")
	if !found {
		t.Fatal("got no section on the ways out of each state")
	}
	section, _, _ = strings.Cut(section, "\n#")
	ways := map[string][]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z-]+) \| .+ \| ([a-z-]+) \|$`).FindAllStringSubmatch(section, -1) {
		if row[1] != "state" {
			ways[row[1]] = append(ways[row[1]], row[2])
		}
	}
	states := statesOfTheCode(t)
	for name := range ways {
		if !slices.Contains(states, name) {
			t.Errorf("the table has the state %q, which the code has not", name)
		}
	}
	for _, name := range states {
		if !leadsTo(ways, name, "idle", map[string]bool{}) {
			t.Errorf("no way leads from %q to idle: got %v", name, ways[name])
		}
	}
}

func leadsTo(ways map[string][]string, from, to string, seen map[string]bool) bool {
	if seen[from] {
		return false
	}
	seen[from] = true
	for _, next := range ways[from] {
		if next == to || leadsTo(ways, next, to, seen) {
			return true
		}
	}
	return false
}

// statesOfTheCode reads the constants of the type Step.
func statesOfTheCode(t *testing.T) (states []string) {
	f, err := parser.ParseFile(token.NewFileSet(), "state.go", nil, 0)
	must(t, err)
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Step" {
			name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			must(t, err)
			if update.Step(name) == update.Idle {
				name = "idle"
			}
			states = append(states, name)
		}
		return true
	})
	if len(states) < 6 {
		t.Fatalf("got the states %v, want all of them", states)
	}
	return states
}
