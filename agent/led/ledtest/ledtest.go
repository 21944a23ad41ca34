//go:build linux

// Package ledtest is a folder of LEDs as the kernel has it in /sys/class/leds, which remembers each write in its order.
package ledtest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Class is the folder. What the real kernel would do with a write, it does not: a trigger file shows what was last written to it.
type Class struct {
	Dir string
	t   testing.TB
	fds map[string]int // of each LED's brightness
}

// New makes a folder without LEDs, which goes with the test.
func New(t testing.TB) *Class {
	t.Helper()
	return &Class{t.TempDir(), t, map[string]int{}}
}

// Add makes an LED with 255 steps. Trigger is what its file shows, such as "none timer [mmc0]".
func (c *Class) Add(name, trigger string) {
	c.t.Helper()
	dir := filepath.Join(c.Dir, name)
	c.check(os.Mkdir(dir, 0o755))
	c.check(os.WriteFile(filepath.Join(dir, "max_brightness"), []byte("255\n"), 0o444))
	c.check(os.WriteFile(filepath.Join(dir, "trigger"), []byte(trigger+"\n"), 0o644))
	brightness := filepath.Join(dir, "brightness")
	c.check(unix.Mkfifo(brightness, 0o644))
	fd, err := unix.Open(brightness, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) // held for both, so that no writer waits for a reader
	c.check(err)
	c.t.Cleanup(func() { unix.Close(fd) })
	c.fds[name] = fd
}

// Trigger is what the LED's trigger file shows now.
func (c *Class) Trigger(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Dir, name, "trigger"))
	c.check(err)
	return strings.TrimSpace(string(text))
}

// Writes returns what was written to the LED's brightness since it was last asked, in order.
func (c *Class) Writes(name string) []string {
	c.t.Helper()
	fd, known := c.fds[name]
	if !known {
		c.t.Fatalf("led %q: got none of that name, want one that Add made", name)
	}
	var text strings.Builder
	for buf := make([]byte, 4096); ; {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EAGAIN) {
			return strings.Fields(text.String())
		}
		c.check(err)
		text.Write(buf[:n])
	}
}

func (c *Class) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}
