package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Network is a Wi-Fi network that the device may join.
type Network struct {
	SSID     string
	Password Secret // empty for an open network
}

// Forge is how the device speaks to a kind of forge.
type Forge struct {
	Token Secret // only where a repository is private, or the address has used up its budget of requests
	API   string // where a forge of one's own is; "" for the public one, or for the repository's host
}

// Gateway is the server that knows the fleet.
type Gateway struct {
	URL string // "" where there is none
	Key Secret // the device's own, by which both sides sign
}

// Repository is the signed repository that the device reads.
type Repository struct {
	URL string // "" where there is none
}

// LEDs are the lights that tell what happens, as they were written: "gpiochip0/18", the name of an LED class device,
// or a board's pin. "" for none.
type LEDs struct {
	Yellow, Green string
}

// MQTT is the broker that hears what happens, and through which the device hears commands.
type MQTT struct {
	URL           SecretURL // may hold user and password; zero where there is none
	Topic         string    // "" for moult/ and the device's name
	CA, Cert, Key string    // files of PEM: whom to trust, and who the device is; "" for the system's, and none
}

// wifi reads a list of networks, or one.
func (n node) wifi() []Network {
	switch n.kind() {
	case '[':
		var all []Network
		n.elements(func(v node) { all = append(all, v.network()) })
		return all
	case '{':
		return []Network{n.network()}
	}
	n.wrong(`got %s, want a list such as [{"ssid": "…", "password": "…"}]`, n.what())
	return nil
}

func (n node) network() Network {
	const longest = 32 // IEEE 802.11, 9.4.2.2
	var w Network
	named := false
	n.object(keys{
		"ssid": func(v node) {
			named = true
			if w.SSID = v.oneLine(); len(w.SSID) > longest {
				v.wrong("got a name of %d bytes, want at most %d", len(w.SSID), longest)
			}
		},
		"password": func(v node) { w.Password = v.secret() },
		"antenna": func(v node) { // for boards: a Linux device has no such choice
			if text := v.number(); text != "0" && text != "1" {
				v.wrong("got %s, want 0 or 1", v.shownNumber())
			}
		},
	})
	if !named && n.kind() == '{' {
		n.at("ssid").wrong("got none, want the network's name")
	}
	return w
}

func (n node) forge() Forge {
	var f Forge
	n.object(keys{
		"token": func(v node) { f.Token = v.secret() },
		"api":   func(v node) { f.API = v.checked(checkServer) },
	})
	return f
}

func (n node) gateway() Gateway {
	var g Gateway
	n.needs("url", "want a URL such as http://gateway.local:8080", keys{
		"url": func(v node) { g.URL = v.checked(checkServer) },
		"key": func(v node) { g.Key = v.secret() },
	})
	return g
}

func (n node) repository() Repository {
	var r Repository
	n.needs("url", "want a URL such as https://owner.github.io/updates", keys{
		"url": func(v node) { r.URL = v.checked(checkStore) },
	})
	return r
}

// needs reads an object that is of no use without one of its keys.
func (n node) needs(name, want string, known keys) {
	found := false
	read := known[name]
	known[name] = func(v node) { found = true; read(v) }
	n.object(known)
	if !found && n.kind() == '{' {
		n.at(name).wrong("got none, %s", want)
	}
}

func (n node) leds() LEDs {
	var l LEDs
	n.object(keys{
		"yellow": func(v node) { l.Yellow = v.led() },
		"green":  func(v node) { l.Green = v.led() },
	})
	return l
}

var (
	ledPin  = regexp.MustCompile(`^[0-9]{1,4}$`)
	ledName = regexp.MustCompile(`^(gpiochip[0-9]{1,4}/[0-9]{1,4}|[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63})$`)
)

func (n node) led() string {
	const want = `want "gpiochip0/18", the name of a device in /sys/class/leds, or a pin's number`
	if text := n.number(); text != "" {
		if !ledPin.MatchString(text) {
			n.wrong("got %s, %s", shorten(text), want)
			return ""
		}
		return text
	}
	if n.kind() != '"' {
		n.wrong("got %s, %s", n.what(), want)
		return ""
	}
	return n.checked(func(text string) error {
		if !ledName.MatchString(text) {
			return fmt.Errorf("got %s, %s", shown(text), want)
		}
		return nil
	})
}

func (n node) mqtt() MQTT {
	var m MQTT
	var cert, key bool
	n.needs("url", "want a URL such as mqtt://broker:1883", keys{
		"url":   func(v node) { m.URL = v.broker() },
		"topic": func(v node) { m.Topic = v.checked(checkTopic) },
		"ca":    func(v node) { m.CA = v.oneLine() },
		"cert":  func(v node) { cert, m.Cert = true, v.oneLine() },
		"key":   func(v node) { key, m.Key = true, v.oneLine() },
	})
	if cert != key {
		n.wrong(`got only one of "cert" and "key", want both or none`)
	}
	return m
}

// broker reads the URL of an MQTT broker, which may be a secret as a whole.
func (n node) broker() SecretURL {
	const want = "want a URL such as mqtt://user:password@broker:1883"
	text := n.secret().Reveal()
	if text == "" {
		if n.kind() == '"' && literalText(n.value) == "" {
			n.wrong("got an empty text, %s", want)
		}
		return SecretURL{} // recorded
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		n.wrong("got what is no broker's URL, %s", want) // nothing of it is shown: where it is broken, none can tell what is its password
	case u.Scheme != "mqtt" && u.Scheme != "mqtts" && u.Scheme != "ws" && u.Scheme != "wss":
		n.wrong("got %s, want one that begins with mqtt://, mqtts://, ws:// or wss://", shown(text))
	default:
		return NewSecretURL(text)
	}
	return SecretURL{}
}

// checkTopic refuses a topic that cannot be published to: MQTT 3.1.1, 4.7.
func checkTopic(text string) error {
	if strings.ContainsAny(text, "+#") || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "$") || strings.HasSuffix(text, "/") {
		return fmt.Errorf("got %s, want a topic such as moult/greenhouse-1, without + and #, $ or a slash at its beginning or end", shown(text))
	}
	const longest = 1024 // MQTT's is 65,535; what stands after it needs room, and no broker likes long ones
	if len(text) > longest {
		return fmt.Errorf("got a topic of %d bytes, want at most %d", len(text), longest)
	}
	return nil
}
