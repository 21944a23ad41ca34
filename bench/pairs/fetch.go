package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tree is a folder of a project that a registry has many releases of.
type tree struct {
	name     string
	fetcher  func(cache, project, version string) (string, error)
	project  string
	folder   string // of the project
	versions []string
}

// trees are of three sizes: as on a board, as on a Linux device, and one with binary and other text files beside Python's.
var trees = []tree{
	{"thrift", goModule, "github.com/apache/thrift", "lib/py/src", strings.Fields("v0.12.0 v0.13.0 v0.14.2 v0.16.0 v0.17.0 v0.19.0 v0.20.0 v0.21.0 v0.22.0 v0.23.0 v0.24.0 v0.25.0")},
	{"pulumi", goModule, "github.com/pulumi/pulumi/sdk/v3", "python/lib/pulumi", strings.Fields("v3.245.0 v3.246.0 v3.247.0 v3.248.0 v3.249.0 v3.250.0 v3.251.0 v3.252.0 v3.253.0 v3.254.0 v3.255.0 v3.256.0 v3.257.0 v3.258.0 v3.259.0 v3.260.0 v3.261.0 v3.262.0 v3.263.0 v3.264.0 v3.265.0 v3.266.0 v3.267.0 v3.268.0 v3.269.0 v3.270.0 v3.271.0 v3.272.0 v3.273.0 v3.274.0 v3.274.1")},
	{"node-gyp", npmPackage, "node-gyp", ".", strings.Fields("9.0.0 9.1.0 9.2.0 9.3.0 9.3.1 9.4.0 9.4.1 10.0.0 10.0.1 10.1.0 10.2.0 10.3.0 10.3.1 11.0.0 11.1.0 11.2.0 11.3.0 11.4.0 11.4.1 11.4.2 11.5.0 12.0.0 12.1.0 12.2.0 12.3.0 12.4.0 13.0.0 13.0.1 13.0.2 13.1.0")},
}

// fetch returns a folder for each version.
func (t tree) fetch(cache string) ([]string, error) {
	var dirs []string
	for _, version := range t.versions {
		dir, err := t.fetcher(cache, t.project, version)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", version, err)
		}
		dirs = append(dirs, filepath.Join(dir, t.folder))
	}
	return dirs, nil
}

// goModule fetches a module into Go's own cache.
func goModule(_, project, version string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", project+"@"+version)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if json.Unmarshal(out, &answer) == nil && answer.Error != "" {
		return "", fmt.Errorf("%s", answer.Error)
	}
	return answer.Dir, err
}

// npmPackage fetches a package, and unpacks it into the cache.
func npmPackage(cache, project, version string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(cache, project, version))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "package")); err == nil {
		return filepath.Join(dir, "package"), nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if _, err := output(dir, nil, "npm", "pack", "--silent", project+"@"+version); err != nil {
		return "", err
	}
	_, err = output(dir, nil, "tar", "-xzf", project+"-"+version+".tgz")
	return filepath.Join(dir, "package"), err
}

// output runs a program in a folder.
func output(dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	return out, nil
}
