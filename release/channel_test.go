package release_test

import (
	"strings"
	"testing"

	"moult/release"
)

func releases(tags ...string) (all []release.Release) {
	for _, tag := range tags {
		tag, flagged := strings.CutSuffix(tag, " (pre)")
		all = append(all, release.Release{Version: release.MustVersion(tag), Prerelease: flagged})
	}
	return all
}

func TestNewest(t *testing.T) {
	tags := []string{"1", "1.1", "v2.0", "v1.9", "v1.10.0-rc1", "v1.10", "v2.1-rc2", "v2.1-rc10", "v3.0 (pre)"}
	tests := []struct {
		name, channel string
		tags          []string
		want          string // "" for none
	}{
		{"stable", "stable", tags, "v2.0"},
		{"no text is stable", "", tags, "v2.0"},
		{"beta", "beta", tags, "v3.0"},
		{"candidates as numbers", "beta", []string{"v2.1-rc2", "v2.1-rc10", "v2.1-rc9"}, "v2.1-rc10"},
		{"up to the next major", "~> 1.2", tags, "v1.10"},
		{"up to the next minor", "~> 1.9.0", tags, "v1.9"},
		{"range", ">= 1.1, < 1.10", tags, "v1.9"},
		{"range without spaces", ">=1.1,<1.10", tags, "v1.9"},
		{"all but one", "< 2, != 1.10", tags, "v1.9"},
		{"pin", "= 1.1", tags, "1.1"},
		{"pin without a sign", "1.1.0", tags, "1.1"},
		{"pin with a v", "v1.9", tags, "v1.9"},
		{"pin to a candidate", "= 2.1-rc2", tags, "v2.1-rc2"},
		{"constraint that names a candidate", "~> 2.1-rc1", tags, "v2.1-rc10"},
		{"constraint hides candidates", "> 2", tags, "v3.0"},
		{"nothing fits", "> 9", tags, ""},
		{"nothing there", "stable", nil, ""},
		{"only candidates on stable", "stable", []string{"v1-rc1", "v2 (pre)"}, ""},
		{"equal ones: the first", "stable", []string{"v2.0", "2", "2.0.0"}, "v2.0"},
		{"a version beats a name", "stable", []string{"nightly", "0.1", "latest"}, "0.1"},
		{"names: the first", "stable", []string{"friday", "thursday"}, "friday"},
		{"names fit no constraint", ">= 0", []string{"friday", "thursday"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := release.ParseChannel(test.channel)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := c.Newest(releases(test.tags...))
			if got.Version.String() != test.want || ok != (test.want != "") {
				t.Errorf("newest on %s: got %q, %v, want %q", c, got.Version, ok, test.want)
			}
		})
	}
}

func TestParseChannel(t *testing.T) {
	for in, want := range map[string]string{"": "stable", "stable": "stable", " beta ": "beta", "~> 1.2": "~> 1.2", ">=1, <2": ">=1, <2", "1.3": "1.3"} {
		c, err := release.ParseChannel(in)
		if err != nil || c.String() != want || c.IsStable() != (want == "stable") {
			t.Errorf("%q: got %q, stable %v, %v, want %q", in, c, c.IsStable(), err, want)
		}
	}
	for _, in := range []string{"nightly", "Stable", "~>", "~> ", "1.2,", ",", ">= 1 < 2", "=> 1", "== 1", "~> x", "1.*", "> 1 || < 2", "^1.2", "> 1\n\n, x",
		"~> 99999999999999999999", "= 1.0\x00", ">= 1, <", strings.Repeat(">1,", 200) + ">1", "> \xff"} {
		if c, err := release.ParseChannel(in); err == nil {
			t.Errorf("%q: got %q, want an error", in, c)
		}
	}
}

func TestPin(t *testing.T) {
	for _, tag := range []string{"v1.9", "2.0-rc1", "nightly"} {
		got, ok := release.Pin(release.MustVersion(tag)).Newest(releases("v2.0", "nightly", "v1.9", "v2.0-rc1", "v1.8"))
		if want, _ := release.Compare(got.Version, release.MustVersion(tag)); !ok || want != 0 {
			t.Errorf("pin to %s: got %q, %v", tag, got.Version, ok)
		}
	}
	if got, ok := release.Pin(release.MustVersion("v3")).Newest(releases("v2.0", "v3.1")); ok {
		t.Errorf("pin to a release that is not there: got %s", got.Version)
	}
}

func FuzzParseChannel(f *testing.F) {
	for _, text := range []string{"", "beta", "~> 1.2", ">= 1.4, < 2", "= 1.3", "1.3-rc1", "!=v1,>0", "~> 2.0rc1"} {
		f.Add(text)
	}
	all := releases("v2.0", "1.9", "1.10", "nightly", "2.0-rc1", "v3 (pre)", "0.1+b", "1.2.3.4")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := release.ParseChannel(text)
		if err != nil {
			return
		}
		again, err := release.ParseChannel(c.String())
		if err != nil || again.String() != c.String() || again.IsStable() != c.IsStable() {
			t.Fatalf("%q: got %q back, %v", text, again, err)
		}
		got, ok := c.Newest(all)
		if ok != (got.Version.String() != "") || ok && !c.Allows(got) {
			t.Fatalf("%q: got %q, %v, which it does not allow", text, got.Version, ok)
		}
		for _, r := range all {
			if c.Allows(r) != again.Allows(r) {
				t.Fatalf("%q: got two answers for %s", text, r.Version)
			}
			if order, known := release.Compare(r.Version, got.Version); c.Allows(r) && (!ok || known && order > 0) {
				t.Fatalf("%q: got %q, which is older than %s", text, got.Version, r.Version)
			}
		}
	})
}
