package device

import (
	"context"
	"strings"
	"time"

	"moult/agent"
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
