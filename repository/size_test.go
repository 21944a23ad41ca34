package repository_test

import (
	"testing"

	"moult/disk"
	"moult/repository"
)

// TestSizes holds the metadata to what a board can take: with RSA-2048, one key a role, one module and five releases of it.
func TestSizes(t *testing.T) {
	r := newRig(t, repository.RSA2048)
	for _, v := range []string{"v1.0", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5"} {
		r.add("irrigation", v, tree{"app.py": v})
	}
	for name, most := range map[string]int{
		"1.root.json": 2400, "timestamp.json": 800, "7.snapshot.json": 800, "2.targets.json": 1550, "6.irrigation.json": 1350,
	} {
		data, err := disk.ReadFile(r.disk, "metadata/"+name, 1<<20)
		must(t, err)
		t.Logf("%s: %d bytes", name, len(data))
		if len(data) > most {
			t.Errorf("%s: got %d bytes, want at most %d", name, len(data), most)
		}
	}
}

// BenchmarkAdd publishes a release of 40 KB in ten files on top of four others: files, manifest, signatures (RSA-2048), twelve bundles.
func BenchmarkAdd(b *testing.B) {
	r := newRig(b, repository.RSA2048)
	files := tree{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		files[name+".py"] = text(name, 4<<10)
	}
	for _, v := range []string{"v1.0", "v1.1", "v1.2", "v1.3"} {
		files["a.py"] += "print('" + v + "')\n"
		r.add("irrigation", v, files)
	}
	files["a.py"] += "print('new')\n"
	for b.Loop() {
		d := r.disk.Copy()
		_, err := r.open(d).Add(b.Context(), r.keys, head("irrigation", "v1.4"), files.fill)
		must(b, err)
	}
}

// text is a program of about n bytes.
func text(name string, n int) string {
	s := ""
	for i := 0; len(s) < n; i++ {
		s += "def " + name + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + "(x):\n    return x * " + string(rune('0'+i%10)) + " + " + name + "\n"
	}
	return s
}
