package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"moult/agent/mqtt"
	"moult/agent/mqtt/brokertest"
)

// documented is what Home Assistant's pages say of the messages: for each kind of map its keys.
type documented map[string]map[string]struct {
	Type     string
	Of       string // the kind of what is in it
	Required bool
	Null     bool
	Longest  int // characters
	From, To float64
}

func readDocumented(t *testing.T) documented {
	t.Helper()
	data, err := os.ReadFile("testdata/homeassistant.json")
	must(t, err)
	var file map[string]json.RawMessage
	must(t, json.Unmarshal(data, &file))
	delete(file, "pages")
	d := documented{}
	for kind, keys := range file {
		into := d[kind]
		must(t, json.Unmarshal(keys, &into))
		d[kind] = into
	}
	if len(d["config"]) < 20 || len(d["state"]) != 8 {
		t.Fatalf("got %d and %d keys, want what the pages have", len(d["config"]), len(d["state"]))
	}
	return d
}

// check lists what is wrong with a map of a kind. Keys that the pages do not have are wrong: of a state's, Home Assistant
// drops the whole message.
func (d documented) check(kind string, value map[string]any) (wrong []string) {
	for key, v := range value {
		rule, known := d[kind][key]
		bad := func(want string) { wrong = append(wrong, fmt.Sprintf("%s.%s: got %v, want %s", kind, key, v, want)) }
		if !known {
			bad("no such key")
			continue
		}
		if v == nil && rule.Null {
			continue
		}
		switch rule.Type {
		case "string":
			if s, ok := v.(string); !ok || rule.Longest > 0 && utf8.RuneCountInString(s) > rule.Longest {
				bad("a text")
			}
		case "url":
			s, _ := v.(string)
			if u, err := url.Parse(s); err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "http") {
				bad("a URL")
			}
		case "boolean":
			if _, ok := v.(bool); !ok {
				bad("true or false")
			}
		case "integer", "number":
			n, ok := v.(float64)
			if !ok || rule.Type == "integer" && n != math.Trunc(n) || rule.To > 0 && (n < rule.From || n > rule.To) {
				bad("a number")
			}
		case "list":
			l, ok := v.([]any)
			if !ok {
				bad("a list")
			}
			for _, element := range l {
				if m, ok := element.(map[string]any); rule.Of != "" && !ok {
					bad("maps in it")
				} else if rule.Of != "" {
					wrong = append(wrong, d.check(rule.Of, m)...)
				}
			}
		case "map":
			if m, ok := v.(map[string]any); !ok {
				bad("a map")
			} else {
				wrong = append(wrong, d.check(rule.Of, m)...)
			}
		default:
			bad("a rule that this test knows, not " + rule.Type)
		}
	}
	for key, rule := range d[kind] {
		if _, there := value[key]; rule.Required && !there {
			wrong = append(wrong, fmt.Sprintf("%s.%s is missing", kind, key))
		}
	}
	return wrong
}

func decodeMap(t *testing.T, payload string) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(payload), &m); err != nil {
		t.Fatalf("%q: %v", payload, err)
	}
	return m
}

func atHome(j mqtt.Memory, did *done) func(*mqtt.Options) {
	return func(opt *mqtt.Options) {
		opt.Commands = did.handle
		opt.Home = &mqtt.Home{Device: "greenhouse-1", Name: "Greenhouse", Version: "1.2.3", Memory: j}
	}
}

const (
	configTopic = "homeassistant/update/greenhouse-1_irrigation/config"
	stateTopic  = topic + "/update/irrigation"
)

