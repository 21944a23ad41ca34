package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"moult/fault"
)

// ErrBusy means that another run works on the device, or on whatever else was locked.
var ErrBusy = errors.New("another run is at work")

// Lock keeps other runs away from the device whose directory is root, until it is let go or the process ends,
// however it ends: the kernel holds it. Where another run has it, the error is ErrBusy and names its process.
func Lock(root string) (unlock func(), err error) { return LockAs(root, "lock") }

// LockAs does the same for another purpose than changing the device: a lock of that name in .moult/.
func LockAs(root, name string) (unlock func(), err error) {
	dir := filepath.Join(root, Dir)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return LockFile(filepath.Join(dir, name), "this device")
}

// LockFile does the same by any file, which it makes where there is none; what is locked is said in words.
func LockFile(name, what string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder := make([]byte, 20)
		n, _ := f.Read(holder)
		f.Close()
		return nil, fault.Hint(fmt.Errorf("%w on %s (process %s)", ErrBusy, what, strings.TrimSpace(string(holder[:n]))), "wait for it to end, and try again")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock: %w", err)
	}
	if f.Truncate(0) == nil { // who holds it is only said to help: a full disk must not stop anything here
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return func() { f.Close() }, nil
}
