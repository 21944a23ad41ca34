// Package device puts a device together: its directory, its configuration, its modules with their sources and slots.
// It is the programs' wiring, and knows the adapters that they link.
package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"moult/clock"
	"moult/config"
	"moult/disk"
	"moult/fault"
	"moult/journal"
	"moult/release"
	"moult/slot"
	"moult/update"
	"moult/web"
)

// Options are what a program opens a device with.
type Options struct {
	Root    string         // the device's directory
	Config  *config.Config // instead of what the directory configures; nil for that
	Bundle  string         // a file that the modules come from, in place of where they come from else; "" for none
	Version string         // of the program, for the servers that it asks
	Linked  Linked         // the sources that the program has beyond the forges
	Tell    func(update.Event)
	Wait    time.Duration // how long another run is waited for
	Look    bool          // nothing is to be changed: where another run is at work, its half-done work is shown
	Offline bool          // no source is asked: without a configuration, the modules that are installed will do
	Apart   bool          // the device is locked for each piece of work alone, by Locked, and not while it is open
}

// Device is one that was opened. Whoever opens it closes it.
type Device struct {
	Config  *config.Config
	Engine  *update.Engine
	Journal *journal.Journal
	Modules []*Module
	// OnlyLooked says why the device is only looked at, with Options.Look: another run is at work, or it cannot be written to.
	// Nil where it is this run's own.
	OnlyLooked error

	opt    Options
	others []config.Module // that the device has, and this run does not speak of

	disk   *disk.Dir
	temp   string // on the device's own disk: the system's may be memory
	unlock func()
	client *web.Client
}

// ErrConfigured means that a module was given that the device's configuration has already.
var ErrConfigured = errors.New("the device's configuration has this module")

// Module is a module with what only the programs look at.
type Module struct {
	update.Module
	Config config.Module
	Slots  *slot.Slots
}

