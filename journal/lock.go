package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"moult/clock"
	"moult/fault"
)

// ErrBusy means that another run works on the device, or on whatever else was locked.
var ErrBusy = errors.New("another run is at work")

// The locks, below .moult/. The kernel holds them, until they are let go or their process ends, however it ends.
const (
	locksDir   = "locks"      // one for each module, of the run that works on it
	sharedLock = "lock"       // of the run that writes what all modules share, for as long as one write takes
	agentLock  = "agent"      // of the agent, for as long as it runs
	trustLock  = "trust.lock" // of the run that brings what the device trusts up to date, which all modules share
)

// LockModule keeps other runs away from one module of the device whose directory is root. Where another run has it, the error
// is ErrBusy and names its process.
func LockModule(root, module string) (unlock func(), err error) {
	unlock, err = lock(root, filepath.Join(locksDir, module))
	if errors.Is(err, ErrBusy) {
		err = fmt.Errorf("%s: %w", module, err)
	}
	return unlock, err
}

// LockAgent keeps a second agent away from a device, with ErrBusy.
func LockAgent(root string) (unlock func(), err error) { return lock(root, agentLock) }

// AgentRuns reports whether an agent has the device. It takes no lock, so that it turns no agent away, and writes nothing.
func AgentRuns(root string) (bool, error) {
	f, err := os.Open(filepath.Join(root, Dir, agentLock))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	found := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &found); err != nil {
		return false, fmt.Errorf("look at the agent's lock: %w", err)
	}
	return found.Type != unix.F_UNLCK, nil
}

// The waits for what all modules share: another run has it for one small write, and one that was stopped in the middle of it must not
// hold everything up.
const (
	sharedWait  = 5 * time.Second
	sharedPause = 50 * time.Millisecond
)

// LockTrust keeps other runs, and other modules of this one, from what the device trusts. It is waited for until ctx ends:
// who has it may be asking a server.
func LockTrust(ctx context.Context, root string) (unlock func(), err error) {
	unlock, err = await(ctx, root, trustLock)
	if errors.Is(err, ErrBusy) {
		err = fmt.Errorf("what the device trusts: %w", err)
	}
	return unlock, err
}

// lockShared keeps other runs from what all modules share.
func lockShared(root string) (unlock func(), err error) {
	ctx, enough := context.WithTimeout(context.Background(), sharedWait)
	defer enough()
	return await(ctx, root, sharedLock)
}

// await takes the lock of a name in .moult/, and waits for who has it until ctx ends; then the error is still ErrBusy.
func await(ctx context.Context, root, name string) (unlock func(), err error) {
	for {
		unlock, err = lock(root, name)
		if !errors.Is(err, ErrBusy) || clock.Sleep(ctx, sharedPause) != nil {
			return unlock, err
		}
	}
}

// lock takes the lock of a name in .moult/.
func lock(root, name string) (unlock func(), err error) {
	file := filepath.Join(root, Dir, name)
	for _, dir := range []string{filepath.Join(root, Dir), filepath.Dir(file)} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return LockFile(file, "this device")
}

// LockFile does the same by any file, which it makes where there is none; what is locked is said in words.
func LockFile(file, what string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644) // a link could lead to a file of ours, which is written to below
	if err != nil {
		return nil, err
	}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	said := make([]byte, 20)
	n, _ := f.ReadAt(said, 0)
	holder := strings.TrimSpace(string(said[:n]))
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		f.Close()
		return nil, fault.Hint(fmt.Errorf("%w on %s (process %s)", ErrBusy, what, holder), "wait for it to end, and try again")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	// Who holds it is only said to help: a full disk must not stop anything here, and an agent need not say it again and again.
	if me := strconv.Itoa(os.Getpid()); holder != me && f.Truncate(0) == nil {
		_, _ = f.WriteString(me + "\n")
	}
	return func() {
		// Not by closing alone: a child that is just being started has the file open too, for a moment.
		_ = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK})
		f.Close()
	}, nil
}
