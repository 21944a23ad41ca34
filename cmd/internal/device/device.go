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
	Wait    time.Duration // how long another run's work on a module is waited for
	Look    bool          // nothing is to be changed: where another run is at work, its half-done work is shown
	Offline bool          // no source is asked: without a configuration, the modules that are installed will do
	Apart   bool          // what a cut left is put right by Locked, before each piece of work, and not by Open
}

// Device is one that was opened. Whoever opens it closes it.
type Device struct {
	Config  *config.Config
	Engine  *update.Engine
	Journal *journal.Journal
	Modules []*Module
	// OnlyLooked says why what a cut left of a module is left as it is: another run is at work on it, or the device cannot be written to.
	// Nil where all is in order.
	OnlyLooked error

	opt    Options
	others []config.Module // that the device has, and this run does not speak of

	disk   *disk.Dir
	client *web.Client

	commandTime time.Duration // how long a command of the application may take
}

// ErrConfigured means that a module was given that the device's configuration has already.
var ErrConfigured = errors.New("the device's configuration has this module")

// Module is a module with what only the programs look at.
type Module struct {
	update.Module
	Config config.Module
	Slots  *slot.Slots
}

// Open opens a device, and finishes or undoes what a cut left. A module that cannot be recovered does not keep the others from it;
// the error then comes with the Device, to be closed as well. Work on a module is done by Locked.
func Open(ctx context.Context, opt Options) (*Device, error) {
	root, err := disk.OpenDir(opt.Root)
	if err != nil {
		return nil, fault.Hint(err, "--root names the device's directory; make it first")
	}
	d := &Device{Journal: journal.Shared(opt.Root, root), opt: opt, disk: root, commandTime: maxCommand}
	d.others, err = d.configure(opt)
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
	if opt.Apart {
		return d, nil
	}
	err = d.recoverAll(d.Modules)
	if isUnwritable(d.OnlyLooked) && !opt.Look {
		return nil, errors.Join(d.OnlyLooked, d.Close())
	}
	return d, err
}

// recoverAll finishes or undoes what a cut left of these modules, and of those that this run does not speak of: one that cannot be
// recovered does not keep the others from it. What another run is at work on was not cut.
func (d *Device) recoverAll(modules []*Module) error {
	for _, m := range d.others {
		modules = append(slices.Clip(modules), d.module(m))
	}
	var failed []error
	for _, m := range modules {
		unlock, err := d.lock(m)
		switch {
		case errors.Is(err, journal.ErrBusy), isUnwritable(err):
			d.OnlyLooked = err
			continue
		case err == nil:
			err = d.recover(m)
			unlock()
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (d *Device) recover(m *Module) error {
	return errors.Join(os.RemoveAll(d.temp(m.Name)), d.Engine.Recover(&m.Module))
}

// temp is where a module's source may put down what it needs for a moment: on the device's own disk, as the system's may be memory.
func (d *Device) temp(module string) string {
	return filepath.Join(d.opt.Root, journal.Dir, "tmp", module)
}

// Locked does work on a module while no other run works on it, after what a cut left of it is finished or undone. Where that
// fails unrecovered is told, unless it is nil, and the work is done all the same: the engine refuses a module that is not recovered.
// Work on one module does not wait for another's.
func (d *Device) Locked(ctx context.Context, m *Module, unrecovered func(error), work func() error) error {
	deadline := time.Now().Add(d.opt.Wait)
	unlock, err := d.lock(m)
	for errors.Is(err, journal.ErrBusy) && time.Now().Before(deadline) {
		if err := clock.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		unlock, err = d.lock(m)
	}
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.recover(m); err != nil && unrecovered != nil {
		unrecovered(err)
	}
	return work()
}

// lock keeps other runs away from a module.
func (d *Device) lock(m *Module) (unlock func(), err error) {
	unlock, err = journal.LockModule(d.opt.Root, m.Name)
	if isUnwritable(err) {
		err = fault.Hint(fmt.Errorf("the device cannot be written to: %w", err), "run as the user that the device belongs to, on a disk that is not read-only")
	}
	return unlock, err
}

func isUnwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
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
	return d.disk.Close()
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

// Reads returns what the device's configuration names beyond its directory, and its agent reads: files and folders, absolute.
func (d *Device) Reads() []string {
	c := d.Config
	all := append(slices.Clone(c.Outside), c.MQTT.CA, c.MQTT.Cert, c.MQTT.Key, strings.TrimPrefix(c.Repository.URL, "file://"))
	for _, m := range c.Modules {
		address := strings.TrimPrefix(m.URL, "file://")
		if address != "" && !filepath.IsAbs(address) && !strings.HasPrefix(address, "http") { // SSH, whose keys and known hosts are in a home
			address = "/root/.ssh"
		}
		all = append(all, address)
	}
	return slices.DeleteFunc(all, func(path string) bool { return !filepath.IsAbs(path) })
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
