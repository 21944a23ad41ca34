package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// loader is one Load.
type loader struct {
	root     fs.FS
	opt      Options
	config   *Config
	modules  []placed
	wifi     bool // moult.json tells of Wi-Fi
	knows    bool // moult.json tells of a gateway or signed repository, which may know a module's source
	problems Problems
}

// read opens and parses a file below the root; it reports false where there is none, or none that can be read.
func (l *loader) read(name string, strict bool) (node, bool) {
	data, err := readBounded(l.root, name, MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return node{}, false
	}
	l.config.Files = append(l.config.Files, name)
	f := &file{loader: l, name: name, strict: strict}
	if err != nil {
		f.add(Problem{Message: cause(err).Error()})
		return node{}, false
	}
	return f.parse(data)
}

func readBounded(root fs.FS, name string, most int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = tooLarge(most)
	}
	return data, err
}

func tooLarge(most int64) error { return fmt.Errorf("got a file of more than %d bytes", most) }

// cause leaves out of a file's error the path, which the message has already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return err
}

// own reads moult.json.
func (l *loader) own() {
	top, ok := l.read(File, true)
	if !ok {
		return
	}
	c := l.config
	top.object(keys{
		"device":     func(v node) { c.Device = v.checked(CheckDevice) },
		"kind":       func(v node) { c.Kind = v.checked(checkKind) },
		"modules":    func(v node) { v.members(func(name string, m node) { m.module(name) }) },
		"wifi":       func(v node) { l.wifi, c.WiFi = true, v.wifi() },
		"github":     func(v node) { c.GitHub = v.forge() },
		"gitea":      func(v node) { c.Gitea = v.forge() },
		"gitlab":     func(v node) { c.GitLab = v.forge() },
		"gateway":    func(v node) { l.knows, c.Gateway = true, v.gateway() },
		"repository": func(v node) { l.knows, c.Repository = true, v.repository() },
		"leds":       func(v node) { c.LEDs = v.leds() },
		"mqtt":       func(v node) { c.MQTT = v.mqtt() },
		"check":      func(v node) { c.Check = v.check() },
		"timezone":   func(v node) { c.Timezone = v.timezone() },
	})
}

// together checks what only shows between the modules.
func (l *loader) together() {
	var root *placed
	for i := range l.modules {
		m := &l.modules[i]
		if !m.Root {
			continue
		}
		if root != nil {
			m.at.at("root").wrong("got a second module at the device's root, want one; %s is there already", shown(root.Name))
			continue
		}
		root = m
	}
	names := map[string]string{}
	for _, m := range l.modules {
		// Where a file system does not tell A from a, two such modules would share a directory.
		lower := strings.ToLower(m.Name)
		if other, taken := names[lower]; taken {
			m.at.wrong("got the name %s, which is as %s to some file systems, want another", shown(m.Name), shown(other))
		}
		names[lower] = m.Name
		if root != nil && !m.Root && root.isSlot(lower) {
			m.at.wrong("got the name %s, which is a directory of the module %s at the device's root, want another", shown(m.Name), shown(root.Name))
		}
		if m.noURL && m.Direct {
			m.at.at("direct").wrong("got true without a url, want both or neither")
		}
		if m.noURL && !l.knows {
			m.at.at("url").wrong(`got none, %s, or a "gateway" or "repository" that knows the module`, wantRepository)
		}
	}
}

// isSlot reports whether a name at the device's root is one of the module's slots, or holds one.
func (m *placed) isSlot(name string) bool {
	first, _, _ := strings.Cut(strings.ToLower(m.Dir), "/")
	return name == "next" || name == "prev" || name == first
}
