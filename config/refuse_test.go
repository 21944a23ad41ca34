package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"moult/config"
)

// refused loads a configuration that must be refused, and returns its problems.
func refused(t *testing.T, root fs.FS) config.Problems {
	t.Helper()
	c, err := config.Load(root, world())
	if c != nil {
		t.Errorf("got a configuration")
	}
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want Problems", err)
	}
	return problems
}

func TestLoadRefuses(t *testing.T) {
	const top, app = 1, 2 // what stands in the file: all of it, or a module's keys on line 2
	tests := []struct {
		name string
		in   int
		text string
		want string // file:line: key: got …, want … , with * for any text
	}{
		// The file.
		{"empty", top, " \n", `moult.json:1: got an empty file, want *`},
		{"a list", top, `[]`, `moult.json:1: got a list, want an object`},
		{"null", top, `null`, `moult.json:1: got null, want an object`},
		{"no comma", top, "{\"device\": \"d\"\n\"check\": {}}", `moult.json:2: got an unexpected character after object value* (column 1)`},
		{"not closed", top, "{\"device\": \"d\"", `moult.json:1: got the file's end, want *`},
		{"not closed, last line ended", top, "{\"device\":\n\"d\n", `moult.json:3: got the file's end, want *`},
		{"no value", top, "{\n\"device\": d}", `moult.json:2: got what is no value, want *`},
		{"two values", top, "{}\n{}", `moult.json:2: got an unexpected character after top-level value*`},
		{"name without quotes", top, "{\n device: 1}", `moult.json:2: got what is no value, want *`},
		{"broken UTF-8", top, "{\"device\":\n\"\xff\"}", `moult.json:2: got broken UTF-8, want *`},
		{"deep", top, strings.Repeat("\n[", 20_000), `moult.json:10002: got more than 10000 objects and lists, want *`},
		{"large", top, `{"device": "d"} //` + strings.Repeat(" ", config.MaxFile), `moult.json: got a file of more than 1048576 bytes`},
		// Keys.
		{"unknown key", top, "{\n\"colour\": 1}", `moult.json:2: colour: got an unknown key, want "check", "device", * or "wifi"`},
		{"close key", top, `{"modul": {}}`, `*; did you mean "modules"?`},
		{"close key, letters swapped", top, `{"gatewya": {}}`, `*; did you mean "gateway"?`},
		{"close key, capitals", top, `{"MQTT": {}}`, `*; did you mean "mqtt"?`},
		{"close key, short", app, `"ulr": "/b", "url": "/a"`, `*; did you mean "url"?`},
		{"key twice", top, "{\"device\": \"d\",\n\n\"device\": \"d\"}", `moult.json:3: device: got the key again, want it once; it stands on line 1 already`},
		{"module twice", top, "{\"modules\": {\"a\": {\"url\": \"/a\"},\n\"a\": {\"url\": \"/a\"}}}", `moult.json:2: modules.a: got the key again, want it once; it stands on line 1 already`},
		{"module's key twice", app, "\"url\": \"/a\",\n\"url\": \"/b\"", `moult.json:3: modules.app.url: got the key again*line 2*`},
		{"unknown key of a module", app, `"uurl": "/a", "url": "/a"`, `moult.json:2: modules.app.uurl: got an unknown key, want "asset", *; did you mean "url"?`},
		{"odd key", app, `"a\nb": 1, "url": "/a"`, `moult.json:2: modules.app."a\nb": got an unknown key, want *`},
		// Modules.
		{"modules as a list", top, `{"modules": []}`, `moult.json:1: modules: got a list, want an object`},
		{"module as a text", top, `{"modules": {"app": "https://github.com/owner/app"}}`, `moult.json:1: modules.app: got a text, want an object`},
		{"name leaves", top, `{"modules": {"../x": {"url": "/a"}}}`, `moult.json:1: modules."../x": got the name "../x", want letters, digits *`},
		{"name empty", top, `{"modules": {"": {"url": "/a"}}}`, `moult.json:1: modules."": got the name "", want letters, digits *`},
		{"name with a dot first", top, `{"modules": {".moult": {"url": "/a"}}}`, `*got the name ".moult", want *`},
		{"name as an option", top, `{"modules": {"-x": {"url": "/a"}}}`, `*got the name "-x", want *`},
		{"name config", top, `{"modules": {"Config": {"url": "/a"}}}`, `*modules.Config: got "Config", which the device's configuration is called, want another name`},
		{"name conf.json", top, `{"modules": {"conf.json": {"url": "/a"}}}`, `*modules."conf.json": got "conf.json", which *`},
		{"name too long", top, `{"modules": {"` + strings.Repeat("a", 65) + `": {"url": "/a"}}}`, `*got a name of 65 bytes, want at most 64`},
		{"names that differ by case, the capital first", top, `{"modules": {"App": {"url": "/a"}, "app": {"url": "/a"}}}`, `*modules.app: got the name "app", which is as "App" to *`},
		{"names that differ by case", top, "{\"modules\": {\"app\": {\"url\": \"/a\"},\n\"App\": {\"url\": \"/a\"}}}", `moult.json:2: modules.App: got the name "App", which is as "app" to some file systems, want another`},
		{"next beside a root", top, `{"modules": {"app": {"url": "/a", "root": true}, "next": {"url": "/a"}}}`, `*modules.next: got the name "next", which is a directory of the module "app" at the device's root, want another`},
		{"prev beside a root", top, `{"modules": {"prev": {"url": "/a"}, "app": {"url": "/a", "root": true}}}`, `*modules.prev: got the name "prev", which *`},
		{"the root's directory", top, `{"modules": {"src": {"url": "/a"}, "app": {"url": "/a", "dir": "src/x", "root": true}}}`, `*modules.src: got the name "src", which *`},
		{"two roots", top, `{"modules": {"a": {"url": "/a", "root": true}, "b": {"url": "/b", "root": true}}}`, `*modules.b.root: got a second module at the device's root, want one; "a" is there already`},
		{"no url", top, `{"modules": {"app": {}}}`, `moult.json:1: modules.app.url: got none, want a repository's URL such as https://github.com/owner/name, or a "gateway" or "repository" that knows the module`},
		{"direct without a url", top, `{"modules": {"app": {"direct": true}}, "repository": {"url": "file:///r"}}`, `moult.json:1: modules.app.direct: got true without a url, want both or neither`},
		{"kind with a space", top, `{"kind": "green house", "modules": {"app": {"url": "/a"}}}`, `moult.json:1: kind: got "green house", want *`},
		// URLs.
		{"url empty", app, `"url": ""`, `moult.json:2: modules.app.url: got an empty text`},
		{"url a number", app, `"url": 7`, `*modules.app.url: got a number, want a text`},
		{"url of an unknown scheme", app, `"url": "ftp://example.org/x"`, `*url: got "ftp://example.org/x", want a URL that begins with http://, https://, ssh://, file://`},
		{"url of a close scheme", app, `"url": "htps://example.org/x"`, `*; did you mean "https"?`},
		{"url without a scheme", app, `"url": "github.com/owner/x"`, `*; did you mean "https://github.com/owner/x"?`},
		{"url without a host", app, `"url": "https:///x"`, `*url: got "https:///x" without a host's name, want *`},
		{"url without a repository", app, `"url": "https://github.com/"`, `*url: got "https://github.com/", which names no repository, want *`},
		{"url that is an option", app, `"url": "ssh://-oProxyCommand=x/y"`, `*without a host's name*`},
		{"url whose user is an option", app, `"url": "ssh://-x@host/y"`, `*url: got a URL with a password, want it without*`},
		{"scp form that is an option", app, `"url": "git@-x:y"`, `*url: got "git@-x:y", want *`},
		{"scp path that is an option", app, `"url": "git@host:-y"`, `*url: got *, want *`},
		{"scp form without a path", app, `"url": "git@host:/"`, `*which names no repository*`},
		{"url with a user", app, `"url": "https://hunter2@github.com/owner/x"`, `*url: got a URL with a user or password, want it without; a token has its own key, "token"`},
		{"url with a password", app, `"url": "https://user:hunter2@github.com/owner/x"`, `*url: got a URL with a user or password*`},
		{"ssh with a password", app, `"url": "ssh://git:hunter2@github.com/owner/x"`, `*url: got a URL with a password, want it without; ssh has its keys`},
		{"url with a query", app, `"url": "https://github.com/owner/x?token=hunter2"`, `*url: got "https://github.com/owner/x" with a query or fragment, want it without`},
		{"url with a space", app, `"url": "/srv/a b"`, `*url: got "/srv/a b", want *`},
		{"root directory", app, `"url": "/"`, `*url: got "/", which names no repository, want *`},
		{"relative file url", app, `"url": "file://srv/x"`, `*url: got "file://srv/x", want file:// and an absolute path*`},
		// Other keys of a module.
		{"dir a list", app, `"url": "/a", "dir": ["main"]`, `*dir: got a list, want a text`},
		{"dir leaves", app, `"url": "/a", "dir": "../main"`, `*dir: got "../main", want a directory such as "main" (*`},
		{"dir absolute", app, `"url": "/a", "dir": "/main"`, `*dir: got "/main", want a directory such as "main" (*absolute*`},
		{"dir of a root, empty", app, `"url": "/a", "root": true, "dir": ""`, `*dir: got "", want a directory such as "main": it is renamed to make place for the next version, which the device's root cannot be`},
		{"dir of a root, dot", app, `"url": "/a", "root": true, "dir": "."`, `*dir: got ".", want a directory *`},
		{"dir of a root, a slot", app, `"url": "/a", "root": true, "dir": "next/x"`, `*dir: got "next/x", which the device itself uses, want another directory`},
		{"channel", app, `"url": "/a", "channel": "betta"`, `*channel: got "betta", want "stable", "beta" or a version constraint *; did you mean "beta"?`},
		{"channel a number", app, `"url": "/a", "channel": 1.2`, `*channel: got a number, want a text`},
		{"forge", app, `"url": "/a", "forge": "git-hub"`, `*forge: got "git-hub", want "github", "gitea", "gitlab" or "git"; did you mean "github"?`},
		{"asset with a slash", app, `"url": "/a", "asset": "a/b"`, `*asset: got "a/b", want a file's name *`},
		{"asset with a placeholder", app, `"url": "/a", "asset": "a_{cpu}"`, `*asset: got "a_{cpu}", want no placeholders but {os}, {arch}, {version} and {tag}`},
		{"asset of git", app, `"url": "/a", "asset": "a", "forge": "git"`, `*asset: got one where "forge" is "git"*`},
		{"keep a text", app, `"url": "/a", "keep": "data"`, `*keep: got a text, want a list of texts, such as *`},
		{"keep empty", app, `"url": "/a", "keep": []`, `*keep: got an empty list, want *`},
		{"keep absolute", app, "\"url\": \"/a\", \"keep\": [\"a\",\n\"/data\"]", `moult.json:3: modules.app.keep[1]: *absolute*`},
		{"keep a broken pattern", app, `"url": "/a", "keep": ["a["]`, `*keep[0]: *each [ closed by ]*`},
		{"run a text", app, `"url": "/a", "run": "python3 main/app.py"`, `*run: got a text, want a list of texts, such as ["python3", "main/app.py"]`},
		{"run with a line break", app, `"url": "/a", "run": ["echo", "a\nb"]`, `*run[1]: got a text with a control character or line break, want one line`},
		{"run with half a character", app, `"url": "/a", "run": ["echo", "\ud800"]`, `*run[1]: got a text with a control character*`},
		{"run with a number", app, `"url": "/a", "run": ["sleep", 7]`, `*run[1]: got a number, want a text`},
		{"run an object", app, `"url": "/a", "run": {}`, `*run: got an object, want a list of texts, *`},
		{"unit without its kind", app, `"url": "/a", "unit": "app"`, `*unit: got "app", want a systemd unit with its kind, such as irrigation.service`},
		{"unit an option", app, `"url": "/a", "unit": "--force.service"`, `*unit: got *`},
		{"confirm a text", app, `"url": "/a", "confirm": "yes"`, `*confirm: got a text, want true or false`},
		{"no start in a trial", app, `"url": "/a", "trial": {"starts": 0}`, `*trial.starts: got 0, want a whole number from 1 to 2147483647`},
		{"health a text", app, `"url": "/a", "health": "http://x"`, `*health: got a text, want an object`},
		{"health of nothing", app, `"url": "/a", "health": {"within": "5s"}`, `*health: got neither "command" nor "http", want *`},
		{"health of another scheme", app, `"url": "/a", "health": {"http": "ftp://x"}`, `*health.http: got "ftp://x", want a URL *`},
		{"health with a password", app, `"url": "/a", "health": {"http": "http://u:hunter2@x"}`, `*health.http: got "http://(hidden)@x", want a URL without user or password*`},
		{"health within a number", app, `"url": "/a", "health": {"command": ["x"], "within": 60}`, `*health.within: got a number, want a time such as "60s", "15m" or "12h"`},
		{"files of a fraction", app, `"url": "/a", "limits": {"files": 1.5}`, `*limits.files: got 1.5, want a whole number from 1 to *`},
		{"files below one", app, `"url": "/a", "limits": {"files": 0}`, `*limits.files: got 0, want *`},
		{"files a text", app, `"url": "/a", "limits": {"files": "10"}`, `*limits.files: got a text, want *`},
		{"size negative", app, `"url": "/a", "limits": {"size": -1}`, `*limits.size: got -1, want *`},
		{"size without a unit", app, `"url": "/a", "limits": {"size": "10"}`, `*limits.size: got "10", want a number of bytes, or a text such as *`},
		{"size of an unknown unit", app, `"url": "/a", "limits": {"size": "10TB"}`, `*limits.size: got "10TB", want *`},
		{"size beyond all disks", app, `"url": "/a", "limits": {"size": "99999999GB"}`, `*limits.size: got "99999999GB", want 1 to *`},
		{"size a list", app, `"url": "/a", "limits": {"size": []}`, `*limits.size: got a list, want *`},
		// Secrets.
		{"secret a number", app, `"url": "/a", "token": 12345678`, `*token: got a number, want a text, {"file": path} or {"env": name}`},
		{"secret of nothing", app, `"url": "/a", "token": {}`, `*token: got an object without "file" or "env", want *`},
		{"secret of both", app, `"url": "/a", "token": {"env": "A", "file": "/b"}`, `*token: got both "file" and "env", want one of them`},
		{"secret of another key", app, `"url": "/a", "token": {"fil": "/b"}`, `*token.fil: got an unknown key, want "env" or "file"; did you mean "file"?`},
		{"secret's file missing", app, `"url": "/a", "token": {"file": "/run/none"}`, `moult.json:2: modules.app.token.file: got "/run/none", which cannot be read: open: file does not exist`},
		{"secret's file of the device missing", app, `"url": "/a", "token": {"file": "config/none"}`, `*token.file: got "config/none", which cannot be read: *`},
		{"secret's file leaves", app, `"url": "/a", "token": {"file": "../token"}`, `*token.file: got "../token", want an absolute path, or *`},
		{"secret's file empty", app, `"url": "/a", "token": {"file": "/run/empty"}`, `*token.file: got "/run/empty", which is empty, want *`},
		{"secret's file of two lines", app, `"url": "/a", "token": {"file": "/run/lines"}`, `*token: got a secret with a control character or line break at byte 7, want one line`},
		{"secret's file large", app, `"url": "/a", "token": {"file": "/run/large"}`, `*token.file: got "/run/large", which cannot be read: *more than 65536 bytes`},
		{"secret's file a number", app, `"url": "/a", "token": {"file": 1}`, `*token.file: got a number, want a text`},
		{"secret's variable missing", app, `"url": "/a", "token": {"env": "NONE"}`, `*token.env: got "NONE", a variable that is not set*`},
		{"secret's variable empty", app, `"url": "/a", "token": {"env": "EMPTY"}`, `*token.env: got "EMPTY", a variable that is empty*`},
		{"secret in the variable's place", app, `"url": "/a", "token": {"env": "hunter2!"}`, `*token.env: got what is no variable's name, want *`},
		{"password in the directory's place", app, `"url": "/a", "dir": "https://u:hunter2@x/y"`, `*dir: got "https://(hidden)@x/y", want a directory *`},
		{"password in the channel's place", app, `"url": "/a", "channel": "https://u:hunter2@x/y"`, `*channel: got "https://(hidden)@x/y", which does not belong here`},
		{"password in a pattern's place", app, `"url": "/a", "keep": ["https://u:hunter2@x/y"]`, `*keep[0]: got "https://(hidden)@x/y", which does not belong here`},
		// The rest.
		{"device", top, `{"device": "my device"}`, `*device: got the name "my device", want letters, digits *`},
		{"device empty", top, `{"device": ""}`, `*device: got an empty text`},
		{"wifi a text", top, `{"wifi": "hunter2"}`, `*wifi: got a text, want a list such as *`},
		{"wifi without a name", top, "{\"wifi\": [{\"ssid\": \"a\"},\n{\"password\": \"hunter2\"}]}", `moult.json:2: wifi[1].ssid: got none, want *`},
		{"wifi with a long name", top, `{"wifi": {"ssid": "123456789012345678901234567890123"}}`, `*wifi.ssid: got a name of 33 bytes, want at most 32`},
		{"wifi with an antenna that is none", top, `{"wifi": {"ssid": "a", "antenna": 2}}`, `*wifi.antenna: got 2, want 0 or 1`},
		{"wifi with a wrong key", top, `{"wifi": {"ssid": "a", "pasword": "hunter2"}}`, `*wifi.pasword: got an unknown key, want "antenna", "password" or "ssid"; did you mean "password"?`},
		{"wifi's password a list", top, `{"wifi": {"ssid": "a", "password": ["hunter2"]}}`, `*wifi.password: got a list, want a text, {"file": path} or *`},
		{"forge's api", top, `{"github": {"api": "api.github.com"}}`, `*github.api: got "api.github.com", want a URL that begins with http://, https://`},
		{"gitea's token", top, `{"gitea": {"token": true}}`, `*gitea.token: got a boolean, want *`},
		{"gitlab's key", top, `{"gitlab": {"tokens": "hunter2"}}`, `*gitlab.tokens: *did you mean "token"?`},
		{"gateway without url", top, `{"gateway": {"key": "hunter2"}}`, `*gateway.url: got none, want a URL such as http://gateway.local:8080`},
		{"gateway's url", top, `{"gateway": {"url": "mqtt://x"}}`, `*gateway.url: got "mqtt://x", want a URL that begins with http://, https://`},
		{"repository without url", top, `{"repository": {}}`, `*repository.url: got none, want a URL such as *`},
		{"repository's url", top, `{"repository": {"url": "ssh://x/y"}}`, `*repository.url: got "ssh://x/y", want a URL that begins with http://, https://, file://`},
		{"led of a path", top, `{"leds": {"yellow": "/sys/class/leds/ACT"}}`, `*leds.yellow: got "/sys/class/leds/ACT", want "gpiochip0/18", *`},
		{"led of no line", top, `{"leds": {"green": "gpiochip0/x"}}`, `*leds.green: got "gpiochip0/x", want *`},
		{"led of a negative pin", top, `{"leds": {"green": -1}}`, `*leds.green: got -1, want *`},
		{"led true", top, `{"leds": {"green": true}}`, `*leds.green: got a boolean, want *`},
		{"mqtt without url", top, `{"mqtt": {"topic": "a"}}`, `*mqtt.url: got none, want a URL such as mqtt://broker:1883`},
		{"mqtt's scheme", top, `{"mqtt": {"url": "http://u:hunter2@broker"}}`, `*mqtt.url: got "http://(hidden)@broker", want one that begins with mqtt://, mqtts://, ws:// or wss://`},
		{"mqtt's url broken", top, `{"mqtt": {"url": "mqtt://u:hunter2?@broker"}}`, `*mqtt.url: got what is no broker's URL, want *`},
		{"mqtt's url without a host", top, `{"mqtt": {"url": "hunter2"}}`, `*mqtt.url: got what is no broker's URL, want *`},
		{"mqtt's topic", top, `{"mqtt": {"url": "mqtt://b", "topic": "a/#"}}`, `*mqtt.topic: got "a/#", want a topic *`},
		{"mqtt's key alone", top, `{"mqtt": {"url": "mqtt://b", "key": "/k"}}`, `*mqtt: got only one of "cert" and "key", want both or none`},
		{"check on", top, `{"check": {"on": "power"}}`, `*check.on: got "power", want "power-on" or "start"*`},
		{"check every nothing", top, `{"check": {"every": "0s"}}`, `*check.every: got "0s", want a time such as *`},
		{"check every negative", top, `{"check": {"every": "-5m"}}`, `*check.every: got "-5m", want *`},
		{"check every without a unit", top, `{"check": {"every": "15"}}`, `*check.every: got "15", want *`},
		{"window", top, `{"check": {"window": "02:00"}}`, `*check.window: got "02:00", want two times of day such as "02:00-04:00"`},
		{"window of nothing", top, `{"check": {"window": "02:00-02:00"}}`, `*check.window: got *`},
		{"window of no time", top, `{"check": {"window": "02:00-24:00"}}`, `*check.window: got *`},
		{"restart", top, `{"check": {"restart": "3 am"}}`, `*check.restart: got "3 am", want a time of day from "00:00" to "23:59"`},
		{"timezone", top, `{"timezone": "America/Sao_Paolo"}`, `*timezone: got "America/Sao_Paolo", want a name of the time zone database *tzdata*`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text
			if tt.in == app {
				text = "{\"modules\": {\"app\": {\n" + tt.text + "}}}"
			}
			problems := refused(t, device(map[string]string{moultJSON: text}))
			if len(problems) != 1 {
				t.Errorf("got %d problems, want one:\n%v", len(problems), problems)
			}
			if !like(strings.Replace(tt.want, "moult.json", moultJSON, 1), problems[0].Error()) {
				t.Errorf("got  %s\nwant %s", problems[0], tt.want)
			}
			if strings.Contains(problems.Error(), "hunter2") {
				t.Errorf("the secret shows: %v", problems)
			}
		})
	}
}

