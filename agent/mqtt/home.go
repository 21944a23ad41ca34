package mqtt

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Home is how Home Assistant is told of the device: each module an entity of the kind update, as in
// https://www.home-assistant.io/integrations/update.mqtt/ and, for the discovery, https://www.home-assistant.io/integrations/mqtt/.
type Home struct {
	Prefix  string // of the topics of discovery; "" for homeassistant
	Device  string // what the device is known by, unlike any other; "" for its topic
	Name    string // what it is called; "" for Device
	Version string // of the updater that runs on it
	Memory  Memory
}

// Memory keeps what was announced, so that it can be withdrawn when it is gone, even if that is after a restart;
// journal.Journal is one. Its methods are called by one goroutine.
type Memory interface {
	Announced() ([]string, error)
	SetAnnounced(topics []string) error
}

// Module is what Home Assistant shows of a module.
type Module struct {
	Name       string
	Installed  string // version; "" for none
	Latest     string // what an update would install: Installed where there is nothing newer; "" for not known
	InProgress bool
	Percentage int    // of an update in progress; -1 for not known
	URL        string // where the release is described; http or https, else it is not shown
	Notes      string // the release's; what is longer than 255 characters is cut
}

// Announce tells Home Assistant of all modules there are, now and at every change. What has not changed is not sent again.
func (c *Client) Announce(modules []Module) {
	if c.opt.Home == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.home.want, c.home.told = nil, true
	for _, m := range modules {
		c.home.want = append(c.home.want, c.home.messages(m)...)
	}
	c.wake()
}

// maxBirthDelay spreads what a house of devices answers when Home Assistant says that it has started.
const maxBirthDelay = 3 * time.Second

// born sends everything again, in a moment, as Home Assistant has started.
func (c *Client) born() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.home.born {
		return
	}
	c.home.born = true
	c.later(context.Background(), time.Duration(c.opt.Rand()*float64(maxBirthDelay)), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.home.born = false
		c.home.forget()
		c.wake()
	})
}

// home is what Home Assistant shall know and does.
type home struct {
	Home
	topic    string // the device's
	commands bool

	born bool       // all will be sent again in a moment
	told bool       // want is known
	want []retained // in order
	sent map[string]string
	kept []string // topics that the memory has, or should; only the sending goroutine's
	read bool     // kept is known
}

// retained is a message that the broker keeps.
type retained struct{ topic, payload string }

func newHome(opt Home, topic string, commands bool) (home, error) {
	if opt.Prefix == "" {
		opt.Prefix = "homeassistant"
	}
	if opt.Device == "" {
		opt.Device = topic
	}
	if opt.Name == "" {
		opt.Name = opt.Device
	}
	switch {
	case strings.ContainsAny(opt.Prefix, "+#\x00"):
		return home{}, fmt.Errorf("prefix of Home Assistant's topics: got %q, want one without + and #", opt.Prefix)
	case opt.Memory == nil:
		return home{}, errors.New("got no memory of what Home Assistant was told")
	}
	opt.Device = objectID(opt.Device)
	return home{Home: opt, topic: topic, commands: commands, sent: map[string]string{}}, nil
}

func (h *home) birthTopic() string { return h.Prefix + "/status" }

func (h *home) forget() { h.sent = map[string]string{} }

var notInID = regexp.MustCompile(`[^a-zA-Z0-9_-]`)

// objectID makes a name into what may stand in a topic of discovery: letters, digits, _ and -. Two names stay two.
func objectID(name string) string {
	id := notInID.ReplaceAllString(name, "_")
	if id != name {
		id += fmt.Sprintf("_%08x", crc32.ChecksumIEEE([]byte(name)))
	}
	return id
}

// discovery is the configuration of an entity, as the pages above have it.
type discovery struct {
	Name           string         `json:"name"`
	UniqueID       string         `json:"unique_id"`
	StateTopic     string         `json:"state_topic"`
	CommandTopic   string         `json:"command_topic,omitempty"`
	PayloadInstall string         `json:"payload_install,omitempty"`
	Availability   []availability `json:"availability"`
	QoS            int            `json:"qos"`
	EntityCategory string         `json:"entity_category"`
	Device         homeDevice     `json:"device"`
	Origin         homeProgram    `json:"origin"`
}

type availability struct {
	Topic        string `json:"topic"`
	Available    string `json:"payload_available"`
	NotAvailable string `json:"payload_not_available"`
}

type homeDevice struct {
	Identifiers []string `json:"identifiers"`
	Name        string   `json:"name"`
	SWVersion   string   `json:"sw_version,omitempty"`
}