// TestHomeAssistant holds what is sent against Home Assistant's pages, and goes round as it does: from the discovery to the state,
// and to the command that its button sends.
func TestHomeAssistant(t *testing.T) {
	doc := readDocumented(t)
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	did := &done{}
	j := newJournal(t)
	d := run(t, "mqtt://"+b.Host, j, atHome(j, did))
	tests := []struct {
		name   string
		module mqtt.Module
		want   string
	}{
		{"nothing newer", mqtt.Module{Installed: "1.9.0", Latest: "1.9.0"},
			`{"installed_version":"1.9.0","latest_version":"1.9.0","title":"irrigation","release_summary":"","in_progress":false,"update_percentage":null}`},
		{"something newer", mqtt.Module{Installed: "1.9.0", Latest: "1.10.0", URL: "https://github.com/owner/name/releases/tag/1.10.0", Notes: " Waters <less> & later.\n"},
			`{"installed_version":"1.9.0","latest_version":"1.10.0","title":"irrigation","release_summary":"Waters <less> & later.","release_url":"https://github.com/owner/name/releases/tag/1.10.0","in_progress":false,"update_percentage":null}`},
		{"in progress", mqtt.Module{Installed: "1.9.0", Latest: "1.10.0", InProgress: true, Percentage: 42},
			`{"installed_version":"1.9.0","latest_version":"1.10.0","title":"irrigation","release_summary":"","in_progress":true,"update_percentage":42}`},
		{"in progress, how far is not known", mqtt.Module{Installed: "1.9.0", Latest: "1.10.0", InProgress: true, Percentage: -1},
			`{"installed_version":"1.9.0","latest_version":"1.10.0","title":"irrigation","release_summary":"","in_progress":true,"update_percentage":null}`},
		{"further than the end", mqtt.Module{Installed: "1", Latest: "2", InProgress: true, Percentage: 140},
			`{"installed_version":"1","latest_version":"2","title":"irrigation","release_summary":"","in_progress":true,"update_percentage":100}`},
		{"not installed yet", mqtt.Module{Latest: "1.0"},
			`{"installed_version":"","latest_version":"1.0","title":"irrigation","release_summary":"","in_progress":false,"update_percentage":null}`},
		{"the latest is not known", mqtt.Module{Installed: "1.0", URL: "javascript:alert(1)"},
			`{"installed_version":"1.0","latest_version":"1.0","title":"irrigation","release_summary":"","in_progress":false,"update_percentage":null}`},
		{"a URL with a secret, long notes", mqtt.Module{Installed: "1.0", Latest: "1.1", URL: "https://user:token@host/x", Notes: strings.Repeat("é", 300)},
			`{"installed_version":"1.0","latest_version":"1.1","title":"irrigation","release_summary":"` + strings.Repeat("é", 254) + `…","in_progress":false,"update_percentage":null}`},
	}
	for _, test := range tests {
		test.module.Name = "irrigation"
		d.Announce([]mqtt.Module{test.module})
		r.waitLast(stateTopic, test.want)
		if wrong := doc.check("state", decodeMap(t, test.want)); wrong != nil {
			t.Errorf("%s: %v", test.name, wrong)
		}
	}

	configs := r.wait(configTopic, "a configuration", func(got []string) bool { return len(got) > 0 })
	if len(configs) != 1 {
		t.Errorf("got %d configurations, want one: unchanged ones are not sent again", len(configs))
	}
	config := decodeMap(t, configs[0])
	if wrong := doc.check("config", config); wrong != nil {
		t.Errorf("%s: %v", configs[0], wrong)
	}
	if !regexp.MustCompile(`^homeassistant/update/[a-zA-Z0-9_-]+/config$`).MatchString(configTopic) {
		t.Errorf("%s is no topic of discovery", configTopic)
	}
	available := config["availability"].([]any)[0].(map[string]any)
	for key, want := range map[string]any{
		"name": "irrigation", "unique_id": "greenhouse-1_irrigation", "state_topic": stateTopic,
		"command_topic": topic + "/cmd", "payload_install": "update irrigation",
	} {
		if config[key] != want {
			t.Errorf("%s: got %v, want %v", key, config[key], want)
		}
	}
	if got := fmt.Sprint(config["device"], config["origin"]); got != "map[identifiers:[greenhouse-1] name:Greenhouse sw_version:1.2.3] map[name:Moult sw_version:1.2.3]" {
		t.Errorf("device and origin: got %s", got)
	}
	r.waitLast(available["topic"].(string), available["payload_available"].(string))
	r.done(r.link.Publish(config["command_topic"].(string), byte(config["qos"].(float64)), false, config["payload_install"].(string)))
	r.answers(1)
	if got := did.all(); !slices.Equal(got, []string{"update|irrigation"}) {
		t.Errorf("Install did %q", got)
	}
	must(t, d.end())
	r.waitLast(available["topic"].(string), available["payload_not_available"].(string))

	// Home Assistant may start later.
	late := readAs(t, b.Host, "late")
	late.waitLast(stateTopic, tests[len(tests)-1].want)
	late.waitLast(configTopic, configs[0])
}

