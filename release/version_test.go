package release_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"moult/release"
)

func TestCompare(t *testing.T) {
	tests := []struct {
		name, a, b string
		want       int
		unknown    bool
	}{
		{name: "numbers, not letters", a: "1.9", b: "1.10", want: -1},
		{name: "numbers, not letters, in the patch", a: "1.9.0", b: "1.10.0", want: -1},
		{name: "v and parts that are left out", a: "v2", b: "2.0", want: 0},
		{name: "capital V", a: "V2.1", b: "v2.1.0", want: 0},
		{name: "older scheme of tags", a: "1", b: "1.1", want: -1},
		{name: "older scheme of tags, next", a: "1.1", b: "2.0", want: -1},
		{name: "four parts", a: "1.2.3.4", b: "1.2.3", want: 1},
		{name: "leading zeros", a: "2024.01.09", b: "2024.1.9", want: 0},
		{name: "candidate before release", a: "2.0-rc1", b: "2.0", want: -1},
		{name: "candidate after the release before", a: "v1.10.0-rc1", b: "v1.9", want: 1},
		{name: "candidates as numbers", a: "2.0-rc2", b: "2.0-rc10", want: -1},
		{name: "candidates with a dot", a: "2.0-rc.2", b: "2.0-rc10", want: -1},
		{name: "candidates without a dash", a: "2.0rc2", b: "2.0-rc10", want: -1},
		{name: "alpha before beta", a: "1.0-alpha9", b: "1.0-beta1", want: -1},
		{name: "candidate with leading zeros", a: "1.0-rc01", b: "1.0-rc1", want: 0},
		{name: "candidate without a number is the first", a: "1.0-rc", b: "1.0-rc1", want: -1},
		{name: "candidate with a word", a: "1.0-rc", b: "1.0-rc.a", want: -1},
		{name: "number before word", a: "1.0-1", b: "1.0-rc", want: -1},
		{name: "candidate with a huge number", a: "1.0-rc99999999999999999999", b: "1.0-rc100000000000000000000", want: -1},
		{name: "build is no order", a: "1.0+build1", b: "1.0+build2", want: 0},
		{name: "largest number", a: "9223372036854775807", b: "9223372036854775806", want: 1},
		{name: "a number that is too large", a: "1", b: "99999999999999999999", unknown: true},
		{name: "nightlies", a: "nightly-2026-01-01", b: "nightly-2026-01-02", unknown: true},
		{name: "the same nightly", a: "nightly", b: "nightly", want: 0},
		{name: "nightly and version", a: "nightly", b: "1.0", unknown: true},
		{name: "tag with a slash", a: "release/1.0", b: "1.0", unknown: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := release.MustVersion(test.a), release.MustVersion(test.b)
			for _, swap := range []int{1, -1} {
				got, known := release.Compare(a, b)
				if got != test.want*swap || known == test.unknown {
					t.Errorf("Compare(%s, %s): got %d, %v, want %d, %v", a, b, got, known, test.want*swap, !test.unknown)
				}
				a, b = b, a
			}
		})
	}
}

func TestParseVersion(t *testing.T) {
	tests := []struct {
		in                  string
		numeric, prerelease bool
		wantErr             string
	}{
		{in: "1", numeric: true}, {in: "1.1", numeric: true}, {in: "2.0", numeric: true}, {in: "v1.10.0", numeric: true},
		{in: "v1.10.0-rc1", numeric: true, prerelease: true}, {in: "2.0b3", numeric: true, prerelease: true},
		{in: "1.0+meta", numeric: true}, {in: "nightly-2026-01-02"}, {in: "release/v1.0"}, {in: "été"}, {in: "v"}, {in: "1."}, {in: "-1"}, {in: "1.0-", numeric: true, prerelease: true},
		{in: strings.Repeat("1", release.MaxVersion)},
		{in: "", wantErr: "empty"},
		{in: strings.Repeat("1", release.MaxVersion+1), wantErr: "256 bytes"},
		{in: "1.0 beta", wantErr: "byte 3"}, {in: "1.0\n", wantErr: "byte 3"}, {in: "1\x00", wantErr: "byte 1"}, {in: "\x1b[31m", wantErr: "byte 0"},
		{in: "1\x7f", wantErr: "byte 1"}, {in: "1\xff", wantErr: "byte 1"},
	}
	for _, test := range tests {
		v, err := release.ParseVersion(test.in)
		if (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
			t.Errorf("%q: got %v, want %q", test.in, err, test.wantErr)
		}
		if err == nil && (v.IsNumeric() != test.numeric || v.IsPrerelease() != test.prerelease || v.String() != test.in || v.IsZero()) {
			t.Errorf("%q: got numeric %v, prerelease %v, text %q", test.in, v.IsNumeric(), v.IsPrerelease(), v)
		}
	}
}

// ordered fails where three versions have no order among them.
func ordered(t interface{ Fatalf(string, ...any) }, a, b, c release.Version) {
	for _, v := range []release.Version{a, b, c} {
		if got, known := release.Compare(v, v); got != 0 || !known {
			t.Fatalf("Compare(%s, %s): got %d, %v, want 0", v, v, got, known)
		}
	}
	ab, known := release.Compare(a, b)
	ba, knownToo := release.Compare(b, a)
	if ab != -ba || known != knownToo {
		t.Fatalf("Compare(%s, %s) is %d, %v and Compare(%s, %s) is %d, %v", a, b, ab, known, b, a, ba, knownToo)
	}
	bc, _ := release.Compare(b, c)
	ac, _ := release.Compare(a, c)
	if a.IsNumeric() && b.IsNumeric() && c.IsNumeric() && ab <= 0 && bc <= 0 && (ac > 0 || ac == 0 && ab+bc < 0) {
		t.Fatalf("%s to %s is %d, %s to %s is %d, but %s to %s is %d", a, b, ab, b, c, bc, a, c, ac)
	}
}

func TestOrder(t *testing.T) {
	version := rapid.StringMatching(`v?[0-2]{1,2}(\.[01]){0,3}(-?(rc|a|b|[a-c.0-2~-]{1,5})(\.?[0-2]{1,2}|\.[a-c]){0,2})?(\+[a-z]{1,3})?`)
	rapid.Check(t, func(t *rapid.T) {
		var v [3]release.Version
		for i := range v {
			v[i] = release.MustVersion(version.Draw(t, "version"))
		}
		ordered(t, v[0], v[1], v[2])
	})
}

func FuzzParseVersion(f *testing.F) {
	f.Add("1.9", "1.10", "2.0-rc1")
	f.Add("1.0-rc", "1.0-rc.a", "1.0-rc1")
	f.Add("1.0-rc01", "1.0-rc1", "v1")
	f.Add("nightly", "1+x", "99999999999999999999")
	f.Fuzz(func(t *testing.T, x, y, z string) {
		var v [3]release.Version
		for i, text := range []string{x, y, z} {
			var err error
			if v[i], err = release.ParseVersion(text); err != nil {
				return
			}
			written, err := v[i].MarshalText()
			if err != nil || string(written) != text {
				t.Fatalf("%q: got %q, %v", text, written, err)
			}
			var again release.Version
			if err := again.UnmarshalText(written); err != nil || again.String() != text || again.IsNumeric() != v[i].IsNumeric() {
				t.Fatalf("%q: got %q back, %v", text, again, err)
			}
		}
		ordered(t, v[0], v[1], v[2])
	})
}
