package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// TestAsset installs what a release has for this system, and nothing that its digest does not fit.
func TestAsset(t *testing.T) {
	name := fmt.Sprintf("app_%s_%s.tar.gz", runtime.GOOS, runtime.GOARCH)
	good := sourcetest.Asset{Name: name, Content: tarGz(t, "app", "#!/bin/sh\necho 1.0\n")}
	sums := func(text string) sourcetest.Asset { return sourcetest.Asset{Name: "SHA256SUMS", Content: text} }
	other := sourcetest.Asset{Name: "app_plan9_mips.tar.gz", Content: "other"}
	noDigest := good
	noDigest.NoDigest = true
	tests := []struct {
		name   string
		assets []sourcetest.Asset
		says   string // of the error; "" where it installs
	}{
		{"by the forge's digest", []sourcetest.Asset{other, good}, ""},
		{"by a checksums file", []sourcetest.Asset{noDigest, sums(fmt.Sprintf("%x", sha256.Sum256([]byte(good.Content))) + "  " + name + "\n")}, ""},
		{"a wrong checksum", []sourcetest.Asset{noDigest, sums(fmt.Sprintf("%x", sha256.Sum256([]byte("else"))) + "  " + name + "\n")}, "sha256: got"},
		{"no checksum", []sourcetest.Asset{noDigest}, "got no SHA-256"},
		{"none for this system", []sourcetest.Asset{other}, "app_plan9_mips.tar.gz"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := sourcetest.NewForge(t, forge.GitHub, false)
			f.Put(repository, &sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "v1.0", Assets: test.assets}}})
			dir := t.TempDir()
			output, code := runMoult(t, "update", "--root", dir, "--url", f.URL+"/"+repository, "--forge", "github", "--asset", "app_{os}_{arch}.tar.gz")
			if test.says != "" {
				contains(t, output, test.says, "hint:")
				if _, err := os.Stat(filepath.Join(dir, "irrigation/main")); code != 1 || !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("got exit code %d, main %v, want 1 and none", code, err)
				}
				return
			}
			if code != 0 {
				t.Fatalf("exit code %d\n%s", code, output)
			}
			got := readTree(t, filepath.Join(dir, "irrigation/main"))
			delete(got, ".manifest")
			if want := map[string]string{".version": "v1.0", "app": "#!/bin/sh\necho 1.0\n"}; !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if out, err := exec.Command(filepath.Join(dir, "irrigation/main/app")).Output(); err != nil || string(out) != "1.0\n" {
				t.Errorf("run: got %q %v, want its executable bit kept", out, err)
			}
		})
	}
}

// TestInterrupted stops an update by Ctrl-C in the middle of the download.
func TestInterrupted(t *testing.T) {
	b := newBench(t, false, tagged("1.0", map[string]string{"app.py": "1.0"}))
	b.moult(0, "update")
	b.publish(tagged("1.1", map[string]string{"app.py": python(1, 200<<10)}))
	open := make(chan struct{})
	defer close(open)
	b.forge.Break(sourcetest.IsArchive, 1, sourcetest.Gate(1000, open))

	cmd := exec.Command("moult", "update", "--root", b.dir)
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(b.dir, "irrigation/next")
	for tries := 0; ; tries++ {
		if _, err := os.Stat(next); err == nil {
			break
		}
		if tries > 3000 {
			t.Fatalf("the download did not begin: %s", &printed)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("got exit code %d (%v), want 130\n%s", code, err, &printed)
	}
	contains(t, printed.String(), "interrupted; nothing is left half-done")
	if _, err := os.Stat(next); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("next: got %v, want it gone", err)
	}
	b.wantMain(map[string]string{".version": "1.0", "app.py": "1.0"})
}

func tarGz(t *testing.T, name, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg})
	_, written := w.Write([]byte(content))
	if err := errors.Join(err, written, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestInterruptedBetweenModules stops an update by Ctrl-C after its first module: what follows is not begun, and that is told.
func TestInterruptedBetweenModules(t *testing.T) {
	k := newKiller(t, nil, false)
	cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=renameat2:signal=INT:when=1", "moult", "update", "--root", k.fresh)
	output, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("got exit code %d, want 130\n%s", code, output)
	}
	contains(t, string(output), "interrupted; nothing is left half-done")
	versions := k.assertWhole("interrupted", k.fresh)
	if versions != "1.10.0 1.9.0" && versions != "1.9.0 1.10.0" {
		t.Errorf("got the versions %s, want one module updated", versions)
	}
}

// TestReadOnlyDevice looks at a device on a disk that cannot be written to, in a namespace of its own.
func TestReadOnlyDevice(t *testing.T) {
	b := newBench(t, false, tagged("1.0", map[string]string{"app.py": "1.0"}))
	b.moult(0, "update")
	script := `mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99; moult status --root "$1"; moult rollback irrigation --root "$1"; echo code $?`
	args := []string{"--mount", "sh", "-c", script, "sh", b.dir}
	if os.Getuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	output, err := exec.Command("unshare", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	contains(t, string(output), "the device cannot be written to", "this is how it stands now", "irrigation  1.0\n", "hint: run as the user", "code 1")
}
