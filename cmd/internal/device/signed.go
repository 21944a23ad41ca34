package device

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"moult/config"
	"moult/disk"
	"moult/fault"
	"moult/journal"
	"moult/release"
	"moult/slot"
	"moult/trust"
	"moult/web"
)

// Trust returns what the device trusts.
func (d *Device) Trust() *trust.Store { return trust.NewStore(d.disk) }

// WithTrust does something to what the device in a folder trusts, while no other run does. The device needs no configuration yet.
func WithTrust(ctx context.Context, root string, do func(*trust.Store) error) error {
	d, err := disk.OpenDir(root)
	if err != nil {
		return fault.Hint(err, "--root names the device's directory; make it first")
	}
	defer d.Close()
	unlock, err := journal.LockTrust(ctx, root)
	if err != nil {
		return err
	}
	defer unlock()
	return do(trust.NewStore(d))
}

// isSigned reports whether a module comes from the signed repository, or from a bundle of one, and from nowhere else.
func (d *Device) isSigned(m config.Module) bool {
	return d.opt.Bundle != "" || d.Config.Repository.URL != "" && !m.Direct
}

// signed makes a module's signed source.
func (d *Device) signed(m config.Module) (release.Source, error) {
	opt := trust.Options{Disk: d.disk, Module: m.Name, Kinds: d.kinds(), Clock: time.Now, Slot: slot.New(d.disk, place(m), nil), Meter: new(web.Meter),
		Lock: func(ctx context.Context) (func(), error) { return journal.LockTrust(ctx, d.opt.Root) }}
	if d.opt.Bundle != "" {
		opt.Bundle = func() (io.ReadCloser, error) { return OpenBundle(d.opt.Bundle) }
		return trust.NewSource(opt), nil
	}
	site, err := trust.OpenSite(d.Config.Repository.URL, d.client, opt.Meter)
	if err != nil {
		return nil, err
	}
	opt.Site = site
	return trust.NewSource(opt), nil
}

// kinds are the kinds of device that this one is of.
func (d *Device) kinds() []string {
	kinds := platform().Kinds()
	if d.Config.Kind != "" {
		kinds = slices.Insert(kinds, 0, d.Config.Kind)
	}
	return kinds
}

// OpenBundle opens a bundle that somebody brought.
func OpenBundle(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("--bundle: %w", err), "--bundle names a file, as a repository has them in bundles/")
	}
	return f, nil
}

// ModuleOfBundle returns the module that a bundle says that it is for.
func ModuleOfBundle(name string) (string, error) {
	f, err := OpenBundle(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	module, err := trust.ModuleOf(f)
	if err != nil {
		return "", fmt.Errorf("--bundle %s: %w", name, err)
	}
	return module, nil
}

// IsProven reports whether the signed repository vouches for a module's running version.
func (d *Device) IsProven(m *Module) (bool, error) {
	data, err := m.Slots.Raw()
	if err != nil {
		return false, err
	}
	return d.Trust().Vouches(m.Name, data)
}
