package micropython_test

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkSigned measures what a signed check and update cost a board, as BenchmarkDirect does: 32-bit words, the package as .mpy,
// plain HTTP from a static server; the repository is one of 'moult repo'.
func BenchmarkSigned(b *testing.B) {
	path, stand := compiled(b, "lib"), compiled(b, "tests/bare")
	for _, size := range []struct{ files, bytes int }{{10, 40_000}, {50, 300_000}} {
		for _, what := range []string{"check", "install", "2 changed"} {
			b.Run(fmt.Sprintf("%d files %d KB/%s", size.files, size.bytes/1000, what), func(b *testing.B) {
				r := newSignedRepo(b)
				content := func(tag string) map[string]string {
					files := map[string]string{}
					for name, f := range pythonLike(size.files, size.bytes, 2, tag).Files {
						if in, isMain := strings.CutPrefix(name, "main/"); isMain {
							files[in] = f.Content
						}
					}
					return files
				}
				r.add("app", "1.0", content("1.0"))
				start := newBoard(b, "32") // what every try begins with
				start.path, start.stand = path, stand
				r.follow(start, "")
				if what != "install" {
					start.boot()
					start.boot() // which learns the ETag of the new version's bundle
				}
				if what == "2 changed" {
					r.add("app", "1.1", content("1.1"))
				}
				fresh := func() *board {
					d := newBoard(b, "32")
					d.path, d.stand, d.heap = path, stand, "2M"
					for name, content := range start.everything() {
						d.write(name, content)
					}
					return d
				}
				for range b.N {
					r.requests()
					if !fresh().does(what) {
						b.Fatal("it did not work")
					}
					asked, sent, received := r.requests()
					b.ReportMetric(float64(len(asked)), "requests")
					b.ReportMetric(float64(sent), "B-received")
					b.ReportMetric(float64(received), "B-sent")
					reportHeap(b, what, fresh)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