// like matches a text with * for any text.
func like(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `$`).MatchString(text)
}

func TestLoadRefusesEarlier(t *testing.T) {
	const good = `{"gitrepo": {"url": "/a"}}`
	tests := []struct{ name, file, text, want string }{
		{"A: no object", "config/a_gitrepo_cfg.json", `[]`, `config/a_gitrepo_cfg.json:1: got a list, want an object`},
		{"A: no gitrepo", "config/a_gitrepo_cfg.json", `{}`, `config/a_gitrepo_cfg.json:1: gitrepo: got none, want an object such as *`},
		{"A: no url", "config/a_gitrepo_cfg.json", "{\n\"gitrepo\": {}}", `config/a_gitrepo_cfg.json:2: gitrepo.url: got none, want a repository's URL *`},
		{"A: wrong type", "config/a_gitrepo_cfg.json", `{"gitrepo": {"url": 1}}`, `config/a_gitrepo_cfg.json:1: gitrepo.url: got a number, want a text`},
		{"A: name", "config/a b_gitrepo_cfg.json", good, `config/a b_gitrepo_cfg.json:1: the file's name: got the name "a b", want *`},
		{"A: name config", "config/config_gitrepo_cfg.json", good, `config/config_gitrepo_cfg.json:1: the file's name: got "config", *`},
		{"A: wifi a text", "config/wifi_cfg.json", `{"wifi": "x"}`, `config/wifi_cfg.json:1: wifi: got a text, want *`},
		{"A: password a number", "config/wifi_cfg.json", `{"wifi": {"ssid": "x", "password": 12345678}}`, `config/wifi_cfg.json:1: wifi.password: got a number, want *`},
		{"A: unknown kind of secret", "config/wifi_cfg.json", `{"wifi": {"ssid": "x", "password": {"vault": "x"}}}`, `config/wifi_cfg.json:1: wifi.password: got an object without *`},
		{"B: network a list", "conf.json", `{"network": [], "git": {"url": "/a"}}`, `conf.json:1: network: got a list, want an object`},
		{"B: no url", "conf.json", `{"git": {"dir": "main"}}`, `conf.json:1: git.url: got none, want a repository's URL such as *`},
		{"B: dir is the root", "conf.json", `{"git": {"url": "/a", "dir": "."}}`, `conf.json:1: git.dir: got ".", want a directory such as "main": it is renamed *`},
		{"B: dir empty", "conf.json", `{"git": {"url": "/a", "dir": ""}}`, `conf.json:1: git.dir: got "", want *`},
		{"B: dir leaves", "conf.json", `{"git": {"url": "/a", "dir": "a/../../b"}}`, `conf.json:1: git.dir: got "a/../../b", want *`},
		{"B: dir is a slot", "conf.json", `{"git": {"url": "/a", "dir": "prev"}}`, `conf.json:1: git.dir: got "prev", which the device itself uses*`},
		{"B: no name", "conf.json", `{"git": {"url": "https://github.com/owner/a%20b"}}`, `conf.json:1: git.url: the last part names the module: got the name "a b", want *`},
		{"B: key twice", "conf.json", "{\"git\": {\"url\": \"/a\"},\n\"git\": {\"url\": \"/b\"}}", `conf.json:2: git: got the key again, *`},
		{"B: the same module as A", "conf.json", `{"git": {"url": "/x"}}`, `conf.json:1: git: got the module "x", which config/x_gitrepo_cfg.json has too, want it in one of them, or in config/moult.json`},
		{"B: a slot is A's module", "conf.json", `{"git": {"url": "/b", "dir": "x"}}`, `config/x_gitrepo_cfg.json:1: gitrepo: got the name "x", which is a directory of the module "b" at the device's root, want another`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			problems := refused(t, device(map[string]string{"config/x_gitrepo_cfg.json": good, tt.file: tt.text}))
			if len(problems) != 1 {
				t.Errorf("got %d problems, want one:\n%v", len(problems), problems)
			}
			if !like(tt.want, problems[0].Error()) {
				t.Errorf("got  %s\nwant %s", problems[0], tt.want)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	problems := refused(t, device(map[string]string{
		"conf.json":                 `{"git": {"url": 1}}`,
		"config/b_gitrepo_cfg.json": `{`,
		"config/a_gitrepo_cfg.json": `{"gitrepo": 1}`,
		moultJSON: `{"timezone": 1,
 "modules": {"app": {"url": "/a", "run": "x", "dir": 1}, "b": {"url": "/b", "unit": 1, "keep": ["/a", "b", "[", 3]}},
 "device": 1}`,
	}))
	want := []string{
		"conf.json:1: git.url: ",
		"config/a_gitrepo_cfg.json:1: gitrepo: ",
		"config/b_gitrepo_cfg.json:1: got the file's end",
		"config/moult.json:1: timezone: ",
		"config/moult.json:2: modules.app.dir: ",
		"config/moult.json:2: modules.app.run: ",
		"config/moult.json:2: modules.b.keep[0]: ",
		"config/moult.json:2: modules.b.keep[2]: ",
		"config/moult.json:2: modules.b.keep[3]: ",
		"config/moult.json:2: modules.b.unit: ",
		"config/moult.json:3: device: ",
	}
	for i, line := range strings.Split(problems.Error(), "\n") {
		if i >= len(want) || !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d: got %s", i, line)
		}
	}
	if len(problems) != len(want) {
		t.Errorf("got %d problems, want %d", len(problems), len(want))
	}
	var one config.Problem
	if !errors.As(error(problems), &one) || one.File != "conf.json" || one.Line != 1 || one.Key != "git.url" {
		t.Errorf("errors.As gives %+v", one)
	}
}

// brokenFS gives an error other than fs.ErrNotExist for a name.
type brokenFS struct {
	fs.FS
	name string
}

func (b brokenFS) Open(name string) (fs.File, error) {
	if name == b.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return b.FS.Open(name)
}

func TestLoadRefusesUnreadable(t *testing.T) {
	root := fstest.MapFS{moultJSON: {Data: []byte(`{"modules": {"app": {"url": "/a"}}}`)}, "conf.json/x": {}}
	for _, name := range []string{moultJSON, "config"} {
		problems := refused(t, brokenFS{root, name})
		if !strings.Contains(problems.Error(), fmt.Sprintf("%s: open: permission denied", name)) {
			t.Errorf("%s: got %v", name, problems)
		}
	}
	if problems := refused(t, root); len(problems) != 1 || problems[0].File != "conf.json" {
		t.Errorf("a directory for a file: got %v", problems)
	}
}