// TestHomeAssistantStarts: when it says so, it is told everything again.
func TestHomeAssistantStarts(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	r.done(r.link.Publish("homeassistant/status", 1, true, "online")) // long ago
	j := newJournal(t)
	var waits atomic.Int32
	d := run(t, "mqtt://"+b.Host, j, func(opt *mqtt.Options) {
		atHome(j, &done{})(opt)
		opt.Sleep = func(context.Context, time.Duration) error { // in which devices spread themselves
			waits.Add(1)
			return nil
		}
	})
	d.Announce([]mqtt.Module{{Name: "irrigation", Installed: "1.0"}})
	r.wait(configTopic, "one", func(got []string) bool { return len(got) == 1 })
	r.done(r.link.Publish("homeassistant/status", 1, false, "offline"))
	r.done(r.link.Publish("homeassistant/status", 1, false, "online"))
	r.wait(configTopic, "another", func(got []string) bool { return len(got) == 2 })
	must(t, d.end())
	if got := r.payloads(stateTopic); len(got) != 2 || got[0] != got[1] {
		t.Errorf("got %q, want the state twice", got)
	}
	if n := waits.Load(); n != 1 {
		t.Errorf("answered %d starts, want only the one that is not retained", n)
	}
}

// TestModuleGone: a module that is no more is withdrawn, after a restart too, and the broker keeps nothing of it.
func TestModuleGone(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	j := newJournal(t)
	first := run(t, "mqtt://"+b.Host, j, atHome(j, &done{}))
	first.Announce([]mqtt.Module{{Name: "irrigation", Installed: "1.0"}, {Name: "lights & more", Installed: "2.0"}, {Name: "updater", Installed: "3"}})
	r.wait("homeassistant/update/greenhouse-1_updater/config", "three modules", func(got []string) bool { return len(got) == 1 })
	first.Announce([]mqtt.Module{{Name: "irrigation", Installed: "1.0"}, {Name: "lights & more", Installed: "2.0"}})
	r.waitLast("homeassistant/update/greenhouse-1_updater/config", "")
	must(t, first.end())

	second := run(t, "mqtt://"+b.Host, j, atHome(j, &done{}))
	second.logged.wait(t, "online") // it was not told of its modules yet: nothing is withdrawn
	second.Announce([]mqtt.Module{{Name: "lights & more", Installed: "2.0"}})
	r.waitLast(configTopic, "")
	must(t, second.end())

	late := readAs(t, b.Host, "late")
	late.waitLast(topic+"/status", "offline")
	left := fmt.Sprintf("homeassistant/update/greenhouse-1_lights___more_%08x/config", crc32.ChecksumIEEE([]byte("lights & more")))
	late.wait(left, "the one that is left", func(got []string) bool { return len(got) == 1 })
	must(t, run(t, "mqtt://"+b.Host, j, nil).endWhen(late)) // what is retained has come before this
	late.mu.Lock()
	defer late.mu.Unlock()
	for _, m := range late.all {
		if strings.Contains(m.topic, "irrigation") || strings.Contains(m.topic, "updater") {
			t.Errorf("the broker keeps %s: %s", m.topic, m.payload)
		}
	}
	announced, err := j.Announced()
	must(t, err)
	if len(announced) != 2 {
		t.Errorf("announced: got %q, want what is left", announced)
	}
}
