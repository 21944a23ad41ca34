package micropython_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"moult/agent/mqtt/brokertest"
	"moult/source/forge"
	"moult/source/sourcetest"
)

// TestLeds holds the LEDs to system B's law.
func TestLeds(t *testing.T) {
	const (
		working = "pin 1 value 1"
		settled = "pin 1 value 0"
	)
	once := []string{"pin 2 value 1", "sleep 500", "sleep 500", "pin 2 value 0"}
	twice := append(append(append([]string{}, once...), "sleep 500", "sleep 500"), once...)
	back := []string{}
	for range 3 {
		back = append(back, "pin 1 value 1", "pin 2 value 0", "sleep 200", "pin 1 value 0", "pin 2 value 1", "sleep 200")
	}
	back = append(back, "pin 1 value 0", "pin 2 value 0")
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, "")
		b.write("config/moult.json", strings.Replace(b.tree("config")["moult.json"], "{", `{"leds": {"yellow": 1, "green": 2}, `, 1))
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": runs("1.0")})}})
		want := func(name string, want ...string) {
			t.Helper()
			got := b.asked("pin", "sleep", "machine")
			if !slices.Equal(got, want) {
				t.Errorf("%s:\ngot  %q\nwant %q", name, got, want)
			}
		}
		b.start()
		want("updated", slices.Concat([]string{working, working, settled}, twice, []string{"machine reset"})...)
		b.start()
		want("nothing new", slices.Concat([]string{working, working, settled}, once)...)
		f.Break(nil, -1, sourcetest.Status(404))
		b.start()
		want("it fails", working, working)
		f.Mend()
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.1", "main", map[string]string{"app.py": runs("1.1")})}})
		b.start()
		b.asked()
		b.eval("import moult\nmoult.listener = None\ntry:\n    moult.rollback('app')\nexcept SystemExit:\n    pass")
		want("rolled back", "machine reset")
		b.start()
		want("after it", slices.Concat(back, []string{working, working, settled}, once)...)
	})
}

// TestWiFi joins networks in order, a bounded number of times each; a wrong password is an error with its name, and the
// application starts.
func TestWiFi(t *testing.T) {
	tests := []struct {
		name, wifi string
		world      map[string]any
		asked      []string
		said       string
	}{
		{"the second of two", `[{"ssid": "away", "password": "x"}, {"ssid": "Garden", "password": "good", "antenna": 1}]`, nil,
			[]string{"wifi active on true", "wifi disconnect", "wifi connect good false ssid away", "wifi disconnect", "wifi connect good false ssid away",
				"wifi config antenna 1", "wifi disconnect", "wifi connect good true ssid Garden"}, "runs 1.0"},
		{"a wrong password", `{"ssid": "Garden", "password": "bad"}`, nil,
			[]string{"wifi active on true", "wifi disconnect", "wifi connect good false ssid Garden", "wifi disconnect", "wifi connect good false ssid Garden", "wifi disconnect"},
			"Garden: wrong password"},
		{"a clock that is not set", `{"ssid": "Garden", "password": "good"}`, map[string]any{"year": 2000},
			[]string{"wifi active on true", "wifi disconnect", "wifi connect good true ssid Garden", "ntp settime"}, "2026-06-01T12:00"},
		{"a clock that cannot be set", `{"ssid": "Garden", "password": "good"}`, map[string]any{"year": 2000, "ntp": "fails"},
			[]string{"wifi active on true", "wifi disconnect", "wifi connect good true ssid Garden", "ntp settime"}, "ntp: "},
	}
	eachWord(t, func(t *testing.T, word string) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				b, f := directBoard(t, word, forge.GitHub, "")
				b.write("config/moult.json", strings.Replace(b.tree("config")["moult.json"], "{", `{"wifi": `+test.wifi+`, `, 1))
				f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": runs("1.0")})}})
				b.world = with2(test.world, "wifi", map[string]string{"Garden": "good"})
				_, first := b.start()
				if got := b.asked("wifi", "ntp"); !slices.Equal(got, test.asked) {
					t.Errorf("got %q, want %q", got, test.asked)
				}
				end, out := b.boot()
				if end != atPrompt || !strings.Contains(first+out, test.said) || strings.Contains(first+out, "good") {
					t.Errorf("got status %d, want %q, and no password\n%s%s", end, test.said, first, out)
				}
			})
		}
	})
}

