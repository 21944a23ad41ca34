package micropython_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// mpy compiles the package once, and the stand-in of the benchmarks.
var mpy = sync.OnceValues(func() (string, error) {
	for _, from := range []string{"lib", "tests/bare"} {
		if out, err := exec.Command("node", "../scripts/mpy.js", from, filepath.Join(programDir, "mpy", from)).CombinedOutput(); err != nil {
			return "", fmt.Errorf("mpy.js: %w\n%s", err, out)
		}
	}
	return filepath.Join(programDir, "mpy"), nil
})

// compiled returns a folder's files, "lib" or "tests/bare", as .mpy.
func compiled(tb testing.TB, from string) string {
	tb.Helper()
	dir, err := mpy()
	must(tb, err)
	return filepath.Join(dir, from)
}

// BenchmarkMpy gives the size of each part as .mpy, in bytes.
func BenchmarkMpy(b *testing.B) {
	for range b.N {
		out, err := exec.Command("node", "../scripts/mpy.js", "lib", b.TempDir()).Output()
		must(b, err)
		total := 0
		for line := range strings.Lines(string(out)) {
			size, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
			n, err := strconv.Atoi(size)
			must(b, err)
			total += n
			b.ReportMetric(float64(n), strings.TrimPrefix(strings.TrimSuffix(name, ".py"), "moult/"))
		}
		b.ReportMetric(float64(total), "all")
	}
	b.ReportMetric(0, "ns/op")
}

// pythonLike returns a release of n files with size bytes together; of changed of them, three lines are others.
func pythonLike(n, size, changed int, tag string) sourcetest.Release {
	words := strings.Fields("self sensor value read write pump valve open close if else return for in range import time sleep state count None True config")
	files := map[string]string{}
	for i := range n {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		var text strings.Builder
		for line := 0; text.Len() < size/n; line++ {
			if i < changed && line%40 == 7 && line < 120 {
				fmt.Fprintf(&text, "    changed = %q\n", tag)
				continue
			}
			text.WriteString("    ")
			for range 3 + random.IntN(5) {
				text.WriteString(words[random.IntN(len(words))] + " ")
			}
			fmt.Fprintf(&text, "= %d\n", random.IntN(1000))
		}
		files[fmt.Sprintf("package%d/module%02d.py", i%3, i)] = text.String()[:size/n]
	}
	return tagged(tag, "main", files)
}

// BenchmarkDirect measures what a direct check and update cost a board with 32-bit words and the package as .mpy: requests and
// bytes at the connection without TLS, the smallest heap with which it works, and the most that is live in it at once. Of
// stand-ins there is one of 0.2 KB for machine: a board has its modules in its firmware.
func BenchmarkDirect(b *testing.B) {
	path, stand := compiled(b, "lib"), compiled(b, "tests/bare")
	for _, kind := range []forge.Kind{forge.GitHub, forge.Gitea} {
		for _, size := range []struct{ files, bytes int }{{10, 40_000}, {50, 300_000}} {
			for _, what := range []string{"check", "install", "2 changed"} {
				b.Run(fmt.Sprintf("%s/%d files %d KB/%s", kind, size.files, size.bytes/1000, what), func(b *testing.B) {
					f := sourcetest.NewForge(b, kind, false)
					put := func(tag string) {
						f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{pythonLike(size.files, size.bytes, 2, tag)}})
					}
					fresh := func() *board {
						d := newBoard(b, "32")
						d.path, d.stand, d.heap = path, stand, "2M"
						d.write("config/moult.json", fmt.Sprintf(`{"modules": {"app": {"url": "%s/owner/app", "forge": "%s"}}}`, f.URL, kind))
						d.write("boot.py", "import moult_boot\nmoult_boot.start()\n")
						d.write("main.py", "import moult\nmoult.listener = None\nprint('went', moult.run())\n")
						put("1.0")
						if what != "install" {
							d.boot()
						}
						if what == "2 changed" {
							put("1.1")
						}
						return d
					}
					for range b.N {
						d := fresh()
						f.Reset()
						if !d.does(what) {
							b.Fatal("it did not work")
						}
						sent, received := f.Wire()
						b.ReportMetric(float64(len(f.Requests())), "requests")
						b.ReportMetric(float64(sent), "B-received")
						b.ReportMetric(float64(received), "B-sent")
						reportHeap(b, what, fresh)
					}
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

// does runs a board once, and reports whether it has done a check, an install of 1.0, or an update to 1.1.
func (b *board) does(what string) bool {
	_, out := b.start()
	switch version := b.tree("app/main")[".version"]; what {
	case "check":
		return strings.Contains(out, "went True")
	case "install":
		return version == "1.0"
	default:
		return version == "1.1"
	}
}

// reportHeap reports the smallest heap with which a board does what it is to do, and the most that is live in it at once, as
// tests/peak.py tells: what is between the two are the pieces into which the heap falls, and what was not yet collected.
func reportHeap(b *testing.B, what string, fresh func() *board) {
	low, high := 4, 256 // KB
	for low+1 < high {
		middle := (low + high) / 2
		if d := fresh(); d.withHeap(middle).does(what) {
			high = middle
		} else {
			low = middle
		}
	}
	b.ReportMetric(float64(high), "KB-smallest-heap")
	d := fresh()
	main, err := os.ReadFile("tests/peak.py")
	must(b, err)
	d.write("main.py", string(main))
	_, out := d.withHeap(512).start()
	said := regexp.MustCompile(`peak (\d+)`).FindStringSubmatch(out)
	if said == nil {
		b.Fatalf("got no peak:\n%s", out)
	}
	peak, err := strconv.Atoi(said[1])
	must(b, err)
	b.ReportMetric(float64(peak)/1024, "KB-peak-live")
}

func (b *board) withHeap(kb int) *board {
	b.heap = fmt.Sprint(kb, "K")
	return b
}
