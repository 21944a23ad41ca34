// Package led lights one LED of a Linux device: one of the kernel's LED class, or a line of a GPIO character device.
//
// It stands on fault, and on go-gpiocdev for the lines.
package led

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"moult/fault"
)

// Options say where LEDs are and how they are wired; the zero Options are a device's usual ones.
type Options struct {
	Sys       string // the folder of the LED class; "": /sys/class/leds
	Dev       string // the folder of the GPIO character devices; "": /dev
	ActiveLow bool   // the LED is lit while its line is low
}

// Light is one LED. It is not for several goroutines at once.
type Light struct {
	name      string
	activeLow bool
	output    output // nil once closed
}

// output is what a Light drives: high is the line's level, or full brightness.
type output interface {
	set(high bool) error
	close() error
}

// gpioLine is how a line of a GPIO character device is written.
var gpioLine = regexp.MustCompile(`^gpiochip[0-9]{1,4}/[0-9]{1,4}$`)

// Open opens one LED by its configured name: "gpiochip0/18" is a line of a GPIO character device, any other name one of the LED class
// (/sys/class/leds/NAME). An opened light is off, and is nobody else's until it is closed: the LED's trigger is taken off it, the line is held.
func Open(name string, opt Options) (*Light, error) {
	if opt.Sys == "" {
		opt.Sys = "/sys/class/leds"
	}
	if opt.Dev == "" {
		opt.Dev = "/dev"
	}
	l := &Light{name: name, activeLow: opt.ActiveLow}
	var err error
	switch {
	case gpioLine.MatchString(name):
		chip, offset, _ := strings.Cut(name, "/")
		n, _ := strconv.Atoi(offset) // digits, by the pattern
		l.output, err = openLine(opt.Dev, chip, n, opt.ActiveLow)
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		err = fmt.Errorf("got %q, want the name of an LED in %s, or a GPIO line such as gpiochip0/18", name, opt.Sys)
	default:
		l.output, err = openClass(opt.Sys, name)
	}
	if err != nil {
		return nil, fmt.Errorf("open led %q: %w", name, err)
	}
	if err := l.Set(false); err != nil {
		l.output.close() // the first error says more
		return nil, err
	}
	return l, nil
}

// Set switches the light on or off.
func (l *Light) Set(on bool) error {
	if l.output == nil {
		return fmt.Errorf("set led %q: %w", l.name, os.ErrClosed)
	}
	if err := l.output.set(on != l.activeLow); err != nil {
		return fmt.Errorf("set led %q: %w", l.name, err)
	}
	return nil
}

// Close gives the LED back: one of the LED class to the trigger that it had, or off where it had none; a GPIO line is released,
// and what it then shows is its driver's to say. A second Close does nothing.
func (l *Light) Close() error {
	if l.output == nil {
		return nil
	}
	output := l.output
	l.output = nil
	if err := output.close(); err != nil {
		return fmt.Errorf("close led %q: %w", l.name, err)
	}
	return nil
}

// there lists the names in dir that match pattern, for a hint.
func there(dir, pattern, none string) string {
	names, _ := filepath.Glob(filepath.Join(dir, pattern))
	if len(names) == 0 {
		return none
	}
	const most = 20 // what a line can show
	rest := ""
	if len(names) > most {
		names, rest = names[:most], ", …"
	}
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	slices.Sort(names)
	return "there are: " + strings.Join(names, ", ") + rest
}

// denied hints at who may use the file at path, where err says that this user may not.
func denied(path string, err error) error {
	info, statErr := os.Stat(path)
	if statErr != nil {
		return fault.Hint(err, "run as root")
	}
	if group := writers(info); group != "" {
		return fault.Hint(err, fmt.Sprintf("run as root, or as a user of the group %s: usermod -aG %[1]s USER", group))
	}
	return fault.Hint(err, fmt.Sprintf("only root may write %s: run as root, or let a group by a udev rule", path))
}

// writers names the group that may write a file, or "".
func writers(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Gid == 0 || info.Mode().Perm()&0o020 == 0 {
		return ""
	}
	gid := strconv.FormatUint(uint64(stat.Gid), 10)
	if group, err := user.LookupGroupId(gid); err == nil {
		return group.Name
	}
	return gid
}
