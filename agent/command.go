package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"moult/fault"
	"moult/release"
	"moult/update"
)

// commands are what a person may ask for over the network, each with what it is for. What is not here is the application's.
var commands = []struct {
	name, args, help string
	do               func(a *Agent, ctx context.Context, args []string) (string, error)
}{
	{"version", "", "what is installed", (*Agent).sayVersion},
	{"check", "[MODULE]", "is anything new?", (*Agent).checkNow},
	{"update", "[MODULE] [VERSION]", "update now; a version that is named is taken even where it was rolled back", (*Agent).updateNow},
	{"rollback", "MODULE", "go back to the version before", (*Agent).rollBackNow},
	{"restart", "[MODULE]", "start a module's program again, or the machine", (*Agent).restartNow},
	{"time", "", "the device's time", (*Agent).sayTime},
	{"uptime", "", "how long the machine and the agent have been up", (*Agent).sayUptime},
	{"history", "[N]", "the last events", (*Agent).sayHistory},
	{"set", "KEY VALUE", "store a setting of the application", (*Agent).setNow},
}

// aliases are the earlier system's words.
var aliases = map[string]string{
	"atualizar": "update", "reiniciar": "restart", "horario": "time", "hist": "history", "parametro": "set",
}

// Do carries out a command and returns the answer. An error's text is the answer too.
func (a *Agent) Do(ctx context.Context, name string, args []string) (string, error) {
	if english, known := aliases[name]; known {
		name = english
	}
	for _, c := range commands {
		if c.name == name {
			return c.do(a, ctx, args)
		}
	}
	if a.Command != nil {
		if reply, known, err := a.Command(ctx, name, args); known {
			return reply, err
		}
	}
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	return "", fmt.Errorf("got the command %q, want one of %s, or one of the application's", name, strings.Join(names, ", "))
}

// Queue names the queue in which a command waits for its turn. What may take long waits for its like only: updates are rounds, done
// one after another as the restart of the machine is; what is done to one module is not done to it twice at once, and does not wait for
// another's download; an application's commands may share a sensor.
func (a *Agent) Queue(name string, args []string) string {
	if english, known := aliases[name]; known {
		name = english
	}
	switch {
	case name == "update", name == "restart" && len(args) == 0:
		return "rounds"
	case name == "check" && len(args) == 0:
		return "checks"
	case name == "check", name == "rollback", name == "restart":
		if m, err := a.module(strings.Join(args[:min(1, len(args))], "")); err == nil {
			return "module " + m.Name
		}
		return "" // refused at once
	}
	for _, c := range commands {
		if c.name == name {
			return ""
		}
	}
	return "application"
}

func (a *Agent) sayVersion(_ context.Context, _ []string) (string, error) {
	lines := []string{"moult " + a.Version}
	for _, m := range a.Modules {
		look, err := m.Slots.Look()
		if err != nil {
			return "", err
		}
		state, err := a.Memory.Load(m.Name)
		if err != nil {
			return "", err
		}
		line := m.Name + " " + look.Main.Version.String()
		switch {
		case look.Main.Version.IsZero():
			line = m.Name + " is not installed"
		case state.Step == update.Trial:
			line += ", on trial"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), nil
}

// some returns the modules that a command names; all where it names none.
func (a *Agent) some(args []string) ([]*Module, error) {
	if len(args) == 0 {
		return a.Modules, nil
	}
	m, err := a.module(args[0])
	return []*Module{m}, err
}

func (a *Agent) checkNow(ctx context.Context, args []string) (string, error) {
	modules, err := a.some(args)
	if err != nil {
		return "", err
	}
	var lines []string
	var failed []error
	for _, m := range modules {
		var plan update.Plan
		err := a.locked(ctx, m, func() (err error) {
			plan, err = a.Engine.Check(ctx, m.Module, update.Options{})
			return err
		})
		if failed = append(failed, err); err == nil {
			lines = append(lines, m.Name+": "+plan.String())
		}
	}
	return strings.Join(lines, "\n"), errors.Join(failed...)
}

func (a *Agent) updateNow(ctx context.Context, args []string) (string, error) {
	answer := make(chan result, 1)
	r := round{result: answer}
	if len(args) > 0 {
		if _, err := a.module(args[0]); err != nil {
			return "", err
		}
		r.modules = args[:1]
	}
	if len(args) > 1 {
		v, err := release.ParseVersion(args[1])
		if err != nil {
			return "", err
		}
		r.opt = update.Options{To: v, Again: true}
	}
	select {
	case a.rounds <- r:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case got := <-answer:
		return got.text, got.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (a *Agent) rollBackNow(ctx context.Context, args []string) (string, error) {
	if len(args) == 0 {
		return "", errors.New("rollback: got no module, want one")
	}
	m, err := a.module(args[0])
	if err != nil {
		return "", err
	}
	err = a.change(ctx, m, func() error { return a.Engine.RollBack(ctx, m.Module, "a person asked for it") })
	if err != nil {
		return "", err
	}
	a.Panel.show(wentBack)
	look, err := m.Slots.Look()
	return fmt.Sprintf("%s is now %s", m.Name, look.Main.Version), err
}

func (a *Agent) restartNow(ctx context.Context, args []string) (string, error) {
	if len(args) == 0 {
		return "the machine is restarted", a.restart(ctx, "a person asked for it")
	}
	m, err := a.module(args[0])
	if err != nil {
		return "", err
	}
	if m.Program == nil {
		return "", fmt.Errorf("%s runs no program", m.Name)
	}
	err = a.change(ctx, m, func() error { return m.Stop(ctx) })
	return m.Name + " is started again", err
}

func (a *Agent) sayTime(context.Context, []string) (string, error) {
	return a.Schedule.in(a.Clock.Now()).Format("2006-01-02 15:04:05 -0700"), nil
}

func (a *Agent) sayUptime(context.Context, []string) (string, error) {
	text := "agent " + a.Clock.Now().Sub(a.started).Round(time.Second).String()
	if a.Board == nil {
		return text, nil
	}
	up, err := a.Board.Uptime()
	return "machine " + up.Round(time.Second).String() + ", " + text, err
}

// maxSaid bounds the events of an answer.
const maxSaid = 50

func (a *Agent) sayHistory(_ context.Context, args []string) (string, error) {
	n := 10
	if len(args) > 0 {
		var err error
		if n, err = strconv.Atoi(args[0]); err != nil || n < 1 || n > maxSaid {
			return "", fmt.Errorf("history: got %q, want a number from 1 to %d", args[0], maxSaid)
		}
	}
	events, _, err := a.Memory.History("", n)
	var lines []string
	for _, e := range events {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Schedule.in(e.Time).Format("2006-01-02 15:04"), e.Module, e.Text)))
	}
	return strings.Join(lines, "\n"), err
}

func (a *Agent) setNow(_ context.Context, args []string) (string, error) {
	if len(args) != 2 || a.Set == nil {
		return "", fault.Hint(fmt.Errorf("set: got %d words, want a key and a value", len(args)), "set interval 60")
	}
	return args[0] + " is now " + args[1], a.Set(args[0], args[1])
}

// Commands lists the agent's own commands, with what each takes.
func Commands() (lines []string) {
	for _, c := range commands {
		lines = append(lines, strings.TrimSpace(c.name+" "+c.args)+": "+c.help)
	}
	slices.Sort(lines)
	return lines
}