type homeProgram struct {
	Name      string `json:"name"`
	SWVersion string `json:"sw_version,omitempty"`
}

// state is an entity's. Home Assistant drops a whole message that has another key, a null or an empty URL;
// only update_percentage may be null, and in_progress must stand beside it to be true without a number.
type state struct {
	Installed  string `json:"installed_version"`
	Latest     string `json:"latest_version"`
	Title      string `json:"title"`
	Summary    string `json:"release_summary"`
	URL        string `json:"release_url,omitempty"`
	InProgress bool   `json:"in_progress"`
	Percentage *int   `json:"update_percentage"`
}

// messages returns what is retained of a module: its state, and then where to find it.
func (h *home) messages(m Module) []retained {
	id := h.Device + "_" + objectID(m.Name)
	where := h.topic + "/update/" + objectID(m.Name)
	d := discovery{
		Name: m.Name, UniqueID: id, StateTopic: where, QoS: 1, EntityCategory: "config",
		Availability: []availability{{h.topic + "/status", "online", "offline"}},
		Device:       homeDevice{[]string{h.Device}, h.Home.Name, h.Version}, Origin: homeProgram{"Moult", h.Version},
	}
	if h.commands {
		d.CommandTopic, d.PayloadInstall = h.topic+"/cmd", "update "+m.Name
	}
	s := state{Installed: m.Installed, Latest: m.Latest, Title: m.Name, Summary: summary(m.Notes), InProgress: m.InProgress}
	if s.Latest == "" {
		s.Latest = s.Installed // nothing newer is known
	}
	if u, err := url.Parse(m.URL); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil {
		s.URL = m.URL
	}
	if m.InProgress && m.Percentage >= 0 {
		percentage := min(m.Percentage, 100)
		s.Percentage = &percentage
	}
	return []retained{{where, string(encode(s))}, {h.Prefix + "/update/" + id + "/config", string(encode(d))}}
}

// summary cuts notes to 255 characters, which is as much as Home Assistant takes.
func summary(notes string) string {
	const longest = 255
	all := []rune(strings.TrimSpace(notes))
	if len(all) <= longest {
		return string(all)
	}
	return string(all[:longest-1]) + "…"
}

// nextRetained sends the next message that Home Assistant does not know yet, or withdraws what is gone.
// A topic is remembered before it is first used, and forgotten after it was withdrawn: so none is left behind.
func (s *session) nextRetained(ctx context.Context) (bool, error) {
	s.mu.Lock()
	told, want, sent := s.home.told, s.home.want, s.home.sent
	var next *retained
	for _, m := range want {
		if was, known := sent[m.topic]; next == nil && (!known || was != m.payload) {
			next = &m
		}
	}
	s.mu.Unlock()
	if !told {
		return false, nil
	}
	s.readAnnounced()
	if next == nil {
		wanted := func(topic string) bool {
			return slices.ContainsFunc(want, func(m retained) bool { return m.topic == topic })
		}
		i := slices.IndexFunc(s.home.kept, func(topic string) bool { return !wanted(topic) })
		if i < 0 {
			return false, nil
		}
		next = &retained{topic: s.home.kept[i]} // an empty message withdraws it
	} else if !slices.Contains(s.home.kept, next.topic) {
		for _, m := range want { // all at once: a write to the disk, not one for each
			if !slices.Contains(s.home.kept, m.topic) {
				s.home.kept = append(s.home.kept, m.topic)
			}
		}
		s.keepAnnounced()
	}
	if err := s.publish(ctx, next.topic, 1, true, []byte(next.payload)); err != nil {
		return false, err
	}
	if next.payload == "" {
		s.home.kept = slices.DeleteFunc(s.home.kept, func(topic string) bool { return topic == next.topic })
		s.keepAnnounced()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if next.payload == "" {
		delete(sent, next.topic)
	} else {
		sent[next.topic] = next.payload // of this time: reannounce has another map
	}
	return true, nil
}

func (s *session) readAnnounced() {
	if s.home.read {
		return
	}
	kept, err := s.home.Memory.Announced()
	if err != nil {
		s.opt.Log(fmt.Sprintf("mqtt: read what was announced: %v", err))
	}
	s.home.kept, s.home.read = kept, true
}

func (s *session) keepAnnounced() {
	if err := s.home.Memory.SetAnnounced(s.home.kept); err != nil {
		s.opt.Log(fmt.Sprintf("mqtt: keep what was announced: %v", err))
	}
}
