package led

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"moult/fault"
)

// class is an LED of the kernel's LED class: Documentation/leds/leds-class.rst.
type class struct {
	dir     string
	full    string // max_brightness
	trigger string // as it was found; "" where there is none to put back
}

var _ output = (*class)(nil)

// noTrigger is the trigger's name under which the brightness is ours alone.
const noTrigger = "none"

func openClass(sys, name string) (*class, error) {
	c := &class{dir: filepath.Join(sys, name)}
	if _, err := os.Stat(c.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Hint(fmt.Errorf("no such LED in %s", sys),
			there(sys, "*", fmt.Sprintf("there is none in %s; a GPIO line is written as gpiochip0/18", sys)))
	}
	full, err := os.ReadFile(c.file("max_brightness"))
	if err != nil {
		return nil, err
	}
	c.full = strings.TrimSpace(string(full))
	if n, err := strconv.ParseUint(c.full, 10, 32); err != nil || n == 0 {
		return nil, fmt.Errorf("max_brightness: got %q, want a number from 1", c.full)
	}
	if c.trigger, err = c.readTrigger(); err != nil {
		return nil, err
	}
	// The trigger goes first: one that is on would write over the brightness, and the kernel sets it to 0 as the trigger goes.
	if c.trigger != "" {
		if err := c.write("trigger", noTrigger); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// readTrigger returns the LED's trigger, which the kernel shows in brackets among all that it has: "none timer [heartbeat]".
// A kernel without triggers has no such file.
func (c *class) readTrigger() (string, error) {
	f, err := os.Open(c.file("trigger"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	const longest = 64 << 10 // with a trigger for each processor and disk the list passes one page
	text := bufio.NewReader(io.LimitReader(f, longest))
	if _, err := text.ReadString('['); err != nil {
		return "", nil // an LED that a trigger of its own drives may show none
	}
	current, err := text.ReadString(']')
	if err != nil {
		return "", fmt.Errorf("%s: got %q, want the trigger in brackets", f.Name(), current)
	}
	return strings.TrimSuffix(current, "]"), nil
}

func (c *class) set(high bool) error {
	if high {
		return c.write("brightness", c.full)
	}
	return c.write("brightness", "0")
}

func (c *class) close() error {
	if c.trigger == "" || c.trigger == noTrigger {
		return c.set(false)
	}
	return c.write("trigger", c.trigger)
}

// write gives the kernel a value in one write, as it wants it. It makes no file: what is missing in /sys is an error.
func (c *class) write(name, value string) error {
	f, err := os.OpenFile(c.file(name), os.O_WRONLY|os.O_TRUNC, 0)
	if errors.Is(err, fs.ErrPermission) {
		return denied(c.file(name), err)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(value + "\n")
	return errors.Join(err, f.Close())
}

func (c *class) file(name string) string { return filepath.Join(c.dir, name) }
