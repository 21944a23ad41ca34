package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"moult/release"
)

// Module is a part of the device's software with its own repository.
type Module struct {
	Name    string          // also the directory below the device's root, where Root is not set
	URL     string          // of its repository, without user or password; "" where the gateway or signed repository knows it
	Dir     string          // the directory in the repository, or in the asset, that is installed; "" for the whole of it
	Forge   string          // "github", "gitea", "gitlab", "git"; "" where the URL's host tells
	Asset   string          // the name of the asset to install instead of the repository's tree, with placeholders
	Channel release.Channel // which releases
	Keep    release.Keep    // files that no release replaces
	Run     []string        // the program that the agent starts, and its arguments
	Unit    string          // the systemd unit that is restarted after a switch
	Confirm bool            // the program itself says that a new version is good
	Health  *Health         // or a check tells; may be nil
	Trial   Trial           // how long a new version is on probation
	Token   Secret          // for this repository only; wins over the forge's
	Limits  release.Limits  // fields that are zero are those of release.DefaultLimits
	Root    bool            // system B: the slots stand at the device's root, and the running one is Dir, not main
}

// Health is how a device tells that a new version is good. Each that is set must hold once within the time.
type Health struct {
	Command []string // ends with status 0
	HTTP    string   // answers with status 200 to 299
	Within  time.Duration
}

// Trial bounds a new version's probation. Zero fields are the defaults.
type Trial struct {
	Starts int           // how often its program may be started without being found good; 0: DefaultStarts
	Within time.Duration // how long a start has, to be confirmed or, where nothing judges, to stay up; 0: the health check's time, or DefaultWithin
}

// DefaultStarts is how often the program of a new version may be started, where nothing is configured: one that fails once
// may have met a bad moment.
const DefaultStarts = 3

func (n node) trial() Trial {
	var t Trial
	n.object(keys{
		"starts": func(v node) { t.Starts = v.count() },
		"within": func(v node) { t.Within = v.duration() },
	})
	return t
}

// DefaultWithin is the time that a health check has, where none is configured: enough for a program's start on a small board.
const DefaultWithin = time.Minute

// DefaultDir is the directory in a module's repository that is installed.
const DefaultDir = "main"

// MaxModule is the longest name of a module or device, in bytes.
const MaxModule = release.MaxModule

// CheckModule refuses a name that can be no module's: it is a directory of the device, beside the device's own.
func CheckModule(name string) error {
	if err := CheckDevice(name); err != nil {
		return err
	}
	if lower := strings.ToLower(name); lower == "config" || lower == "conf.json" {
		return fmt.Errorf("got %q, which the device's configuration is called, want another name", name)
	}
	return nil
}

// CheckDevice refuses a name that can be no device's.
func CheckDevice(name string) error {
	switch {
	case !release.IsName(name):
		return fmt.Errorf("got the name %s, want letters, digits and . _ -, the first neither . nor -", shown(name))
	case len(name) > MaxModule:
		return fmt.Errorf("got a name of %d bytes, want at most %d", len(name), MaxModule)
	}
	return nil
}

// checkDir returns a module's directory as release.Want takes it.
func checkDir(dir string, root bool) (string, error) {
	clean := strings.TrimSuffix(dir, "/")
	if clean == "." || dir == "" {
		if root {
			return "", fmt.Errorf("got %q, want a directory such as %q: it is renamed to make place for the next version, which the device's root cannot be",
				dir, DefaultDir)
		}
		return "", nil
	}
	if err := release.CheckPath(clean); err != nil {
		return "", fmt.Errorf("got %s, want a directory such as %q (%s)", shown(dir), DefaultDir, told(err, "path ", clean))
	}
	if first, _, _ := strings.Cut(clean, "/"); root && reserved(first) {
		return "", fmt.Errorf("got %s, which the device itself uses, want another directory", shown(dir))
	}
	return clean, nil
}

// reserved reports whether a name at the device's root belongs to the updater.
func reserved(name string) bool {
	switch strings.ToLower(name) {
	case "next", "prev", "config", "conf.json", ".moult", ".version", ".manifest":
		return true
	}
	return false
}

// told is the text of release's error about a value, without the prefix that the key says already.
// Of what may be a URL with a password it tells no more than [shown] does.
func told(err error, prefix, value string) string {
	if hideUser(value) != value {
		return "got " + shown(value) + ", which does not belong here"
	}
	return strings.TrimPrefix(err.Error(), prefix)
}

