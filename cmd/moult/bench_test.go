package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// python is a file as a board has it, of some 4 or 6 KB, the same for the same seed.
func python(seed uint64, bytes int) string {
	chance := rand.New(rand.NewPCG(seed, 1))
	words := strings.Fields("self pump valve sensor value config interval state read write open close start stop pin adc moisture level minute error retry")
	var b strings.Builder
	for n := 0; b.Len() < bytes; n++ {
		pick := func() string { return words[chance.IntN(len(words))] }
		fmt.Fprintf(&b, "    def %s_%s_%d(self, %s, %s):\n        if self.%s > %d:\n            return self.%s(%s, '%s')\n",
			pick(), pick(), n, pick(), pick(), pick(), chance.IntN(1000), pick(), pick(), pick())
	}
	return b.String()[:bytes]
}

func pythonRelease(tag string, files, bytes, changed int) sourcetest.Release {
	tree := map[string]string{}
	for i := range files {
		content := python(uint64(i), bytes/files)
		if i < changed {
			content = strings.Replace(content, "return", "return  # changed in "+tag+"\n           ", 3)
		}
		tree[fmt.Sprintf("module_%02d.py", i)] = content
	}
	return tagged(tag, tree)
}

// BenchmarkTraffic runs the program against a forge on plain HTTP, and counts requests (redirects too) and all bytes at
// the connection, headers too.
func BenchmarkTraffic(b *testing.B) {
	sizes := []struct {
		name         string
		files, bytes int
	}{{"10 files 40 KB", 10, 40 << 10}, {"50 files 300 KB", 50, 300 << 10}}
	for _, kind := range []forge.Kind{forge.GitHub, forge.Gitea, forge.GitLab} {
		for _, size := range sizes {
			first := pythonRelease("1.0", size.files, size.bytes, 0)
			second := pythonRelease("1.1", size.files, size.bytes, 2)
			prefix := fmt.Sprintf("%s/%s/", kind, size.name)
			b.Run(prefix+"full install", func(b *testing.B) { traffic(b, kind, []sourcetest.Release{first}, nil) })
			b.Run(prefix+"2 files changed", func(b *testing.B) {
				traffic(b, kind, []sourcetest.Release{second, first}, []sourcetest.Release{first})
			})
			b.Run(prefix+"nothing new", func(b *testing.B) { traffic(b, kind, []sourcetest.Release{first}, []sourcetest.Release{first}) })
		}
	}
}

// traffic measures one update of a device that has what was published before.
func traffic(b *testing.B, kind forge.Kind, published, before []sourcetest.Release) {
	f := sourcetest.NewForge(b, kind, false)
	var requests, sent, received int64
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		config := fmt.Sprintf(`{"modules": {"app": {"url": "%s/owner/app", "forge": "%s"}}}`, f.URL, kind)
		if err := os.MkdirAll(filepath.Join(dir, "config"), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config/moult.json"), []byte(config), 0o644); err != nil {
			b.Fatal(err)
		}
		if before != nil {
			f.Put("owner/app", &sourcetest.Repo{Releases: before})
			spend(b, "update", "--root", dir)
		}
		f.Put("owner/app", &sourcetest.Repo{Releases: published})
		f.Reset()
		b.StartTimer()
		cpu += spend(b, "update", "--root", dir)
		b.StopTimer()
		out, in := f.Wire()
		requests, sent, received = requests+int64(len(f.Requests())), sent+in, received+out
		b.StartTimer()
	}
	n := float64(b.N)
	b.ReportMetric(float64(requests)/n, "requests/op")
	b.ReportMetric(float64(received)/n, "B-received/op")
	b.ReportMetric(float64(sent)/n, "B-sent/op")
	b.ReportMetric(float64(cpu.Microseconds())/1000/n, "cpu-ms/op")
}

// spend runs the program and returns the CPU time that it took, in user and kernel.
func spend(b *testing.B, args ...string) time.Duration {
	b.Helper()
	cmd := exec.Command("moult", args...)
	if output, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("moult %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// BenchmarkPeakMemory updates to a release of 200 MB, from a forge and from a git repository, and tells the most memory
// that the program had.
func BenchmarkPeakMemory(b *testing.B) {
	const files, size = 20, 10 << 20
	noise := make([]byte, size)
	chance := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(chance.Uint32())
	}
	content := func(i int) string { return string(noise[i:]) + string(noise[:i]) }
	b.Run("github 200 MB", func(b *testing.B) {
		f := sourcetest.NewForge(b, forge.GitHub, false)
		tree := map[string]string{}
		for i := range files {
			tree[fmt.Sprintf("%d.bin", i)] = content(i)
		}
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", tree)}})
		peak(b, f.URL+"/owner/app", "--forge", "github")
	})
	b.Run("git 200 MB", func(b *testing.B) {
		dir := b.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "main"), 0o755); err != nil {
			b.Fatal(err)
		}
		for i := range files {
			if err := os.WriteFile(filepath.Join(dir, "main", fmt.Sprintf("%d.bin", i)), []byte(content(i)), 0o644); err != nil {
				b.Fatal(err)
			}
		}
		for _, args := range [][]string{{"init", "-q"}, {"add", "-A"},
			{"-c", "user.name=Maker", "-c", "user.email=maker@example.org", "commit", "-q", "-m", "1.0"}, {"tag", "1.0"}} {
			if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
				b.Fatalf("git %v: %v\n%s", args, err, out)
			}
		}
		peak(b, dir)
	})
}

func peak(b *testing.B, url string, more ...string) {
	var most int64
	for b.Loop() {
		most = max(most, peakMemory(b, append([]string{"update", "--root", b.TempDir(), "--url", url}, more...)...))
	}
	b.ReportMetric(float64(most)/(1<<20), "peak-MB")
}
