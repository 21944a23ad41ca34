package pack

import (
	"cmp"
	"iter"
	"maps"
	"path"
	"slices"

	"moult/release"
)

const (
	maxBases = 4    // how many files of the base are tried for one
	maxKin   = 1000 // how many are looked at, by what the manifests tell
)

// kin finds the files of a base that others may be deltas to.
type kin struct {
	base   *release.Manifest
	byName map[string][]int // the last element of the path
	byExt  map[string][]int
	gone   map[string][]int // by the extension, too
}

func newKin(to, base *release.Manifest) *kin {
	k := &kin{base, map[string][]int{}, map[string][]int{}, map[string][]int{}}
	for i, b := range base.Files {
		if b.Length == 0 || b.Length > MaxDelta {
			continue
		}
		name, ext := path.Base(b.Path), path.Ext(b.Path)
		k.byName[name] = append(k.byName[name], i)
		k.byExt[ext] = append(k.byExt[ext], i)
		if _, there := to.Find(b.Path); !there {
			k.gone[ext] = append(k.gone[ext], i)
		}
	}
	return k
}

// of yields the files of the base that f may be a delta to, as indexes, the likeliest first: that of the same path,
// those that are gone and were likely renamed, and others with a name like it.
func (k *kin) of(f release.Entry) iter.Seq[int] {
	return func(yield func(int) bool) {
		same, found := slices.BinarySearchFunc(k.base.Files, f.Path, func(b release.Entry, path string) int { return cmp.Compare(b.Path, path) })
		if found && k.base.Files[same].Length > 0 && k.base.Files[same].Length <= MaxDelta && !yield(same) {
			return
		}
		ext := path.Ext(f.Path)
		others := slices.Concat(k.byName[path.Base(f.Path)], k.gone[ext], k.byExt[ext])
		others = others[:min(len(others), maxKin)]
		score := map[int]int{}
		for _, i := range others {
			if n := k.likeness(f, i); n > 0 && k.base.Files[i].Path != f.Path {
				score[i] = n
			}
		}
		likeliest := slices.SortedFunc(maps.Keys(score), func(a, b int) int { return cmp.Or(score[b]-score[a], a-b) })
		for _, i := range likeliest[:min(len(likeliest), maxBases)] {
			if !yield(i) {
				return
			}
		}
	}
}

// likeness says how likely a file of the base has content like f's, by what the manifests tell; 0: hardly.
func (k *kin) likeness(f release.Entry, index int) int {
	b := k.base.Files[index]
	if b.Length > 8*f.Length || f.Length > 8*b.Length {
		return 0
	}
	score := 1
	if path.Base(f.Path) == path.Base(b.Path) {
		score += 4
	}
	if path.Dir(f.Path) == path.Dir(b.Path) {
		score++
	}
	if _, gone := slices.BinarySearch(k.gone[path.Ext(b.Path)], index); gone {
		score += 4
	}
	if near := abs(f.Length - b.Length); near < f.Length/16 {
		score += 2
	} else if near < f.Length/4 {
		score++
	}
	return score
}

func abs(n int64) int64 { return max(n, -n) }
