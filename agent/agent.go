package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"moult/update"
)

// Agent is one device. Its fields are set before Run and not changed afterwards.
type Agent struct {
	Engine   *update.Engine
	Modules  []*Module
	Lock     Lock
	Memory   Memory
	Clock    Clock
	Schedule Schedule
	Panel    *Panel
	Wifi     Wifi  // nil where none is configured
	Board    Board // nil where the machine cannot be restarted
	Version  string
	// Command runs a command of the application, and reports whether it knows it; nil where it has none.
	Command func(ctx context.Context, name string, args []string) (reply string, known bool, err error)
	// Set stores a setting of the application.
	Set func(key, value string) error
	// Tell is told of what the agent itself does; the engine tells of the updates.
	Tell func(update.Event)
	// Alive is called every Beat while the agent is not stuck; a watchdog listens to it. Nil for none.
	Alive func()
	Beat  time.Duration

	started time.Time
	keepers map[string]*keeper
	rounds  chan round
	pulse   pulse
	trouble string // of the network, as it was told of last; "" for none. Only the routine's
}

// Kinds of events that the agent adds to those of the engine.
const (
	Started    update.Kind = "started"    // the agent began; why is its text
	Network    update.Kind = "network"    // the network failed, or is back
	Exited     update.Kind = "exited"     // a module's program ended by itself
	Restarting update.Kind = "restarting" // the machine is restarted
)

// hold is how long the programs wait for the first round, before they start all the same: a device that finds an update
// should run it at once, and one that does not must not be kept waiting.
const hold = 30 * time.Second

// Run is the agent's life. It returns when ctx ends, once every program is stopped.
func (a *Agent) Run(ctx context.Context) error {
	a.started = a.Clock.Now()
	a.rounds = make(chan round)
	a.keepers = map[string]*keeper{}
	a.Panel.clock, a.Panel.wake = a.Clock, make(chan struct{}, 1)
	a.Panel.failed = func(err error) { a.tell("", Network, "led: "+err.Error()) }

	powerOn, err := a.isPowerOn()
	if err != nil {
		a.tell("", Started, "which boot this is cannot be told: "+err.Error())
	}
	why := "the agent was restarted"
	if powerOn {
		why = "the power came on"
	}
	a.tell("", Started, fmt.Sprintf("moult %s: %s", a.Version, why))

	var all sync.WaitGroup
	all.Go(func() { a.beat(ctx) })

	for _, m := range a.Modules {
		k := newKeeper(a, m)
		a.keepers[m.Name] = k
		m.Stop = k.stop
	}
	a.recover(ctx)
	first := make(chan struct{}) // closed when the first round is over
	all.Go(func() { a.Panel.run(ctx) })
	all.Go(func() { a.routine(ctx, powerOn, first) })
	for _, k := range a.keepers {
		all.Go(func() { k.run(ctx, first) })
	}
	all.Wait()
	return ctx.Err()
}

func (a *Agent) isPowerOn() (bool, error) {
	if a.Board == nil {
		return true, nil
	}
	boot, err := a.Board.Boot()
	if err != nil {
		return true, err
	}
	before, err := a.Memory.CheckedBoot()
	return before != boot, err
}

// recover puts right what a cut left, before any of the modules' code runs. Where it cannot be, or another run has a module
// for long, the programs start all the same.
func (a *Agent) recover(ctx context.Context) {
	soon, enough := context.WithTimeout(ctx, hold)
	defer enough()
	var all sync.WaitGroup
	for _, m := range a.Modules {
		all.Go(func() {
			if err := a.locked(soon, m, func() error { return nil }); err != nil && ctx.Err() == nil {
				a.tell(m.Name, update.Failed, err.Error())
			}
		})
	}
	all.Wait()
}

// locked does work on a module while nobody else touches it, neither in this process nor in another. What is done to one module
// does not wait for another's: a verdict must not wait for a download.
func (a *Agent) locked(ctx context.Context, m *Module, work func() error) error {
	token := a.keepers[m.Name].work
	select {
	case token <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-token }()
	return a.Lock(ctx, m.Name, work)
}

func (a *Agent) tell(module string, kind update.Kind, text string) {
	a.Tell(update.Event{Time: a.Clock.Now(), Module: module, Kind: kind, Text: text})
}

// module returns the module of a name.
func (a *Agent) module(name string) (*Module, error) {
	for _, m := range a.Modules {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("got no module %q", name)
}
