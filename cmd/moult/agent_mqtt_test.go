package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"moult/agent/bustest"
	"moult/agent/mqtt/brokertest"
	"moult/update"
)

// listener hears what a device says on its topics, as a person's own program would.
type listener struct {
	t    *testing.T
	link paho.Client

	mu     sync.Mutex
	heard  map[string][]string // by topic, below the device's; and discovery, by its whole topic
	asked  int
	events map[string]int // how often each id was heard
}

const topic = "moult/greenhouse"

func listen(t *testing.T, b *brokertest.Broker) *listener {
	t.Helper()
	l := &listener{t: t, heard: map[string][]string{}, events: map[string]int{}}
	opt := paho.NewClientOptions().AddBroker("tcp://" + b.Host).SetClientID("listener").SetCleanSession(false)
	opt.SetOnConnectHandler(func(c paho.Client) {
		c.SubscribeMultiple(map[string]byte{topic + "/#": 1, "homeassistant/#": 1}, l.hear)
	})
	l.link = paho.NewClient(opt)
	token := l.link.Connect()
	if token.Wait(); token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { l.link.Disconnect(0) })
	return l
}

func (l *listener) hear(_ paho.Client, m paho.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := strings.TrimPrefix(m.Topic(), topic+"/")
	l.heard[name] = append(l.heard[name], string(m.Payload()))
	var e update.Event
	if name == "log" && json.Unmarshal(m.Payload(), &e) == nil && e.ID != "" {
		l.events[e.ID]++
	}
}

// until waits for a message on a topic.
func (l *listener) until(name, what string, holds func(payload string) bool) (found string) {
	l.t.Helper()
	waitUntil(l.t, what, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, payload := range l.heard[name] {
			if holds(payload) {
				found = payload
				return true
			}
		}
		return false
	})
	return found
}

// ask sends a command and returns the answer to it.
func (l *listener) ask(command string, args ...string) (ok bool, text string) {
	l.t.Helper()
	l.asked++
	id := fmt.Sprint("ask-", l.asked)
	payload, err := json.Marshal(map[string]any{"command": command, "args": append([]string{}, args...), "id": id})
	if err != nil {
		l.t.Fatal(err)
	}
	if token := l.link.Publish(topic+"/cmd", 1, false, payload); token.Wait() && token.Error() != nil {
		l.t.Fatal(token.Error())
	}
	var reply struct {
		ID, Text string
		OK       bool
	}
	l.until("reply", "the answer to "+command, func(payload string) bool {
		return json.Unmarshal([]byte(payload), &reply) == nil && reply.ID == id
	})
	return reply.OK, reply.Text
}

