package config

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// Where the earlier systems keep their configuration.
const (
	fileA     = "_gitrepo_cfg.json" // after the module's name, in config/
	fileAWiFi = "config/wifi_cfg.json"
	fileB     = "conf.json"
)

// systemA reads {"gitrepo": {"url"}} of each module, and {"wifi": {"ssid", "password"}}.
func (l *loader) systemA() {
	entries, err := fs.ReadDir(l.root, "config")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.problems = append(l.problems, Problem{File: "config", Message: cause(err).Error()})
	}
	for _, entry := range entries { // sorted by name
		name, found := strings.CutSuffix(entry.Name(), fileA)
		if !found {
			continue
		}
		if top, ok := l.read("config/"+entry.Name(), false); ok {
			top.moduleA(name)
		}
	}
	if top, ok := l.read(fileAWiFi, false); ok {
		top.object(keys{"wifi": func(v node) { l.addWiFi(v.wifi()) }})
	}
}

func (n node) moduleA(name string) {
	m := placed{Module: Module{Name: name, Dir: DefaultDir}, at: n}
	if err := CheckModule(name); err != nil {
		n.wrong("the file's name: %v", err)
	}
	n.needs("gitrepo", `want an object such as {"url": "https://github.com/owner/name"}`, keys{
		"gitrepo": func(v node) {
			m.at = v
			m.noURL = v.kind() == '{'
			v.object(keys{"url": func(v node) { m.noURL, m.URL = false, v.checked(CheckURL) }})
		},
	})
	n.addEarlier(m)
}

// systemB reads {"network": {"ssid", "password"}, "git": {"url", "dir"}}: one module, at the device's root.
func (l *loader) systemB() {
	top, ok := l.read(fileB, false)
	if !ok {
		return
	}
	top.object(keys{
		"network": func(v node) { l.addWiFi([]Network{v.network()}) },
		"git":     func(v node) { v.moduleB() },
	})
}

func (n node) moduleB() {
	m := placed{Module: Module{Dir: DefaultDir, Root: true}, at: n}
	n.needs("url", wantRepository, keys{
		"url": func(v node) {
			if m.URL = v.checked(CheckURL); m.URL == "" {
				return
			}
			m.Name, _ = nameOf(m.URL) // checked
			if err := CheckModule(m.Name); err != nil {
				v.wrong("the last part names the module: %v", err)
			}
		},
		"dir": func(v node) { m.Dir = v.dir(true) },
	})
	if m.Name != "" {
		n.addEarlier(m)
	}
}

// addEarlier adds a module of an earlier system's file, where no stronger file has one of its name.
func (l *loader) addEarlier(m placed) {
	taken := slices.IndexFunc(l.modules, func(p placed) bool { return p.Name == m.Name })
	switch {
	case taken < 0:
		l.modules = append(l.modules, m)
	case l.modules[taken].at.name != File:
		m.at.wrong("got the module %s, which %s has too, want it in one of them, or in %s", shown(m.Name), l.modules[taken].at.name, File)
	}
}

func (l *loader) addWiFi(networks []Network) {
	if !l.wifi {
		l.config.WiFi = append(l.config.WiFi, networks...)
	}
}
