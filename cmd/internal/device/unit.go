package device

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"moult/agent"
	"moult/agent/process"
	"moult/agent/systemd"
)

// unit is a module's program where systemd runs it.
type unit struct {
	manager *systemd.Manager
	name    string
	down    bool          // it was stopped here, or did not start
	watched chan struct{} // closed when it is watched no more; nil where it is not
}

var _ agent.Program = (*unit)(nil)
var _ agent.Lasting = (*unit)(nil)
var _ agent.Talker = (*unit)(nil)

// unitEvery is the wait between two looks at a unit.
const unitEvery = 2 * time.Second

// Start starts the unit, unless it runs already, and tells when it is found to run no more, or to have ended and been started
// again by systemd: a unit's own Restart= must not make a version that crashes look as if it stayed up.
func (u *unit) Start(ctx context.Context) (<-chan string, error) {
	u.down = true
	if err := u.manager.Start(ctx, u.name); err != nil {
		return nil, err
	}
	u.down = false
	before, err := u.manager.State(ctx, u.name)
	if err != nil {
		return nil, err
	}
	ended := make(chan string, 1)
	watched := make(chan struct{})
	u.watched = watched
	go func() {
		for {
			select {
			case <-watched:
				return
			case <-ctx.Done():
				return
			case <-time.After(unitEvery):
			}
			now, err := u.manager.State(ctx, u.name)
			switch {
			case err != nil:
			case now.Active == "failed", now.Active == "inactive":
				ended <- "unit " + u.name + " is " + now.Active
				return
			case now.Restarts > before.Restarts, strings.HasPrefix(now.Sub, "auto-restart"):
				ended <- "unit " + u.name + " ended, and systemd starts it again"
				return
			}
		}
	}()
	return ended, nil
}

// Stop stops the unit. What it left behind, systemd ends.
func (u *unit) Stop(ctx context.Context) error {
	u.Leave()
	if u.down {
		return nil
	}
	err := u.manager.Stop(ctx, u.name)
	u.down = err == nil
	return err
}

// Leave ends the watching. The unit goes on, for it is the system's.
func (u *unit) Leave() {
	if u.watched != nil {
		close(u.watched)
		u.watched = nil
	}
}

// The bounds of what is asked of the system's journal: the last lines are enough of a reason, and it must not hold up a way back.
const (
	saidLines = "20"
	saidBytes = 2 << 10
	saidTime  = 5 * time.Second
)

// Said returns what the unit printed last, as the system's journal has it; "" where there is none.
func (u *unit) Said() string {
	ctx, cancel := context.WithTimeout(context.Background(), saidTime)
	defer cancel()
	said, err := process.Run(exec.CommandContext(ctx, "journalctl", "--unit="+u.name, "--lines="+saidLines, "--output=cat", "--quiet", "--no-pager"))
	if err != nil { // it is not there, or may not be read: the reason goes without
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(said[max(0, len(said)-saidBytes):], ""))
}
