// Package agent is a Linux device that looks after itself: the routine that checks and updates, the programs of the modules,
// their trials, the LEDs, and what a person may command.
//
// It does no I/O of its own; what it needs of the world are the ports of this file.
package agent

import (
	"context"
	"time"

	"moult/update"
)

// Program is what a module runs: a child of the agent, or a unit of the system.
type Program interface {
	// Start starts it. The channel tells once how it ended, in plain words with the last lines that it printed.
	Start(ctx context.Context) (ended <-chan string, err error)
	// Stop ends it, with all that it left behind, and returns when it is gone.
	Stop(ctx context.Context) error
}

// Lasting is a Program that outlives the agent, as a unit of the system does.
type Lasting interface {
	// Leave ends the watching of it, and leaves it as it is.
	Leave()
}

// Talker is a Program that can say what it printed last.
type Talker interface{ Said() string }

// Light is one LED.
type Light interface{ Set(on bool) error }

// Wifi brings the device online. It is asked before each round, and tries each network a bounded number of times. With several
// networks that may take long: before each try it calls goesOn.
type Wifi interface {
	Connect(ctx context.Context, goesOn func()) error
}

// Board is the machine.
type Board interface {
	Reboot(ctx context.Context) error
	// Boot names this boot: another after power-on or a reboot, the same when only the agent was restarted.
	Boot() (string, error)
	// Uptime is how long the machine has been up.
	Uptime() (time.Duration, error)
}

// Memory keeps what the agent must know after a restart.
type Memory interface {
	// CheckedBoot returns the boot in which the last round began; "" before the first.
	CheckedBoot() (string, error)
	SetCheckedBoot(boot string) error
	// History returns the last n events, the oldest first.
	History(module string, n int) (events []update.Event, damaged int, err error)
	// Load returns the state of a module, as another process may have changed it too.
	Load(module string) (update.State, error)
}

// Clock is time, so that a test need not wait.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

// Lock does work on a module while no other process works on it, and what a cut left of it is recovered before.
type Lock func(ctx context.Context, module string, work func() error) error

// Module is a module with what runs it and what judges it.
type Module struct {
	*update.Module
	Program Program                     // nil where nothing is run
	Health  func(context.Context) error // checked during a trial; nil where nothing is
	Confirm bool                        // the program confirms itself
	Within  time.Duration               // how long a trial may take, from a start of the program
	Starts  int                         // how often the program of a version on trial may be started
}
