package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"moult/config"
	"moult/fault"
	"moult/release"
)

const moultJSON = "config/moult.json"

// world is the system outside the device's directory, as the tests have it.
func world() config.Options {
	return config.Options{
		LookupEnv: func(name string) (string, bool) {
			env := map[string]string{"CAMERA_TOKEN": "example-camera", "EMPTY": "", "LINES": "one\ntwo"}
			value, found := env[name]
			return value, found
		},
		ReadFile: func(name string) ([]byte, error) {
			files := map[string]string{"/run/wifi": "example-wifi\n", "/run/empty": "\n", "/run/lines": "hunter2\nhunter2\n", "/run/large": strings.Repeat("x", 100_000)}
			if text, found := files[name]; found {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}
}

func device(files map[string]string) fs.FS {
	root := fstest.MapFS{}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	return root
}

func mustLoad(t *testing.T, root fs.FS) *config.Config {
	t.Helper()
	c, err := config.Load(root, world())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same compares what has no fields to compare by how it is written.
var same = cmp.Options{
	cmp.Comparer(func(a, b release.Channel) bool { return a.String() == b.String() }),
	cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
}

func constraint(t *testing.T, text string) release.Channel {
	t.Helper()
	c, err := release.ParseChannel(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoadEveryKey(t *testing.T) {
	got := mustLoad(t, os.DirFS("testdata/moult"))
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		t.Fatal(err)
	}
	restart := config.Clock(180)
	want := &config.Config{
		Device: "greenhouse-1",
		Kind:   "greenhouse/v2",
		Modules: []config.Module{
			{Name: "irrigation", URL: "https://github.com/owner/irrigation", Dir: "main",
				Keep: release.Keep{"secrets.py", "data/**"}, Run: []string{"python3", "main/app.py"}, Unit: "irrigation.service",
				Health: &config.Health{Command: []string{"./check"}, HTTP: "http://127.0.0.1:9000/healthz", Within: 90 * time.Second}},
			{Name: "camera", URL: "git@git.example.org:owner/camera.git", Forge: "gitea", Asset: "camera_{os}_{arch}.tar.gz",
				Channel: constraint(t, "~> 1.2"), Direct: true, Confirm: true, Token: config.NewSecret("example-camera"),
				Limits: release.Limits{Files: 100, Bytes: 1e9}},
			{Name: "about", Channel: release.Beta},
		},
		WiFi:       []config.Network{{SSID: "field", Password: config.NewSecret("example-wifi")}, {SSID: "open"}},
		GitHub:     config.Forge{Token: config.NewSecret("example-token"), API: "https://api.github.com"},
		Gitea:      config.Forge{Token: config.NewSecret("example-gitea"), API: "https://git.example.org/api/v1"},
		Gateway:    config.Gateway{URL: "http://gateway.local:8080", Key: config.NewSecret("example-key")},
		Repository: config.Repository{URL: "https://owner.github.io/updates"},
		LEDs:       config.LEDs{Yellow: "gpiochip0/18", Green: "17"},
		MQTT: config.MQTT{URL: config.NewSecretURL("mqtt://user:example-pass@broker:1883"), Topic: "moult/greenhouse-1",
			CA: "/etc/moult/ca.pem", Cert: "/etc/moult/cert.pem", Key: "/etc/moult/key.pem"},
		Check: config.Check{On: config.OnPowerOn, Every: 15 * time.Minute,
			Window: &config.Window{From: 22 * 60, To: 4*60 + 30}, Restart: &restart},
		Timezone: zone,
		Files:    []string{moultJSON},
		Outside:  []string{"/run/wifi"},
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLoadSystemA(t *testing.T) {
	got := mustLoad(t, os.DirFS("testdata/system-a"))
	want := &config.Config{
		Modules: []config.Module{
			{Name: "irrigation", URL: "https://github.com/owner/irrigation", Dir: "main"},
			{Name: "ota_updater", URL: "https://github.com/owner/micropython-ota-updater", Dir: "main"},
		},
		WiFi:  []config.Network{{SSID: "field", Password: config.NewSecret("example-password")}},
		Check: config.Check{On: config.OnStart},
		Files: []string{"config/irrigation_gitrepo_cfg.json", "config/ota_updater_gitrepo_cfg.json", "config/wifi_cfg.json"},
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLoadSystemB(t *testing.T) {
	got := mustLoad(t, os.DirFS("testdata/system-b"))
	want := &config.Config{
		Modules: []config.Module{{Name: "irrigation", URL: "https://github.com/owner/irrigation.git", Dir: "src", Root: true}},
		WiFi:    []config.Network{{SSID: "field", Password: config.NewSecret("example-password")}},
		Check:   config.Check{On: config.OnStart},
		Files:   []string{"conf.json"},
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPrecedence(t *testing.T) {
	earlier := map[string]string{
		"config/b_gitrepo_cfg.json": `{"gitrepo": {"url": "https://github.com/owner/b"}}`,
		"config/a_gitrepo_cfg.json": `{"gitrepo": {"url": "https://github.com/owner/a"}}`,
		"config/wifi_cfg.json":      `{"wifi": {"ssid": "A"}}`,
		"conf.json":                 `{"network": {"ssid": "B"}, "git": {"url": "https://github.com/owner/c"}}`,
	}
	tests := []struct {
		name, moult         string
		modules, wifi, root []string
	}{
		{"without moult.json", "", []string{"a main", "b main", "c main"}, []string{"A", "B"}, []string{"c"}},
		{"other keys", `{"device": "d"}`, []string{"a main", "b main", "c main"}, []string{"A", "B"}, []string{"c"}},
		{"a module more, first", `{"modules": {"z": {"url": "/srv/z"}}}`, []string{"z main", "a main", "b main", "c main"}, []string{"A", "B"}, []string{"c"}},
		{"system A's replaced", `{"modules": {"b": {"url": "/srv/b", "dir": "lib"}}}`, []string{"b lib", "a main", "c main"}, []string{"A", "B"}, []string{"c"}},
		{"system B's replaced", `{"modules": {"c": {"url": "/srv/c", "dir": "lib"}}}`, []string{"c lib", "a main", "b main"}, []string{"A", "B"}, nil},
		{"system B's replaced, at the root", `{"modules": {"c": {"url": "/srv/c", "dir": "lib", "root": true}}}`, []string{"c lib", "a main", "b main"}, []string{"A", "B"}, []string{"c"}},
		{"wifi replaced", `{"wifi": {"ssid": "M"}}`, []string{"a main", "b main", "c main"}, []string{"M"}, []string{"c"}},
		{"no wifi at all", `{"wifi": []}`, []string{"a main", "b main", "c main"}, nil, []string{"c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			for name, text := range earlier {
				files[name] = text
			}
			want := []string{"config/a_gitrepo_cfg.json", "config/b_gitrepo_cfg.json", "config/wifi_cfg.json", "conf.json"}
			if tt.moult != "" {
				files[moultJSON] = tt.moult
				want = append([]string{moultJSON}, want...)
			}
			c := mustLoad(t, device(files))
			var modules, wifi, root []string
			for _, m := range c.Modules {
				modules = append(modules, m.Name+" "+m.Dir)
				if m.Root {
					root = append(root, m.Name)
				}
			}
			for _, n := range c.WiFi {
				wifi = append(wifi, n.SSID)
			}
			if !slices.Equal(modules, tt.modules) || !slices.Equal(wifi, tt.wifi) || !slices.Equal(root, tt.root) || !slices.Equal(c.Files, want) {
				t.Errorf("got modules %q, wifi %q, root %q, files %q,\nwant %q, %q, %q, %q", modules, wifi, root, c.Files, tt.modules, tt.wifi, tt.root, want)
			}
		})
	}
}

func TestLoadAccepts(t *testing.T) {
	tests := []struct {
		name, module string // what stands in a module, beside its url
		want         config.Module
	}{
		{"the smallest", ``, config.Module{Dir: "main"}},
		{"directory with a slash", `"dir": "src/app/"`, config.Module{Dir: "src/app"}},
		{"whole repository", `"dir": "."`, config.Module{}},
		{"asset", `"asset": "a.tar.gz"`, config.Module{Asset: "a.tar.gz"}},
		{"directory of an asset", `"asset": "a-{version}.zip", "dir": "main"`, config.Module{Asset: "a-{version}.zip", Dir: "main"}},
		{"root with an asset", `"asset": "a.zip", "root": true`, config.Module{Asset: "a.zip", Dir: "main", Root: true}},
		{"health within a minute", `"health": {"command": ["true"]}`, config.Module{Dir: "main", Health: &config.Health{Command: []string{"true"}, Within: config.DefaultWithin}}},
		{"a trial", `"trial": {"starts": 5, "within": "10m"}`, config.Module{Dir: "main", Trial: config.Trial{Starts: 5, Within: 10 * time.Minute}}},
		{"health with a query", `"health": {"http": "https://localhost/?deep=1"}`, config.Module{Dir: "main", Health: &config.Health{HTTP: "https://localhost/?deep=1", Within: config.DefaultWithin}}},
		{"size as a number", `"limits": {"size": 4096}`, config.Module{Dir: "main", Limits: release.Limits{Bytes: 4096}}},
		{"size in KB", `"limits": {"size": "5KB"}`, config.Module{Dir: "main", Limits: release.Limits{Bytes: 5000}}},
		{"size in MB", `"limits": {"size": "5 mb"}`, config.Module{Dir: "main", Limits: release.Limits{Bytes: 5_000_000}}},
		{"size in KiB", `"limits": {"size": "1.5KiB"}`, config.Module{Dir: "main", Limits: release.Limits{Bytes: 1536}}},
		{"size in MiB", `"limits": {"size": "5MiB"}`, config.Module{Dir: "main", Limits: release.Limits{Bytes: 5 << 20}}},
		{"size in GiB", `"limits": {"size": "5GiB"}`, config.Module{Dir: "main", Limits: release.Limits{Bytes: 5 << 30}}},
		{"empty token", `"token": ""`, config.Module{Dir: "main"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustLoad(t, device(map[string]string{moultJSON: `{"modules": {"app": {"url": "/srv/app", ` + tt.module + `}}}`}))
			tt.want.Name, tt.want.URL = "app", "/srv/app"
			if diff := cmp.Diff([]config.Module{tt.want}, c.Modules, same); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLoadForgivesEditors(t *testing.T) {
	for name, text := range map[string]string{
		"byte order mark":            "\ufeff" + `{"modules": {"app": {"url": "/srv/app"}}}`,
		"carriage returns":           "{\"modules\":\r\n {\"app\": {\"url\": \"/srv/app\"},},\r\n}\r\n",
		"comment without a line end": `{"modules": {"app": {"url": "/srv/app"}}} // end`,
	} {
		if _, err := config.Load(device(map[string]string{moultJSON: text}), world()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModuleWithoutURL(t *testing.T) {
	for _, knows := range []string{`"gateway": {"url": "http://gateway.local"}`, `"repository": {"url": "file:///srv/updates"}`} {
		c := mustLoad(t, device(map[string]string{moultJSON: `{"modules": {"app": {}}, ` + knows + `}`}))
		if len(c.Modules) != 1 || c.Modules[0].URL != "" {
			t.Errorf("%s: got modules %v", knows, c.Modules)
		}
	}
}

func TestNothingConfigured(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no files":   {},
		"no modules": {moultJSON: `{"device": "d", "gateway": {"url": "http://gateway.local"}}`},
		"only wifi":  {"conf.json": `{"network": {"ssid": "x"}}`},
	} {
		c, err := config.Load(device(files), config.Options{})
		var problems config.Problems
		if c != nil || !errors.As(err, &problems) || len(problems) != 1 || problems[0].File != moultJSON {
			t.Errorf("%s: got %v, %v", name, c, err)
		}
		hint := fault.HintOf(err)
		_, smallest, found := strings.Cut(hint, " is ")
		if !found {
			t.Fatalf("%s: got the hint %q", name, hint)
		}
		if _, err := config.Load(device(map[string]string{moultJSON: smallest}), config.Options{}); err != nil {
			t.Errorf("the hint's configuration does not load: %v", err)
		}
	}
}

func TestSingle(t *testing.T) {
	tests := []struct{ url, dir, name, want string }{
		{"https://github.com/owner/irrigation", "main", "", "irrigation main"},
		{"https://github.com/owner/irrigation.git/", "src/", "", "irrigation src"},
		{"git@github.com:owner/irrigation.git", "", "", "irrigation "},
		{"git@github.com:irrigation", "main", "", "irrigation main"},
		{"ssh://git@[::1]:22/irrigation.git", "main", "", "irrigation main"},
		{"file:///srv/irrigation.git", "main", "", "irrigation main"},
		{"/srv/irrigation", "main", "other", "other main"},
	}
	for _, tt := range tests {
		c, err := config.Single(tt.url, tt.dir, tt.name)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		if m := c.Modules[0]; len(c.Modules) != 1 || m.Name+" "+m.Dir != tt.want || m.URL != tt.url || m.Root || c.Check.On != config.OnStart {
			t.Errorf("%+v: got %+v", tt, m)
		}
	}
	c, err := config.Single("https://user:hunter2@github.com/owner/x", "../x", "config")
	if c != nil || err == nil || !strings.HasPrefix(err.Error(), "dir: got \"../x\"") || strings.Count(err.Error(), "\n") != 2 || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, %v, want three problems, the first of dir", c, err)
	}
	if _, err := config.Single("", "main", ""); err == nil || strings.Contains(err.Error(), "name:") {
		t.Errorf("no URL: got %v, want just the URL's problem", err)
	}
}

func TestWindow(t *testing.T) {
	tests := []struct{ window, in, out string }{
		{"02:00-04:00", "02:00 03:59", "01:59 04:00 14:00"},
		{"22:00-4:30", "22:00 23:59 00:00 04:29", "21:59 04:30 12:00"},
	}
	for _, tt := range tests {
		w, err := config.ParseWindow(tt.window)
		if err != nil {
			t.Fatal(err)
		}
		for i, times := range []string{tt.in, tt.out} {
			for _, text := range strings.Fields(times) {
				at, err := time.Parse("15:04", text)
				if err != nil {
					t.Fatal(err)
				}
				if got := w.Contains(at); got != (i == 0) {
					t.Errorf("%s contains %s: got %v", w, text, got)
				}
			}
		}
		if again, err := config.ParseWindow(w.String()); err != nil || again != w {
			t.Errorf("%s reads back as %v, %v", w, again, err)
		}
	}
}

func ExampleLoad() {
	root := fstest.MapFS{"config/moult.json": {Data: []byte(`{
	// Comments and trailing commas are fine.
	"modules": {"irrigation": {"url": "https://github.com/owner/irrigation", "chanel": "beta"}},
}`)}}
	_, err := config.Load(root, config.Options{})
	fmt.Println(strings.ReplaceAll(err.Error(), ", want", ",\nwant"))
	// Output:
	// config/moult.json:3: modules.irrigation.chanel: got an unknown key,
	// want "asset", "channel", "confirm", "dir", "direct", "forge", "health", "keep", "limits", "root", "run", "token", "trial", "unit" or "url"; did you mean "channel"?
}
