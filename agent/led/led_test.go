//go:build linux

package led

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"moult/agent/led/ledtest"
	"moult/fault"
)

// TestClassOrder has trigger and brightness be one pipe, so that the order of all writes shows.
func TestClassOrder(t *testing.T) {
	leds := ledtest.New(t)
	leds.Add("green", "")
	dir := filepath.Join(leds.Dir, "green")
	must(t, os.Remove(filepath.Join(dir, "trigger")))
	must(t, os.Symlink("brightness", filepath.Join(dir, "trigger")))
	pipe, err := os.OpenFile(filepath.Join(dir, "brightness"), os.O_WRONLY, 0)
	must(t, err)
	_, err = pipe.WriteString("none timer [mmc0] default-on\n") // what the trigger's reader finds
	must(t, errors.Join(err, pipe.Close()))

	l, err := Open("green", Options{Sys: leds.Dir})
	must(t, err)
	for _, on := range []bool{true, false, true, true} {
		must(t, l.Set(on))
	}
	must(t, l.Close())
	must(t, l.Close())

	want := []string{"none", "0", "255", "0", "255", "255", "mmc0"}
	if got := leds.Writes("green"); !slices.Equal(got, want) {
		t.Errorf("writes: got %q, want %q", got, want)
	}
	if err := l.Set(true); !errors.Is(err, os.ErrClosed) {
		t.Errorf("set after close: got %v, want %v", err, os.ErrClosed)
	}
}

func TestClass(t *testing.T) {
	for _, test := range []struct {
		name        string
		trigger     string
		noTrigger   bool // a kernel without triggers
		activeLow   bool
		wantWrites  []string // open, on, close
		wantTrigger string   // after close
	}{
		{"a trigger is put back", "none [heartbeat] timer", false, false, []string{"0", "255"}, "heartbeat"},
		{"no trigger: off", "[none] heartbeat timer", false, false, []string{"0", "255", "0"}, "none"},
		{"a trigger that the list does not show", "none heartbeat", false, false, []string{"0", "255", "0"}, "none heartbeat"},
		{"a list of many pages", strings.Repeat("cpu9 ", 3000) + "[mmc0]", false, false, []string{"0", "255"}, "mmc0"},
		{"a kernel without triggers", "", true, false, []string{"0", "255", "0"}, ""},
		{"active low", "none [mmc0]", false, true, []string{"255", "0"}, "mmc0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			leds := ledtest.New(t)
			leds.Add("mmc0::", test.trigger)
			if test.noTrigger {
				must(t, os.Remove(filepath.Join(leds.Dir, "mmc0::", "trigger")))
			}
			l, err := Open("mmc0::", Options{Sys: leds.Dir, ActiveLow: test.activeLow})
			must(t, err)
			must(t, l.Set(true))
			must(t, l.Close())
			if got := leds.Writes("mmc0::"); !slices.Equal(got, test.wantWrites) {
				t.Errorf("writes: got %q, want %q", got, test.wantWrites)
			}
			if test.noTrigger {
				_, err := os.Stat(filepath.Join(leds.Dir, "mmc0::", "trigger"))
				if !errors.Is(err, os.ErrNotExist) {
					t.Errorf("trigger: got %v, want none made", err)
				}
			} else if got := leds.Trigger("mmc0::"); got != test.wantTrigger {
				t.Errorf("trigger after close: got %q, want %q", got, test.wantTrigger)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	leds := ledtest.New(t)
	leds.Add("ACT", "none [mmc0]")
	leds.Add("green", "[none]")
	must(t, os.WriteFile(filepath.Join(leds.Dir, "green", "max_brightness"), []byte("bright\n"), 0o644))
	must(t, os.Mkdir(filepath.Join(leds.Dir, "empty"), 0o755))
	dev := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dev, "gpiochip0"), nil, 0o644))
	must(t, os.Symlink("/dev/null", filepath.Join(dev, "gpiochip1")))
	must(t, os.Symlink("gpiochip0", filepath.Join(dev, "gpiochip4")))
	must(t, os.Symlink("gpiochip9", filepath.Join(dev, "gpiochip5")))
	outside := filepath.Join(filepath.Dir(leds.Dir), "outside")
	must(t, os.CopyFS(outside, os.DirFS(filepath.Join(leds.Dir, "empty"))))
	opt := Options{Sys: leds.Dir, Dev: dev}

	for _, test := range []struct {
		name, led string
		opt       Options
		want      string
		wantHint  string
	}{
		{"nothing", "", opt, "want the name of an LED", ""},
		{"the folder itself", ".", opt, "want the name of an LED", ""},
		{"its parent", "..", opt, "want the name of an LED", ""},
		{"outside the folder", "../outside", opt, "want the name of an LED", ""},
		{"an absolute path", "/sys/class/leds/ACT", opt, "want the name of an LED", ""},
		{"a file of an LED", "ACT/brightness", opt, "want the name of an LED", ""},
		{"NUL", "ACT\x00", opt, "want the name of an LED", ""},
		{"a line with a path", "../gpiochip0/1", opt, "want the name of an LED", ""},
		{"a line below zero", "gpiochip0/-1", opt, "want the name of an LED", ""},
		{"a line past its chip", "gpiochip0/1/2", opt, "want the name of an LED", ""},
		{"no such LED", "grean", opt, `open led "grean": no such LED`, "there are: ACT, empty, green"},
		{"no LEDs at all", "green", Options{Sys: filepath.Join(dev, "none")}, "no such LED", "a GPIO line is written as gpiochip0/18"},
		{"no LED in its folder", "empty", opt, "max_brightness: no such file", ""},
		{"brightness without bound", "green", opt, `max_brightness: got "bright", want a number`, ""},
		{"no such chip", "gpiochip7/18", opt, "no such GPIO device " + dev + "/gpiochip7", "there are: gpiochip0, gpiochip1, gpiochip4, gpiochip5"},
		{"no chips at all", "gpiochip0/18", Options{Dev: leds.Dir}, "no such GPIO device", "there is none in"},
		{"a file for a chip", "gpiochip0/18", opt, "gpiochip0: got no GPIO character device", ""},
		{"another device for a chip", "gpiochip1/18", opt, "gpiochip1: got no GPIO character device", ""},
		{"a link to none", "gpiochip5/18", opt, "no such GPIO device", "there are: "},
		{"a link to a file", "gpiochip4/18", opt, "gpiochip4: got no GPIO character device", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(test.led, test.opt)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want one with %q", err, test.want)
			}
			if got := fault.HintOf(err); !strings.Contains(got, test.wantHint) || got != "" && test.wantHint == "" {
				t.Errorf("hint: got %q, want one with %q", got, test.wantHint)
			}
		})
	}
	if got := leds.Writes("ACT"); len(got) > 0 {
		t.Errorf("writes to an LED that none named: got %q, want none", got)
	}
}

