package agent

import "time"

// Schedule says when the routine runs by itself.
type Schedule struct {
	PowerOnOnly bool                   // the first round only after power-on, not when the agent alone was restarted
	Every       time.Duration          // 0 for at the start only
	Allowed     func(t time.Time) bool // the window, in the device's time zone; nil for always
	Restart     func(t time.Time) bool // whether the daily restart is in this minute; nil for never
	Zone        *time.Location         // nil for the system's
}

// The waits after a round that failed: the first, doubled each time, up to the last. The network may be back in a moment,
// and a forge that is down must not be asked by a thousand devices every second.
const (
	firstRetry = 15 * time.Second
	lastRetry  = 15 * time.Minute
)

// retry returns how long to wait after the n-th failure in a row, counted from 1.
func retry(n int) time.Duration {
	if n > 6 { // 15 s doubled six times is past the last
		return lastRetry
	}
	return min(firstRetry<<(n-1), lastRetry)
}

// restartCame reports whether a minute of the daily restart began after last, which may be a while ago: a round takes its time.
// What a clock skips that is set does not count, and a machine that is up again within the minute is not restarted in it once more.
func (s Schedule) restartCame(last, now time.Time) bool {
	if s.Restart == nil {
		return false
	}
	last = now.Add(-now.Sub(last)) // by the clock as it is now
	for t := last.Truncate(time.Minute).Add(time.Minute); !t.After(now); t = t.Add(time.Minute) {
		if s.Restart(s.in(t)) {
			return true
		}
	}
	return false
}

// allowed reports whether the routine may run by itself at t.
func (s Schedule) allowed(t time.Time) bool { return s.Allowed == nil || s.Allowed(s.in(t)) }

func (s Schedule) in(t time.Time) time.Time {
	if s.Zone == nil {
		return t.Local()
	}
	return t.In(s.Zone)
}

// untilMinute returns the time to the next full minute: how long a look at the clock may wait.
func untilMinute(t time.Time) time.Duration { return t.Truncate(time.Minute).Add(time.Minute).Sub(t) }