func with2(world map[string]any, key string, value any) map[string]any {
	all := map[string]any{key: value}
	for k, v := range world {
		all[k] = v
	}
	return all
}

// ear hears all that a broker is told.
type ear struct {
	t      *testing.T
	client paho.Client
	mu     sync.Mutex
	heard  []string
}

func listen(t *testing.T, broker *brokertest.Broker) *ear {
	t.Helper()
	e := &ear{t: t}
	opt := paho.NewClientOptions().AddBroker("tcp://" + broker.Host).SetClientID("ear").SetUsername("board").SetPassword("pass:word")
	e.client = paho.NewClient(opt)
	if token := e.client.Connect(); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { e.client.Disconnect(0) })
	token := e.client.Subscribe("#", 1, func(_ paho.Client, m paho.Message) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.heard = append(e.heard, m.Topic()+" "+string(m.Payload()))
	})
	if token.Wait(); token.Error() != nil {
		t.Fatal(token.Error())
	}
	return e
}

// wait waits until something was heard that has all words in it, and returns it.
func (e *ear) wait(words ...string) string {
	e.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		e.mu.Lock()
		for _, message := range e.heard {
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(message, word) }) {
				e.mu.Unlock()
				return message
			}
		}
		e.mu.Unlock()
	}
	e.t.Fatalf("got %q, want %q", e.heard, words)
	return ""
}

func (e *ear) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = nil
}

// ask sends a command and returns the answer.
func (e *ear) ask(command string) (ok bool, text string) {
	e.t.Helper()
	e.forget()
	e.client.Publish("moult/greenhouse/cmd", 1, false, command)
	message := e.wait("moult/greenhouse/reply ")
	var reply struct {
		OK   bool
		Text string
	}
	must(e.t, json.Unmarshal([]byte(message[strings.Index(message, "{"):]), &reply))
	return reply.OK, reply.Text
}

