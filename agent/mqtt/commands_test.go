package mqtt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"moult/agent/mqtt"
	"moult/agent/mqtt/brokertest"
)

// answer is what comes on the topic reply.
type answer struct {
	Command, ID, Text string
	OK                bool
}

func answers(t *testing.T, payloads []string) (all []answer) {
	t.Helper()
	for _, payload := range payloads {
		var a answer
		if err := json.Unmarshal([]byte(payload), &a); err != nil {
			t.Fatalf("%q: %v", payload, err)
		}
		all = append(all, a)
	}
	return all
}

// answers waits for n replies.
func (r *reader) answers(n int) []answer {
	r.t.Helper()
	return answers(r.t, r.wait(topic+"/reply", fmt.Sprint(n, " replies"), func(got []string) bool { return len(got) >= n }))
}

// done is a handler that counts what it does.
type done struct {
	mu    sync.Mutex
	calls []string
}

func (d *done) handle(_ context.Context, name string, args []string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, strings.Join(append([]string{name}, args...), "|"))
	switch name {
	case "version", "update", "set":
		return fmt.Sprintf("%s %q", name, args), nil
	case "fails":
		return "not this", errors.New("disk full")
	}
	return "", fmt.Errorf("unknown command %q", name)
}

func (d *done) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

func (d *done) taken(opt *mqtt.Options) { opt.Commands = d.handle }

// TestCommands sends each command through the broker; what is refused never reaches the handler.
func TestCommands(t *testing.T) {
	const broken = `got a command that is broken JSON, want {"command": "…", "args": ["…"], "id": "…"}`
	const control = "got a command with a control character"
	word := func(name string) string {
		return fmt.Sprintf("got the command %q, want a word of letters and digits, with -, _ or . within", name)
	}
	tests := []struct {
		name, payload string
		call          string // what the handler got; "" where it is refused
		want          answer
	}{
		{"a word", "version", "version", answer{"version", "", "version []", true}},
		{"with an argument", "update irrigation", "update|irrigation", answer{"update", "", `update ["irrigation"]`, true}},
		{"with several, and blanks", "  set  INTERVAL   15 m\n", "set|INTERVAL|15|m", answer{"set", "", `set ["INTERVAL" "15" "m"]`, true}},
		{"JSON", `{"command": "update", "args": ["irrigation"], "id": "abc"}`, "update|irrigation", answer{"update", "abc", `update ["irrigation"]`, true}},
		{"JSON without arguments", `{"command":"version"}`, "version", answer{"version", "", "version []", true}},
		{"JSON on several lines", "{\n\t\"id\": \"x1\",\n\t\"args\": [\"a b\", \"\", \"<é>\"],\n\t\"command\": \"set\"\n}\n", "set|a b||<é>", answer{"set", "x1", `set ["a b" "" "<é>"]`, true}},
		{"one that fails", "fails", "fails", answer{"fails", "", "disk full", false}},
		{"an unknown one", "explode now", "explode|now", answer{"explode", "", `unknown command "explode"`, false}},
		{"letters of anywhere", "umidade-média", "umidade-média", answer{"umidade-média", "", `unknown command "umidade-média"`, false}},

		{"empty", "", "", answer{Text: "got an empty command"}},
		{"blank", " \n\t ", "", answer{Text: "got an empty command"}},
		{"too long", "set " + strings.Repeat("x", 4<<10), "", answer{Text: "got a command of more than 4096 bytes"}},
		{"far too long", "set " + strings.Repeat("x", 8<<20), "", answer{Text: "got a command of more than 4096 bytes"}},
		{"no UTF-8", "set \xff\xfe", "", answer{Text: "got a command that is not UTF-8"}},
		{"a NUL", "set a\x00b", "", answer{"set", "", control, false}},
		{"a line break within", "version\nrestart", "", answer{"version\nrestart", "", control, false}},
		{"a terminal's escape", "set \x1b[2J", "", answer{"set", "", control, false}},
		{"broken JSON", `{"command": "update"`, "", answer{Text: broken}},
		{"JSON and more", `{"command": "update"} restart`, "", answer{Text: broken}},
		{"deep JSON", strings.Repeat(`{"a":`, 800), "", answer{Text: broken}},
		{"JSON of another key", `{"command": "update", "force": true, "id": "f"}`, "", answer{"update", "f", `got the key "force", want command, args and id`, false}},
		{"JSON without a command", `{"id": "n"}`, "", answer{"", "n", word(""), false}},
		{"a command that is a number", `{"command": 7, "id": "n"}`, "", answer{"", "n", "command: want a text", false}},
		{"an id that is a number", `{"command": "version", "id": 7}`, "", answer{"", "", "id: want a text", false}},
		{"arguments that are a text", `{"command": "update", "args": "irrigation", "id": "a"}`, "", answer{"update", "a", "args: want a list of texts", false}},
		{"an argument that is null", `{"command": "update", "args": [null]}`, "", answer{"update", "", "args: want a list of texts", false}},
		{"null", `{"command": null}`, "", answer{Text: "command: want a text"}},
		{"an escaped control character", `{"command": "set", "args": ["a\u0000b"]}`, "", answer{"set", "", control, false}},
		{"an id with one", `{"command": "set", "id": "a\nb"}`, "", answer{"set", "", "id: want at most 128 bytes without control characters", false}},
		{"a long id", `{"command": "set", "id": "` + strings.Repeat("i", 129) + `"}`, "", answer{"set", "", "id: want at most 128 bytes without control characters", false}},
		{"a path", "../../bin/sh -c reboot", "", answer{"../../bin/sh", "", word("../../bin/sh"), false}},
		{"a hidden name", ".profile", "", answer{".profile", "", word(".profile"), false}},
		{"an option", "--help", "", answer{"--help", "", word("--help"), false}},
		{"a shell's line", "$(reboot)", "", answer{"$(reboot)", "", word("$(reboot)"), false}},
		{"a list", `["update"]`, "", answer{`["update"]`, "", word(`["update"]`), false}},
		{"a long name", strings.Repeat("n", 65), "", answer{strings.Repeat("n", 61) + "…", "", word(strings.Repeat("n", 61) + "…"), false}},
	}
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	did := &done{}
	d := run(t, "mqtt://"+b.Host, newJournal(t), did.taken)
	r.waitLast(topic+"/status", "online")
	var calls []string
	for i, test := range tests {
		r.send("cmd", test.payload)
		if test.call != "" {
			calls = append(calls, test.call)
		}
		if got := r.answers(i + 1)[i]; got != test.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", test.name, got, test.want)
		}
		if got := did.all(); !slices.Equal(got, calls) {
			t.Fatalf("%s: the handler got %q, want %q", test.name, got, calls)
		}
	}
	must(t, d.end())
	if n := strings.Count(d.logged.String(), "\n") + 1; n != 1 {
		t.Errorf("log: got %d lines, want only that it is online:\n%s", n, d.logged)
	}
}

