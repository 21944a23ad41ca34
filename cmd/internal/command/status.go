package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"moult/cmd/internal/device"
	"moult/release"
	"moult/update"
)

// moduleStatus is what status says of a module.
type moduleStatus struct {
	Module     string            `json:"module"`
	Version    release.Version   `json:"version,omitzero"`
	State      string            `json:"state"` // "idle", "trial", or the step of another run
	Since      time.Time         `json:"since,omitzero"`
	Previous   release.Version   `json:"previous,omitzero"`
	Channel    string            `json:"channel"`
	Repository string            `json:"repository,omitempty"` // where what is running came from
	Commit     string            `json:"commit,omitempty"`
	Signed     bool              `json:"signed,omitempty"` // the signed repository vouches for all of the above
	Files      int               `json:"files,omitempty"`  // of the release
	Own        int               `json:"own"`              // of the device
	Rejected   []release.Version `json:"rejected,omitempty"`
	Failure    string            `json:"failure,omitempty"`
}

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use:   "status [MODULE…]",
		Short: "Show what is installed, where it came from, and what is under way",
		Long:  "Status shows each module's version, the repository and commit that it came from, whether\nthe signed repository vouches for that, the version to go back to,\nand why the last try failed. It needs no network.\n\n" + exitHelp,
		Example: `  moult status
  moult status irrigation --json`,
		ValidArgsFunction: a.moduleNames,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.showStatus(cmd.Context(), args) },
	}
}

func (a *app) showStatus(ctx context.Context, names []string) error {
	printer := newPrinter(a.out, a.err, a.json, true)
	d, unrecovered := a.open(ctx, device.Options{Tell: printer.tell, Look: true, Offline: true})
	if d == nil {
		return unrecovered
	}
	defer d.Close()
	modules, unknown := d.Select(names)
	if unknown != nil {
		return usageError{unknown}
	}
	if d.OnlyLooked != nil && !a.json {
		fmt.Fprintf(a.out, "%v; this is how it stands now\n", d.OnlyLooked)
	}
	for _, m := range modules {
		s, err := statusOf(d, m)
		if err != nil {
			return fmt.Errorf("status of %s: %w", m.Name, err)
		}
		if a.json {
			err = printer.object(s)
		} else {
			a.printStatus(d, s)
		}
		if err != nil {
			return err
		}
	}
	return unrecovered
}

func statusOf(d *device.Device, m *device.Module) (moduleStatus, error) {
	state, err := d.Journal.Load(m.Name)
	if err != nil {
		return moduleStatus{}, err
	}
	look, err := m.Slots.Look()
	if err != nil {
		return moduleStatus{}, err
	}
	s := moduleStatus{Module: m.Name, Version: look.Main.Version, State: string(state.Step), Since: state.Since,
		Previous: look.Prev.Version, Channel: m.Channel.String(), Rejected: state.Rejected, Failure: state.Failure}
	if state.Step == update.Idle {
		s.State, s.Since = "idle", time.Time{}
	}
	manifest, err := m.Slots.Manifest()
	if err != nil {
		return moduleStatus{}, err
	}
	if manifest != nil {
		s.Repository, s.Commit, s.Files = manifest.Repository, manifest.Commit, len(manifest.Files)
	}
	if s.Signed, err = d.IsProven(m); err != nil {
		return moduleStatus{}, err
	}
	own, err := m.Slots.Own()
	s.Own = len(own)
	return s, err
}

func (a *app) printStatus(d *device.Device, s moduleStatus) {
	version := s.Version.String()
	if s.Version.IsZero() {
		version = "not installed"
	}
	switch update.Step(s.State) {
	case "idle":
	case update.Trial:
		version += ", on trial since " + local(s.Since, d.Config.Timezone)
	default:
		version += ", " + s.State
	}
	fmt.Fprintf(a.out, "%s  %s\n", s.Module, version)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(a.out, "  %-9s %s\n", name, value)
		}
	}
	row("channel", s.Channel)
	from := s.Repository
	if s.Commit != "" {
		from += " at " + s.Commit
	}
	if s.Signed {
		from = strings.TrimPrefix(from+", signed by its repository", ", ")
	}
	row("from", from)
	if s.Files+s.Own > 0 {
		row("files", fmt.Sprintf("%d of the release, %d of the device's own", s.Files, s.Own))
	}
	row("previous", s.Previous.String())
	for _, v := range s.Rejected {
		row("rejected", v.String()+", which was rolled back")
	}
	row("failed", s.Failure)
}
