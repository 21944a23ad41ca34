// Command pairs measures what updates cost between consecutive releases of real projects: as bundles of this project,
// and as git, rsync, tar.gz and bsdiff bring them. It needs git, rsync, bsdiff, npm and go in the PATH (scripts/test-deps.sh).
//
//	go run ./bench/pairs [-cache bin/pairs] [-tree name] [-quick]
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pairs:", err)
		os.Exit(1)
	}
}

func run() error {
	cache := flag.String("cache", "bin/pairs", "the `folder` that holds what was fetched")
	only := flag.String("tree", "", "measure only the tree of this `name`")
	quick := flag.Bool("quick", false, "leave rsync and bsdiff out")
	flag.Parse()

	rivals := []rival{{"thin pack", thinPack}, {"tar.gz", tarGz}, {"rsync -z", rsync}, {"bsdiff", bsdiff}}
	if *quick {
		rivals = rivals[:2]
	}
	all := newTable(rivals)
	for _, t := range trees {
		if *only != "" && t.name != *only {
			continue
		}
		dirs, err := t.fetch(*cache)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		own := newTable(rivals)
		for i := range dirs[1:] {
			name := t.versions[i] + " → " + t.versions[i+1]
			row, err := measure(name, dirs[i], dirs[i+1], rivals)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", t.name, name, err)
			}
			if row.pack == nil {
				continue // nothing changed
			}
			own.rows = append(own.rows, row)
			all.rows = append(all.rows, row)
		}
		own.print(t.name, true)
	}
	all.print("all", false)
	return nil
}

// rival brings the tree in dir old to that in dir new, and returns how many bytes that took.
type rival struct {
	name  string
	bytes func(old, new string) (int64, error)
}

// windows are those of the bundles, as powers of two.
var windows = []int{10, 12, 15}

type row struct {
	pair   string
	files  int
	size   int64
	pack   []int64 // at each window: the bundle without signed metadata
	rivals []int64
	cost   cost
}

func measure(pair, old, new string, rivals []rival) (row, error) {
	r := row{pair: pair}
	u, err := load(old, new)
	if err != nil || u.same() {
		return r, err
	}
	r.files, r.size = len(u.to.Files), u.to.Size()
	for _, window := range windows {
		n, err := u.measure(window, &r.cost)
		if err != nil {
			return r, err
		}
		r.pack = append(r.pack, n)
	}
	for _, rival := range rivals {
		n, err := rival.bytes(old, new)
		if err != nil {
			return r, fmt.Errorf("%s: %w", rival.name, err)
		}
		r.rivals = append(r.rivals, n)
	}
	return r, nil
}

type table struct {
	rivals []rival
	rows   []row
}

func newTable(rivals []rival) *table { return &table{rivals: rivals} }

func (t *table) print(title string, each bool) {
	if len(t.rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer w.Flush()
	line := func(name string, size any, values ...any) {
		fmt.Fprintf(w, "%s\t%v\t", name, size)
		for _, v := range values {
			fmt.Fprintf(w, "%v\t", v)
		}
		fmt.Fprintln(w)
	}
	var head []any
	for _, window := range windows {
		head = append(head, fmt.Sprintf("2^%d", window))
	}
	for _, r := range t.rivals {
		head = append(head, r.name)
	}
	fmt.Printf("\n%s: %d pairs\n", title, len(t.rows))
	line("", "tree", append(head, "2^12/thin")...)
	sums := make([]int64, len(windows)+len(t.rivals))
	var size int64
	var ratios []float64
	var total cost
	for _, r := range t.rows {
		values := slices.Concat(r.pack, r.rivals)
		for i, v := range values {
			sums[i] += v
		}
		size += r.size
		ratio := float64(r.pack[1]) / float64(r.rivals[0])
		ratios = append(ratios, ratio)
		total.add(r.cost)
		if each {
			line(r.pair, r.size, append(anys(values), fmt.Sprintf("%.3f", ratio))...)
		}
	}
	line("sum", size, append(anys(sums), fmt.Sprintf("%.3f", float64(sums[1])/float64(sums[len(windows)])))...)
	medians := make([]int64, len(sums))
	for i := range medians {
		column := make([]int64, len(t.rows))
		for j, r := range t.rows {
			column[j] = slices.Concat(r.pack, r.rivals)[i]
		}
		medians[i] = median(column)
	}
	line("median", "", append(anys(medians), fmt.Sprintf("%.3f", median(ratios)))...)
	line("worst", "", append(slices.Repeat([]any{""}, len(sums)), fmt.Sprintf("%.3f", slices.Max(ratios)))...)
	w.Flush()
	fmt.Println(total)
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

func anys(values []int64) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}