// TestRetainedCommand: one that is kept would come at every connection.
func TestRetainedCommand(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	r.done(r.link.Publish(topic+"/cmd", 1, true, "update"))
	did := &done{}
	d := run(t, "mqtt://"+b.Host, newJournal(t), did.taken)
	d.logged.wait(t, "a retained command is ignored")
	r.waitLast(topic+"/status", "online")
	r.send("cmd", "version")
	r.answers(1)
	if got := did.all(); !slices.Equal(got, []string{"version"}) {
		t.Errorf("done: got %q, want only the one that is not retained", got)
	}
}

// TestCommandComesAgain: with the id that it had, a command is answered again and not done again, whether the broker or its sender
// repeats it; without an id, that holds for what the broker repeats.
func TestCommandComesAgain(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	l := brokertest.NewLink(b)
	did := &done{}
	d := run(t, "mqtt://"+l.Host, newJournal(t), did.taken)
	r.waitLast(topic+"/status", "online")

	const update = `{"command":"update","args":["irrigation"],"id":"abc"}`
	r.send("cmd", update)
	r.answers(1)
	r.send("cmd", `{ "id": "abc", "args": ["irrigation"], "command": "update" }`) // by its sender
	a := r.answers(2)
	if a[0] != a[1] || len(did.all()) != 1 {
		t.Errorf("repeated: got %+v, done %q; want the same answer, done once", a, did.all())
	}
	r.send("cmd", `{"command":"version","id":"abc"}`) // another one under the same id is another one
	if a := r.answers(3); a[2].Command != "version" || len(did.all()) != 2 {
		t.Errorf("another: got %+v", a[2])
	}

	for word, payload := range map[string]string{"lawn": `{"command":"update","args":["lawn"],"id":"dup"}`, "garden": "update garden"} {
		before := len(did.all())
		var broken atomic.Bool // the broker does not learn that the device has the command
		l.Judge(func(fromClient bool, kind byte) brokertest.Fate {
			if fromClient && kind == brokertest.Puback && !broken.Swap(true) {
				return brokertest.Break
			}
			return brokertest.Pass
		})
		r.send("cmd", payload)
		mine := func(got []string) []string { // the answer before may come again as well: the device may not have heard that the broker has it
			return slices.DeleteFunc(slices.Clone(got), func(reply string) bool { return !strings.Contains(reply, word) })
		}
		a := answers(t, mine(r.wait(topic+"/reply", "two replies about "+word, func(got []string) bool { return len(mine(got)) >= 2 })))
		if got := did.all(); len(got) != before+1 || a[0] != a[1] {
			t.Errorf("%s: got %+v, done %q; want it done once, and answered again", payload, a, got[before:])
		}
	}
	l.Judge(nil)
	must(t, d.end())
	if !strings.Contains(d.logged.String(), "connection lost") {
		t.Error("the link was not broken")
	}
}

