// Package config reads a device's configuration: moult.json, and the files that two earlier updaters left on their devices.
// It stands on release and fault.
//
// What is wrong is refused as a whole, with all problems at once: a device must not run on half of what was meant.
// In moult.json an unknown key is a problem; in the earlier systems' files it is passed over, as they were written for
// other programs, which had more of them. No message and no way to print a [Config] shows a secret.
package config

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"moult/fault"
)

// Config is what a device was told.
type Config struct {
	Device     string   // its name; "" where none is configured
	Kind       string   // of device, for releases that are not for all; "" where none is configured
	Modules    []Module // at least one: moult.json's in its order, then system A's by name, then system B's
	WiFi       []Network
	GitHub     Forge
	Gitea      Forge
	GitLab     Forge
	Gateway    Gateway
	Repository Repository
	LEDs       LEDs
	MQTT       MQTT
	Check      Check
	Timezone   *time.Location // nil for the system's
	Files      []string       // that it was read from, the strongest first
	Outside    []string       // files with secrets beyond the device's directory that it was read from, absolute
}

// Options are the ways out of the device's directory. A nil one is the system's own.
type Options struct {
	LookupEnv func(name string) (string, bool)  // for {"env": NAME}; nil for os.LookupEnv
	ReadFile  func(path string) ([]byte, error) // for {"file": path} with an absolute path; nil for os.ReadFile
}

// MaxFile is the largest configuration file that is read, in bytes.
const MaxFile = 1 << 20

// File is the configuration file that wins over the others.
const File = "config/moult.json"

// ErrNoModules means that no file configures a module, as where there is no file at all.
var ErrNoModules = errors.New("got no module to update, in this file or an earlier system's; want one")

// smallest is the hint for who has no configuration yet.
const smallest = `the smallest config/moult.json is {"modules": {"app": {"url": "https://github.com/owner/app"}}}`

// Load reads the configuration below root, a device's directory. Files that do not exist are passed over.
// Where moult.json and an earlier system's file speak of the same thing, moult.json wins, key by key:
// its wifi replaces theirs, its module theirs of the same name, and their other modules stay.
//
// A refused configuration is nil with an error that is [Problems], all of them.
func Load(root fs.FS, opt Options) (*Config, error) {
	if opt.LookupEnv == nil {
		opt.LookupEnv = os.LookupEnv
	}
	if opt.ReadFile == nil {
		opt.ReadFile = os.ReadFile
	}
	l := &loader{root: root, opt: opt, config: &Config{Check: Check{On: OnStart}}}
	l.own()
	l.systemA()
	l.systemB()
	l.together()
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	if len(l.modules) == 0 {
		return nil, fault.Hint(Problems{{File: File, Key: "modules", Message: ErrNoModules.Error(), err: ErrNoModules}}, smallest)
	}
	for _, m := range l.modules {
		l.config.Modules = append(l.config.Modules, m.Module)
	}
	return l.config, nil
}

// Single returns the configuration of one module that no file tells of. An empty dir is the whole repository,
// an empty name the last part of the URL. It is checked as a file's would be, and the error is [Problems] without a file.
func Single(url, dir, name string) (*Config, error) {
	var problems Problems
	check := func(key string, err error) {
		if err != nil {
			problems = append(problems, Problem{Key: key, Message: err.Error()})
		}
	}
	last, err := nameOf(url)
	check("url", err)
	if name == "" {
		name = last
	}
	if name != "" || err == nil {
		check("name", CheckModule(name))
	}
	dir, err = checkDir(dir, false)
	check("dir", err)
	if err := problems.err(); err != nil {
		return nil, err
	}
	return &Config{Modules: []Module{{Name: name, URL: url, Dir: dir}}, Check: Check{On: OnStart}}, nil
}