// Open opens a device, keeps other runs away, and finishes or undoes what a cut left. A module that cannot be recovered
// does not keep the others from it; the error then comes with the Device, to be closed as well.
func Open(ctx context.Context, opt Options) (*Device, error) {
	root, err := disk.OpenDir(opt.Root)
	if err != nil {
		return nil, fault.Hint(err, "--root names the device's directory; make it first")
	}
	d := &Device{Journal: journal.New(root), opt: opt, disk: root, temp: filepath.Join(opt.Root, journal.Dir, "tmp")}
	d.others, err = d.configure(opt)
	if err == nil && !opt.Apart {
		err = d.lock(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.client = web.New(web.Options{Version: opt.Version})
	d.Engine = &update.Engine{Journal: d.Journal, Now: time.Now, Sleep: clock.Sleep, Tell: opt.Tell}
	for _, m := range d.Config.Modules {
		d.Modules = append(d.Modules, d.module(m))
	}
	if opt.Offline { // what was installed without the configuration is there as well
		for _, m := range d.others {
			d.Modules = append(d.Modules, d.module(m))
		}
		d.others = nil
	}
	if d.OnlyLooked != nil || opt.Apart {
		return d, nil
	}
	return d, d.recover()
}

// recover finishes or undoes what a cut left, of every module: one that cannot be recovered does not keep the others from it.
func (d *Device) recover() error {
	failed := []error{os.RemoveAll(d.temp)}
	for _, m := range d.Modules {
		failed = append(failed, d.Engine.Recover(&m.Module))
	}
	for _, m := range d.others {
		failed = append(failed, d.Engine.Recover(&d.module(m).Module))
	}
	return errors.Join(failed...)
}

// Locked does work while no other run works on the device, after what a cut left is finished or undone. Where that
// fails unrecovered is told, and the work is done all the same: the engine refuses a module that is not recovered.
func (d *Device) Locked(ctx context.Context, unrecovered func(error), work func() error) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer func() { d.unlock(); d.unlock = nil }()
	if err := d.recover(); err != nil {
		unrecovered(err)
	}
	return work()
}

// configure finds the modules of this run, and the others that the device has: what a cut left of them is not left either.
func (d *Device) configure(opt Options) (others []config.Module, err error) {
	installed, err := d.Journal.Modules()
	if err != nil {
		return nil, err
	}
	loaded, err := config.Load(d.disk.FS(), config.Options{})
	switch {
	case err != nil && !errors.Is(err, config.ErrNoModules): // what a module keeps is not known then: none is touched
		return nil, err
	case opt.Config != nil:
		d.Config = opt.Config
		if err == nil {
			others = loaded.Modules
		}
		for _, m := range others {
			if m.Name == opt.Config.Modules[0].Name {
				return nil, fault.Hint(fmt.Errorf("%w: %s", ErrConfigured, m.Name),
					"leave --url out to update it as configured, or give the module another --name")
			}
		}
	case err == nil:
		d.Config = loaded
	case opt.Offline && len(installed) > 0 && errors.Is(err, config.ErrNoModules):
		d.Config = new(config.Config)
		for _, name := range installed {
			d.Config.Modules = append(d.Config.Modules, config.Module{Name: name})
		}
	default:
		return nil, err
	}
	for _, name := range installed {
		others = append(others, config.Module{Name: name})
	}
	known := map[string]bool{}
	for _, m := range d.Config.Modules {
		known[m.Name] = true
	}
	return slices.DeleteFunc(others, func(m config.Module) bool {
		again := known[m.Name]
		known[m.Name] = true
		return again
	}), nil
}

// Close lets the device go.
func (d *Device) Close() error {
	if d.client != nil {
		d.client.Close()
	}
	if d.unlock != nil {
		d.unlock()
	}
	return d.disk.Close()
}

// lock keeps other runs away, and waits for one that is at work.
func (d *Device) lock(ctx context.Context) error {
	opt := d.opt
	deadline := time.Now().Add(opt.Wait)
	for {
		unlock, err := journal.Lock(opt.Root)
		if err == nil {
			d.unlock = unlock
			return nil
		}
		unwritable := errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
		if unwritable {
			err = fault.Hint(fmt.Errorf("the device cannot be written to: %w", err), "run as the user that the device belongs to, on a disk that is not read-only")
		}
		if opt.Look && (errors.Is(err, journal.ErrBusy) || unwritable) {
			d.OnlyLooked = err
			return nil
		}
		if !errors.Is(err, journal.ErrBusy) || time.Now().After(deadline) {
			return err
		}
		if err := clock.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// place is where a module's versions live.
func place(m config.Module) slot.Place {
	if m.Root {
		return slot.RootPlace(m.Dir)
	}
	return slot.ModulePlace(m.Name)
}

func (d *Device) module(m config.Module) *Module {
	slots := slot.New(d.disk, place(m), m.Keep.Match)
	module := &Module{Config: m, Slots: slots, Module: update.Module{
		Name: m.Name, Repository: m.URL, Slots: slots, Channel: m.Channel,
		Source: &source{device: d, module: m, linked: d.opt.Linked},
		Want:   release.Want{Dir: m.Dir, Limits: m.Limits},
		Judged: len(m.Run) > 0 || m.Unit != "" || m.Health != nil || m.Confirm,
	}}
	if d.isSigned(m) { // the signed manifest says what is installed, and where it came from
		module.Want, module.Repository = release.Want{Limits: m.Limits}, d.Config.Repository.URL
		return module
	}
	if m.Asset != "" {
		module.AssetFor = func(v release.Version) (string, error) { return platform().AssetName(m.Asset, v) }
	}
	return module
}

// platform is the system that this program was built for.
func platform() release.Platform {
	p := release.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "GOARM" { // "6", or "6,softfloat"
				p.Arm, _, _ = strings.Cut(s.Value, ",")
			}
		}
	}
	return p
}

// Select returns the modules of these names, in the order of the configuration; all where no name is given.
func (d *Device) Select(names []string) ([]*Module, error) {
	if len(names) == 0 {
		return d.Modules, nil
	}
	var selected []*Module
	var known []string
	for _, m := range d.Modules {
		known = append(known, m.Name)
		if slices.Contains(names, m.Name) {
			selected = append(selected, m)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fault.Hint(fmt.Errorf("got no module %q", name), "the modules are "+strings.Join(known, ", "))
		}
	}
	return selected, nil
}

// Root returns the device's directory that a program takes where none is given: MOULT_ROOT, or the current folder.
func Root() string { return cmp.Or(os.Getenv("MOULT_ROOT"), ".") }