// TestPermission opens as a user who is not root: a file that root may write anyway proves nothing.
func TestPermission(t *testing.T) {
	leds := ledtest.New(t)
	leds.Add("root's", "none [mmc0]")
	leds.Add("shared", "none [mmc0]")
	const group = 61234 // of no name
	dev := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dev, "gpiochip0"), nil, 0o660))
	if os.Getuid() == 0 {
		for _, name := range []string{"trigger", "brightness"} {
			must(t, os.Chown(filepath.Join(leds.Dir, "shared", name), 0, group))
			must(t, os.Chmod(filepath.Join(leds.Dir, "shared", name), 0o664))
		}
	} else {
		must(t, os.Chmod(filepath.Join(leds.Dir, "root's", "trigger"), 0o444))
	}
	for dir := leds.Dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) { // the test's folders are their owner's alone
		must(t, os.Chmod(dir, 0o755))
	}

	asNobody(t, func() {
		_, err := Open("root's", Options{Sys: leds.Dir})
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(fault.HintOf(err), "run as root, or let a group by a udev rule") {
			t.Errorf("root's LED: got %v, hint %q, want a refusal that names root and udev", err, fault.HintOf(err))
		}
		if os.Getuid() != 0 {
			return // it cannot give a file away
		}
		_, err = Open("shared", Options{Sys: leds.Dir})
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(fault.HintOf(err), "of the group 61234: usermod -aG 61234 USER") {
			t.Errorf("a group's LED: got %v, hint %q, want a refusal that names the group", err, fault.HintOf(err))
		}
	})
}

// asNobody runs f with the file rights of a user who owns nothing; where the test is not root's it has no more already.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread() // the rights are the thread's
	defer runtime.UnlockOSThread()
	const nobody = 65534
	must(t, unix.Setfsuid(nobody))
	defer unix.Setfsuid(0)
	f()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
