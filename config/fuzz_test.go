package config_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"moult/config"
	"moult/release"
)

// FuzzLoad holds that whatever stands in the files, a refused configuration is none, with problems that name a file,
// and an accepted one has only modules that would be accepted again.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"testdata/moult/" + moultJSON, "testdata/system-b/conf.json"} {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte(`{"git": {"url": "https://github.com/owner/b", "dir": "src"}}`))
		f.Add([]byte(`{"modules": {"a": {"url": "/a", "root": true, "keep": ["**"]}}}`), data)
	}
	f.Add([]byte(`{"modules": {"a": {"asset": "x{tag}", "limits": {"size": "1.5KiB"}, "token": {"file": "t"}}}, "repository": {"url": "file:///r"}}`), []byte("{}"))
	f.Add([]byte("\ufeff{\"wifi\": {\"ssid\": \"\\ud800\"}}//"), []byte("[[[/*"))
	f.Fuzz(func(t *testing.T, moult, conf []byte) {
		c, err := config.Load(device(map[string]string{moultJSON: string(moult), "conf.json": string(conf)}), world())
		if err != nil {
			var problems config.Problems
			if c != nil || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("refused with %v, %v", c, err)
			}
			for _, p := range problems {
				lines := strings.Count(string(moult), "\n") + 1
				if p.File == "conf.json" {
					lines = strings.Count(string(conf), "\n") + 1
				}
				if p.File == "" || p.Message == "" || p.Line < 0 || p.Line > lines || strings.Contains(p.Error(), "\n") {
					t.Fatalf("got the problem %#v in %d lines", p, lines)
				}
			}
			return
		}
		if len(c.Modules) == 0 {
			t.Fatal("accepted without a module")
		}
		names := map[string]bool{}
		roots := 0
		for _, m := range c.Modules {
			checkModule(t, m)
			if names[strings.ToLower(m.Name)] {
				t.Fatalf("got the module %q twice", m.Name)
			}
			names[strings.ToLower(m.Name)] = true
			if m.Root {
				roots++
			}
			if m.URL == "" && c.Gateway.URL == "" && c.Repository.URL == "" {
				t.Fatalf("nothing tells where %q is", m.Name)
			}
		}
		if roots > 1 || roots == 1 && len(c.Modules) > 1 && (isModule(c, "next") || isModule(c, "prev")) {
			t.Fatalf("the modules' directories clash: %v", c.Modules)
		}
		if c.Check.Every < 0 || c.Check.On != config.OnPowerOn && c.Check.On != config.OnStart {
			t.Fatalf("got the check %+v", c.Check)
		}
	})
}

func isModule(c *config.Config, name string) bool {
	return slices.ContainsFunc(c.Modules, func(m config.Module) bool { return !m.Root && strings.EqualFold(m.Name, name) })
}

func checkModule(t *testing.T, m config.Module) {
	if err := config.CheckModule(m.Name); err != nil {
		t.Fatal(err)
	}
	if m.Dir == "" && m.Root {
		t.Fatal("got a slot that is the device's root")
	}
	if m.Dir != "" {
		if err := release.CheckPath(m.Dir); err != nil {
			t.Fatal(err)
		}
	}
	if m.URL != "" {
		single, err := config.Single(m.URL, m.Dir, m.Name)
		if err != nil {
			t.Fatal(err)
		}
		if again := single.Modules[0]; again.Name != m.Name || again.URL != m.URL || again.Dir != m.Dir {
			t.Fatalf("got %+v, then %+v", m, again)
		}
	}
	if channel, err := release.ParseChannel(m.Channel.String()); err != nil || channel.String() != m.Channel.String() {
		t.Fatalf("channel: got %v, %v, want %v", channel, err, m.Channel)
	}
	if keep, err := release.ParseKeep(m.Keep); err != nil || !slices.Equal(keep, m.Keep) {
		t.Fatalf("keep: got %v, %v, want %v", keep, err, m.Keep)
	}
	if m.Health != nil && (m.Health.Within <= 0 || m.Health.Command == nil && m.Health.HTTP == "") {
		t.Fatalf("got the health check %+v", *m.Health)
	}
	if m.Limits.Files < 0 || m.Limits.Bytes < 0 {
		t.Fatalf("got the limits %+v", m.Limits)
	}
}
