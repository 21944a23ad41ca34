package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oasdiff/yaml"
)

// workflow is what of a GitHub Actions workflow these tests run.
type workflow struct {
	Env  map[string]string
	Jobs map[string]struct {
		Steps []struct {
			Name, Run, If string
			Env           map[string]string
		}
	}
}

var expression = regexp.MustCompile(`\$\{\{ *([a-z_.A-Z]+) *\}\}`)

// fill puts in what GitHub would put in for the workflow's expressions.
func fill(t *testing.T, text string, values map[string]string) string {
	t.Helper()
	return expression.ReplaceAllStringFunc(text, func(found string) string {
		value, known := values[expression.FindStringSubmatch(found)[1]]
		if !known {
			t.Errorf("got the expression %s, which these tests do not know", found)
		}
		return value
	})
}

// TestWorkflow runs the steps of examples/github/publish.yml as GitHub does, for a release and for the daily schedule: a branch of a git
// repository takes the signed repository from run to run.
func TestWorkflow(t *testing.T) {
	data, err := os.ReadFile("../../examples/github/publish.yml")
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if _, err := yaml.Unmarshal(data, &w, yaml.DecodeOpts{}); err != nil {
		t.Fatal(err)
	}
	p := newPublisher(t)
	writeFile(t, filepath.Join(p.base, "src/app.py"), "0.9")
	p.moult("add", w.Env["MODULE"], "src", "--version", "v0.9")
	origin, updates := filepath.Join(p.base, "origin.git"), filepath.Join(p.base, "updates")
	run(t, "git", "init", "-q", "--bare", "-b", "gh-pages", origin)
	run(t, "git", "-C", updates, "init", "-q", "-b", "gh-pages")
	run(t, "git", "-C", updates, "add", "--", ".", ":!.lock")
	run(t, "git", "-C", updates, "-c", "user.name=Maker", "-c", "user.email=maker@example.org", "commit", "-q", "-m", "updates")
	run(t, "git", "-C", updates, "push", "-q", origin, "gh-pages")
	key, err := os.ReadFile(filepath.Join(p.base, "updates-keys/online.pem"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := exec.Command("sha256sum", filepath.Join(updates, "metadata/1.root.json")).Output()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"secrets.MOULT_KEY": string(key), "vars.MOULT_TRUST": string(sum[:64]),
		"github.event.release.tag_name": "v1.0", "github.event.release.prerelease": "false"}
	commits := func() string {
		out, err := exec.Command("git", "-C", origin, "log", "--format=%s", "gh-pages").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(out)), " ")
	}
	for _, event := range []struct{ name, commits string }{
		{"release", "v1.0 updates"},
		{"schedule", "v1.0 updates"}, // nothing has spent half its life on the same day
		{"release", "v1.0 updates"},  // the same release again is no change
	} {
		work := t.TempDir()
		run(t, "git", "clone", "-q", "-b", "gh-pages", origin, filepath.Join(work, "updates"))
		writeFile(t, filepath.Join(work, "source", w.Env["DIR"], "app.py"), "1.0")
		ran := 0
		for _, step := range w.Jobs["publish"].Steps {
			if step.Run == "" || step.Name == "build moult" || step.If == "github.event_name == 'release'" && event.name != "release" {
				continue
			}
			ran++
			cmd := exec.Command("bash", "-e", "-o", "pipefail", "-c", fill(t, step.Run, values))
			cmd.Dir = work
			cmd.Env = append(os.Environ(), "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=owner/irrigation", "GITHUB_SHA=9f2c3d")
			for _, env := range []map[string]string{w.Env, step.Env} {
				for name, value := range env {
					cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%s", name, fill(t, value, values)))
				}
			}
			if output, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %s: %v\n%s", event.name, step.Name, err, output)
			}
		}
		if ran < 3 {
			t.Fatalf("%s: got %d steps, want the workflow's", event.name, ran)
		}
		if got := commits(); got != event.commits {
			t.Errorf("%s: got the commits %q, want %q", event.name, got, event.commits)
		}
	}
	pages := filepath.Join(t.TempDir(), "pages")
	run(t, "git", "clone", "-q", "-b", "gh-pages", origin, pages)
	out, err := exec.Command("moult", "repo", "verify", "-C", pages).CombinedOutput()
	if err != nil {
		t.Errorf("verify: %v", err)
	}
	contains(t, string(out), "2 releases")
	manifests, err := filepath.Glob(filepath.Join(pages, "targets", w.Env["MODULE"], "*.v1.0"))
	if err != nil || len(manifests) != 1 {
		t.Fatalf("got the manifests %v, %v, want one", manifests, err)
	}
	manifest, err := os.ReadFile(manifests[0])
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(manifest), `"repository":"https://github.com/owner/irrigation","commit":"9f2c3d"`)
}