// placed is a module with where it was read.
type placed struct {
	Module
	at    node
	noURL bool // none was written, not even a wrong one
}

// module reads a module of moult.json.
func (n node) module(name string) {
	m := placed{Module: Module{Name: name}, at: n, noURL: n.kind() == '{'}
	if err := CheckModule(name); err != nil {
		n.wrong("%v", err)
	}
	var dir *node
	n.object(keys{
		"url":     func(v node) { m.noURL, m.URL = false, v.checked(CheckURL) },
		"dir":     func(v node) { dir = &v },
		"forge":   func(v node) { m.Forge = v.choice("github", "gitea", "gitlab", "git") },
		"asset":   func(v node) { m.Asset = v.checked(checkAsset) },
		"channel": func(v node) { m.Channel = v.channel() },
		"keep":    func(v node) { m.Keep = v.keep() },
		"run":     func(v node) { m.Run = v.texts(`["python3", "main/app.py"]`, anyText) },
		"unit":    func(v node) { m.Unit = v.checked(checkUnit) },
		"confirm": func(v node) { m.Confirm = v.boolean() },
		"health":  func(v node) { m.Health = v.health() },
		"trial":   func(v node) { m.Trial = v.trial() },
		"token":   func(v node) { m.Token = v.secret() },
		"limits":  func(v node) { m.Limits = v.limits() },
		"root":    func(v node) { m.Root = v.boolean() },
	})
	if m.Asset != "" && m.Forge == "git" {
		n.at("asset").wrong(`got one where "forge" is "git", which has none; want another forge, or no asset`)
	}
	switch {
	case dir != nil:
		m.Dir = dir.dir(m.Root)
	case m.Asset == "" || m.Root:
		m.Dir = DefaultDir
	}
	n.modules = append(n.modules, m)
}

func (n node) dir(root bool) string {
	if !n.want('"', "a text") {
		return ""
	}
	dir, err := checkDir(literalText(n.value), root)
	if err != nil {
		n.wrong("%v", err)
	}
	return dir
}

func (n node) channel() release.Channel {
	text := n.oneLine()
	c, err := release.ParseChannel(text)
	if err != nil {
		n.wrong("%s%s", told(err, "channel: ", text), didYouMean(text, []string{"stable", "beta"}))
	}
	return c
}

func (n node) keep() release.Keep {
	return n.texts(`["secrets.py", "data/**"]`, func(text string) error {
		if _, err := release.ParseKeep([]string{text}); err != nil {
			return errors.New(told(err, "keep: ", text))
		}
		return nil
	})
}

func (n node) health() *Health {
	h := &Health{Within: DefaultWithin}
	var command, http bool
	n.object(keys{
		"command": func(v node) { command, h.Command = true, v.texts(`["./check", "--quick"]`, anyText) },
		"http":    func(v node) { http, h.HTTP = true, v.checked(checkProbe) },
		"within":  func(v node) { h.Within = v.duration() },
	})
	if n.kind() == '{' && !command && !http {
		n.wrong(`got neither "command" nor "http", want one of them, or no "health"`)
	}
	return h
}

// checkAsset refuses a name with unknown placeholders, and one that is no file's.
func checkAsset(text string) error {
	if strings.ContainsAny(text, `/\`) {
		return fmt.Errorf("got %s, want a file's name without slashes, such as app_{os}_{arch}.tar.gz", shown(text))
	}
	_, err := release.Platform{OS: "linux", Arch: "arm", Arm: "7"}.AssetName(text, release.MustVersion("1"))
	if err != nil {
		return fmt.Errorf("got %s, want no placeholders but {os}, {arch}, {version} and {tag}", shown(text))
	}
	return nil
}

// unitName is one that systemd takes and systemctl takes for no option.
var unitName = regexp.MustCompile(`^[A-Za-z0-9:_][A-Za-z0-9:_.\\@-]*\.(service|target|socket|timer|path)$`)

func checkUnit(text string) error {
	if !unitName.MatchString(text) || len(text) > release.MaxName {
		return fmt.Errorf("got %s, want a systemd unit with its kind, such as irrigation.service", shown(text))
	}
	return nil
}