// TestAgentOverMQTT follows a device by a real broker: its status, its events, its answers, and what Home Assistant shows.
func TestAgentOverMQTT(t *testing.T) {
	broker := brokertest.Start(t, brokertest.Config{Persistence: true})
	l := listen(t, broker)
	b := newAgentBench(t, `"trial": {"within": "200ms"}`,
		fmt.Sprintf(`"device": "greenhouse", "mqtt": {"url": "mqtt://%s"}, "timezone": "America/Sao_Paulo"`, broker.Host), shellProgram("1.0", good))
	writeFile(t, filepath.Join(b.dir, "commands/temperature"), "#!/bin/sh\necho \"21.5 ${1:-C}\"\n")
	writeFile(t, filepath.Join(b.dir, "commands/broken"), "#!/bin/sh\necho no sensor; exit 4\n")
	writeFile(t, filepath.Join(b.dir, "commands/flood"), "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x\n")
	writeFile(t, filepath.Join(b.dir, "commands/notes"), "no program\n")
	for _, name := range []string{"temperature", "broken", "flood"} {
		if err := os.Chmod(filepath.Join(b.dir, "commands", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bus := bustest.Start(t) // of its own: the machine of the test is not to be restarted
	logind := bus.Logind(map[string]any{})
	onTheBus := []string{"env", "DBUS_SYSTEM_BUS_ADDRESS=" + bus.Address}
	r := b.start(onTheBus...)
	l.until("status", "online", func(p string) bool { return p == "online" })
	l.until("log", "the first install", func(p string) bool {
		return strings.Contains(p, `"event":"switched"`) && strings.Contains(p, `"text":"1.0 is installed, on trial"`)
	})
	l.until("log", "its confirmation", func(p string) bool { return strings.Contains(p, `"event":"confirmed"`) })
	config := l.until("homeassistant/update/greenhouse_irrigation/config", "discovery", func(p string) bool { return p != "" })
	contains(t, config, `"payload_install":"update irrigation"`, `"command_topic":"`+topic+`/cmd"`)

	answers := []struct {
		command string
		args    []string
		ok      bool
		says    string
	}{
		{"version", nil, true, "irrigation 1.0"},
		{"check", nil, true, "nothing new"},
		{"time", nil, true, "-0300"},
		{"horario", nil, true, "-0300"},
		{"uptime", nil, true, "machine "},
		{"history", []string{"5"}, true, "1.0 is confirmed"},
		{"hist", nil, true, "1.0 is installed"},
		{"history", []string{"many"}, false, "want a number"},
		{"set", []string{"interval", "60"}, true, "interval is now 60"},
		{"parametro", []string{"interval", "30"}, true, "interval is now 30"},
		{"set", []string{"../x", "1"}, false, "got the key"},
		{"temperature", []string{"K"}, true, "21.5 K"},
		{"broken", nil, false, "no sensor"},
		{"flood", nil, true, "xxxxxxxx"},
		{"notes", nil, false, "want an executable file"},
		{"../commands/temperature", nil, false, "got the command"},
		{"frobnicate", nil, false, "got the command \"frobnicate\""},
		{"update", []string{"nosuch"}, false, "got no module"},
		{"rollback", []string{"irrigation"}, false, "nothing to go back to"},
	}
	for _, a := range answers {
		ok, text := l.ask(a.command, a.args...)
		if ok != a.ok || !strings.Contains(text, a.says) || len(text) > 16<<10 {
			t.Errorf("%s %q: got %v %q, want %v and %q", a.command, a.args, ok, text, a.ok, a.says)
		}
	}
	contains(t, readTree(t, filepath.Join(b.dir, "config"))["settings.json"], `"interval": "30"`)

	// An update that is asked for; the way back; the program started again.
	b.publish(shellProgram("1.1", good))
	if ok, text := l.ask("atualizar"); !ok || !strings.Contains(text, "irrigation is now 1.1") {
		t.Errorf("update: got %v %q", ok, text)
	}
	l.until("log", "its confirmation", func(p string) bool { return strings.Contains(p, "1.1 is confirmed") })
	if ok, text := l.ask("rollback", "irrigation"); !ok || text != "irrigation is now 1.0" {
		t.Errorf("rollback: got %v %q", ok, text)
	}
	if ok, text := l.ask("update"); !ok || !strings.Contains(text, "1.1 was rolled back") {
		t.Errorf("update after the roll back: got %v %q", ok, text)
	}
	// Home Assistant offers what an update would install: not what was rolled back.
	l.ask("version") // once it is answered, all that came before was told
	l.mu.Lock()
	shown := l.heard["update/irrigation"]
	if last := shown[len(shown)-1]; !strings.Contains(last, `"installed_version":"1.0","latest_version":"1.0"`) {
		t.Errorf("the entity's state after the roll back: got %s, want 1.0 and no other offered", last)
	}
	l.mu.Unlock()
	if ok, text := l.ask("reiniciar", "irrigation"); !ok || text != "irrigation is started again" {
		t.Errorf("restart: got %v %q", ok, text)
	}
	if ok, text := l.ask("reiniciar"); !ok || text != "the machine is restarted" {
		t.Errorf("restart of the machine: got %v %q", ok, text)
	}
	if got := logind.Log(); len(got) != 1 || !strings.Contains(got[0], "Reboot") {
		t.Errorf("logind was asked %q, want one restart", got)
	}

	// The broker goes down in the middle; what happens meanwhile is told when it is back.
	// (It keeps the listener's session, which a broker that is killed may lose; that is for the tests of agent/mqtt.)
	broker.Stop()
	r.stop()
	b.publish(shellProgram("1.2", good))
	r = b.start(onTheBus...)
	r.event(update.Confirmed, 1)
	broker.Restart()
	l.until("log", "what happened while the broker was down", func(p string) bool { return strings.Contains(p, "1.2 is confirmed") })

	// Every event of the history came, and each once for a reader that minds ids.
	history := strings.Split(strings.TrimSpace(b.moult(0, "history", "--json")), "\n")
	for _, line := range history {
		var e update.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		l.mu.Lock()
		if l.events[e.ID] == 0 {
			t.Errorf("the event %s was never heard", e.ID)
		}
		l.mu.Unlock()
	}
	if len(history) < 8 {
		t.Errorf("got %d events in the history, want many", len(history))
	}

	r.kill() // the last will speaks for it
	waitUntil(t, "offline", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		all := l.heard["status"]
		return len(all) > 0 && all[len(all)-1] == "offline"
	})
}