// TestCommandWhileOffline: one that comes while the device is away is done when it is back.
func TestCommandWhileOffline(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	did := &done{}
	j := newJournal(t)
	must(t, run(t, "mqtt://"+b.Host, j, did.taken).endWhen(r))
	r.send("cmd", "update irrigation")
	run(t, "mqtt://"+b.Host, j, did.taken)
	if a := r.answers(1); a[0].Command != "update" {
		t.Errorf("got %+v", a)
	}
}

func (d *device) endWhen(r *reader) error {
	d.t.Helper()
	r.waitLast(topic+"/status", "online")
	return d.end()
}

// TestFlood: commands of one queue are done one at a time; of those that wait there are sixteen, and one more is told so.
func TestFlood(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	began, goOn := make(chan struct{}, 100), make(chan struct{})
	var at, most atomic.Int32
	d := run(t, "mqtt://"+b.Host, newJournal(t), func(opt *mqtt.Options) {
		opt.Commands = func(_ context.Context, _ string, args []string) (string, error) {
			most.Store(max(most.Load(), at.Add(1)))
			began <- struct{}{}
			<-goOn
			at.Add(-1)
			return args[0], nil
		}
	})
	r.waitLast(topic+"/status", "online")
	r.send("cmd", "wait 0")
	<-began
	const n = 40
	for i := 1; i < n; i++ {
		r.send("cmd", fmt.Sprintf(`{"command":"wait","args":["%d"],"id":"id%d"}`, i, i))
	}
	busy := r.answers(n - 17)
	close(goOn)
	all := r.answers(n)
	for i, a := range busy {
		if want := (answer{"wait", fmt.Sprint("id", i+17), "busy: too many commands wait; try again later", false}); a != want {
			t.Errorf("got %+v, want %+v", a, want)
		}
	}
	for i, a := range all[n-17:] {
		if !a.OK || a.Text != fmt.Sprint(i) {
			t.Errorf("got %+v, want number %d done", a, i)
		}
	}
	r.send("cmd", `{"command":"wait","args":["39"],"id":"id39"}`) // who was told that may try again
	if a := r.answers(n + 1)[n]; !a.OK {
		t.Errorf("tried again: got %+v", a)
	}
	must(t, d.end())
	if most.Load() != 1 {
		t.Errorf("%d commands were done at once", most.Load())
	}
}

// TestEndOfCommands: what is under way at the end is answered; what waits is told that it is not done.
func TestEndOfCommands(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	began := make(chan struct{}, 1)
	d := run(t, "mqtt://"+b.Host, newJournal(t), func(opt *mqtt.Options) {
		opt.Commands = func(ctx context.Context, name string, _ []string) (string, error) {
			began <- struct{}{}
			<-ctx.Done()
			return "at once", nil
		}
	})
	r.waitLast(topic+"/status", "online")
	r.send("cmd", "restart")
	<-began
	r.send("cmd", "version")
	r.send("cmd", "../x") // answered after version was queued
	r.answers(1)
	must(t, d.end())
	want := []answer{{"restart", "", "at once", true}, {"version", "", "not done: the device's agent is ending", false}}
	if got := r.answers(3)[1:]; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	r.waitLast(topic+"/status", "offline")
}

// TestQueues: a command waits for those of its own queue, and for no other's.
func TestQueues(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	began, goOn := make(chan string, 10), make(chan struct{})
	d := run(t, "mqtt://"+b.Host, newJournal(t), func(opt *mqtt.Options) {
		opt.Queue = func(name string, _ []string) string { return name }
		opt.Commands = func(_ context.Context, name string, args []string) (string, error) {
			if name == "update" {
				began <- args[0]
				<-goOn
			}
			return strings.Join(args, " "), nil
		}
	})
	r.waitLast(topic+"/status", "online")
	r.send("cmd", `{"command":"update","args":["irrigation"],"id":"u1"}`)
	<-began
	r.send("cmd", `{"command":"update","args":["garden"],"id":"u2"}`)
	r.send("cmd", `{"command":"update","args":["irrigation"],"id":"u1"}`) // by its sender, who became impatient
	for i := range 100 {                                                  // more than are remembered
		r.send("cmd", fmt.Sprintf(`{"command":"version","id":"v%d"}`, i))
		if got, want := r.answers(i + 1)[i], (answer{"version", fmt.Sprint("v", i), "", true}); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	r.send("cmd", `{"command":"update","args":["irrigation"],"id":"u1"}`) // it is still known
	r.send("cmd", `{"command":"version","id":"last"}`)
	r.answers(101)
	select {
	case more := <-began:
		t.Errorf("update %s began beside the first", more)
	default:
	}
	close(goOn)
	r.send("cmd", `{"command":"update","args":["barn"],"id":"u3"}`)
	want := []answer{{"update", "u1", "irrigation", true}, {"update", "u2", "garden", true}, {"update", "u3", "barn", true}}
	if got := r.answers(104)[101:]; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	must(t, d.end())
}