// TestMQTT drives a board with the asyncio example over a real broker: what it tells, what it answers, and what an event
// that could not be told becomes.
func TestMQTT(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		broker := brokertest.Start(t, brokertest.Config{Users: map[string]string{"board": "pass:word"}})
		b, f := directBoard(t, word, forge.GitHub, "")
		b.useExample("asyncio")
		b.write("config/moult.json", fmt.Sprintf(`{"device": "greenhouse", "timezone": "America/Sao_Paulo", "mqtt": {"url": "mqtt://board:pass%%3Aword@%s"},
			"modules": {"app": {"url": "%s/owner/app", "forge": "github"}}}`, broker.Host, f.URL))
		release := func(tag string) *sourcetest.Repo {
			return &sourcetest.Repo{Releases: []sourcetest.Release{tagged(tag, "main", map[string]string{"app.py": "x"})}}
		}
		f.Put("owner/app", release("1.0"))
		broker.Stop()
		b.start() // updates while nobody listens
		// As when two events were lost before it.
		b.write(".moult/history.jsonl", strings.Replace(b.tree(".moult")["history.jsonl"], `"seq": 1`, `"seq": 3`, 1))
		broker.Restart()
		e := listen(t, broker)
		e.client.Publish("moult/greenhouse/cmd", 1, true, "set kept 1").Wait() // what the broker keeps is not for now: settings, below

		run := func() (ended chan int) {
			ended = make(chan int, 1)
			ctx, stop := context.WithCancel(context.Background())
			cmd := b.command(ctx, abs(t, "tests/board.py"))
			cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
			if !testing.Verbose() {
				cmd.Stdout, cmd.Stderr = nil, nil
			}
			must(t, cmd.Start())
			go func() {
				_ = cmd.Wait() // how it ended is in its state
				ended <- cmd.ProcessState.ExitCode()
			}()
			t.Cleanup(stop)
			return ended
		}
		ended := run()
		e.wait("moult/greenhouse/log", `"dropped-1-2"`, "2 events are lost")
		e.wait("moult/greenhouse/log", `"updated"`, `"1.0"`) // told now that somebody listens
		e.wait("moult/greenhouse/status online")
		if got := e.wait("homeassistant/update/greenhouse_app/config"); !strings.Contains(got, `"payload_install":"update app"`) {
			t.Errorf("discovery: got %s", got)
		}
		e.wait("moult/greenhouse/update/app", `"installed_version":"1.0"`)
		e.wait("moult/greenhouse/status offline") // the round before the application takes its leave
		for _, test := range []struct {
			command string
			ok      bool
			text    string
		}{
			{"version", true, "moult\napp 1.0"},
			{`{"command": "temperature", "id": "7"}`, true, "21.5"},
			{"check", true, "app: nothing new: 1.0 is the newest"},
			{"set interval 60", true, "interval is now 60"},
			{"parametro interval 61", true, "interval is now 61"},
			{"horario", true, " -0300"},
			{"uptime", true, "machine 0h"},
			{"hist 1", true, "app 1.0 is installed"},
			{"history 51", false, "want a number from 1 to 50"},
			{"rollback app", false, "nothing to go back to"},
			{"rollback", false, "got no module, want one"},
			{"update nobody", false, `got no module 'nobody'`},
			{"dance", false, "got the command 'dance'"},
			{"{broken", false, "broken JSON"},
			{`{"command": "check", "args": ["app"]`, false, "broken JSON"},
			{`{"command": "check", "args": "app"}`, false, "want a list of texts"},
		} {
			if ok, text := e.ask(test.command); ok != test.ok || !strings.Contains(text, test.text) {
				t.Errorf("%s: got %v %q, want %v %q", test.command, ok, text, test.ok, test.text)
			}
		}
		if got := b.tree("config")["settings.json"]; got != `{"interval": "61"}` {
			t.Errorf("settings: got %s", got)
		}
		// The same command under its id is not done twice, but answered again.
		e.ask(`{"command": "set", "args": ["x", "1"], "id": "a"}`)
		b.write("config/settings.json", "{}")
		if ok, text := e.ask(`{"command": "set", "args": ["x", "1"], "id": "a"}`); !ok || text != "x is now 1" {
			t.Errorf("again: got %v %q", ok, text)
		}
		if got := b.tree("config")["settings.json"]; got != "{}" {
			t.Errorf("settings: got %s, want it not done again", got)
		}
		// A broker that goes and comes back is found again.
		e.client.Disconnect(0)
		broker.Stop()
		broker.Restart()
		e = listen(t, broker)
		e.wait("moult/greenhouse/status online")
		// What was rolled back is not offered; and what is offered is said again when Home Assistant starts.
		f.Put("owner/app", release("1.1"))
		state := b.tree(".moult/state")["app.json"]
		b.write(".moult/state/app.json", strings.Replace(state, `"rejected": []`, `"rejected": ["1.1"]`, 1))
		if ok, text := e.ask("check"); !ok || !strings.Contains(text, "1.1 was rolled back") {
			t.Errorf("check: got %v %q, want it refused", ok, text)
		}
		b.write(".moult/state/app.json", state)
		e.wait("moult/greenhouse/log", `"checked"`)
		e.forget()
		e.client.Publish("homeassistant/status", 1, false, "online")
		e.wait("homeassistant/update/greenhouse_app/config")
		if got := e.wait("moult/greenhouse/update/app"); !strings.Contains(got, `"latest_version":"1.0"`) {
			t.Errorf("got %s, want 1.0 as the latest: 1.1 was rolled back", got)
		}
		// The earlier system's word for update; it answers before it restarts.
		if ok, text := e.ask("atualizar"); !ok || text != "app is now 1.1" {
			t.Errorf("atualizar: got %v %q", ok, text)
		}
		if end := <-ended; end != wasReset {
			t.Errorf("got status %d, want it restarted", end)
		}
		e.wait("moult/greenhouse/log", `"updated"`, `"1.1"`)
		e.wait("moult/greenhouse/status offline") // by its will
		ended = run()
		e.forget()
		e.wait("moult/greenhouse/status online")
		if ok, text := e.ask("reiniciar"); !ok || text != "the board is restarted" {
			t.Errorf("reiniciar: got %v %q", ok, text)
		}
		if end := <-ended; end != wasReset {
			t.Errorf("got status %d, want it restarted", end)
		}
	})
}
