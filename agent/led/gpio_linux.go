package led

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/warthog618/go-gpiocdev"

	"moult/fault"
)

// line is a line of a GPIO character device, held open: a line that is released may fall back to what it was.
type line struct {
	held interface { // *gpiocdev.Line
		SetValue(value int) error
		Close() error
	}
}

var _ output = (*line)(nil)

// openLine takes a line as an output at the given level.
func openLine(dev, chip string, offset int, high bool) (output, error) {
	path := filepath.Join(dev, chip)
	held, err := request(path, offset, level(high))
	if err != nil {
		return nil, explainLine(dev, chip, offset, err)
	}
	return &line{held}, nil
}

func explainLine(dev, chip string, offset int, err error) error {
	path := filepath.Join(dev, chip)
	at := fmt.Errorf("%s line %d: %w", path, offset, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Hint(fmt.Errorf("no such GPIO device %s", path),
			there(dev, "gpiochip*", fmt.Sprintf("there is none in %s; an LED of the kernel's is written as its name in /sys/class/leds", dev)))
	case errors.Is(err, fs.ErrPermission):
		return denied(path, at)
	case errors.Is(err, syscall.EBUSY):
		return fault.Hint(at, fmt.Sprintf("another program or the kernel has the line: gpioinfo %s says which", chip))
	case errors.Is(err, gpiocdev.ErrNotCharacterDevice):
		return fmt.Errorf("%s: got no GPIO character device, want one", path)
	}
	return at
}

func request(path string, offset, value int) (*gpiocdev.Line, error) {
	path, err := filepath.EvalSymlinks(path) // gpiocdev takes no link, and some systems have one where a chip's number has changed
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if path, err = filepath.Rel("/dev", path); err != nil { // gpiocdev puts /dev before whatever it is given
		return nil, err
	}
	chip, err := gpiocdev.NewChip(path, gpiocdev.WithConsumer("moult"))
	if err != nil {
		return nil, err
	}
	defer chip.Close() // a line outlives its chip
	if offset >= chip.Lines() {
		return nil, fmt.Errorf("got line %d, want one from 0 to %d", offset, chip.Lines()-1)
	}
	return chip.RequestLine(offset, gpiocdev.AsOutput(value))
}

func (l *line) set(high bool) error { return l.held.SetValue(level(high)) }

func (l *line) close() error { return l.held.Close() }

func level(high bool) int {
	if high {
		return 1
	}
	return 0
}
