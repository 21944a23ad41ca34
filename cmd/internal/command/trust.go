package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"moult/cmd/internal/device"
	"moult/disk"
	"moult/fault"
	"moult/trust"
	"moult/update"
	"moult/web"
)

// trustFlags are what trust is asked for.
type trustFlags struct {
	sha256  string
	replace bool
}

func (a *app) trust() *cobra.Command {
	var f trustFlags
	cmd := &cobra.Command{
		Use:   "trust [FILE|URL]",
		Short: "Install the root of trust of a signed repository, or show what is trusted",
		Long: `Trust makes a repository's root, such as its metadata/1.root.json, the device's root of trust: from then on the device installs
nothing from the repository that this root does not lead to. It is done once, with a file that came by a safe way; --sha256 compares
one that came by another. Newer roots come with the updates. Without an argument it shows what is trusted.

` + exitHelp,
		Example: `  moult trust root.json
  moult trust https://owner.github.io/updates/metadata/1.root.json --sha256 5e88…
  moult trust`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.showTrust()
			}
			return a.installRoot(cmd.Context(), args[0], f)
		},
	}
	cmd.Flags().StringVar(&f.sha256, "sha256", "", "refuse a file with another SHA-256")
	cmd.Flags().BoolVar(&f.replace, "replace", false, "take it in place of another root of trust, and forget all that the other led to")
	return cmd
}

// installRoot needs no configuration: a device may be given its root before anything else.
func (a *app) installRoot(ctx context.Context, from string, f trustFlags) error {
	if strings.HasPrefix(from, "http://") && f.sha256 == "" { // all trust rests on it, and whoever is on the wire could replace it
		return usageError{fault.Hint(fmt.Errorf("%s: got a root over plain http without its SHA-256", from), "give --sha256, take https, or bring the file")}
	}
	data, err := a.readRoot(ctx, from)
	if err != nil {
		return err
	}
	anchor, err := trust.ReadAnchor(data)
	if err != nil {
		return err
	}
	if f.sha256 != "" && !strings.EqualFold(f.sha256, anchor.SHA256) {
		return fault.Hint(fmt.Errorf("%s: got SHA-256 %s, want %s", from, anchor.SHA256, f.sha256), "it is not the file that was meant; nothing was installed")
	}
	err = device.WithTrust(ctx, a.root, func(s *trust.Store) error {
		_, err := s.Install(data, f.replace)
		return err
	})
	if err != nil {
		return err
	}
	if a.json {
		return newPrinter(a.out, a.err, true, true).object(anchor)
	}
	a.printAnchor(anchor)
	return nil
}

// readRoot reads a root from a file or over the web.
func (a *app) readRoot(ctx context.Context, from string) ([]byte, error) {
	var body io.ReadCloser
	if strings.HasPrefix(from, "https://") || strings.HasPrefix(from, "http://") {
		client := web.New(web.Options{Version: a.Version})
		defer client.Close()
		resp, err := client.Do(ctx, web.Request{URL: from, Want: web.Bytes})
		if err != nil {
			return nil, err
		}
		body = resp.Body
	} else {
		file, err := os.Open(from)
		if err != nil {
			return nil, usageError{fault.Hint(err, "name the root's file, such as metadata/1.root.json of the repository")}
		}
		body = file
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, trust.MaxAnchor+1))
}

func (a *app) showTrust() error {
	d, err := disk.OpenDir(a.root)
	if err != nil {
		return usageError{fault.Hint(err, "--root names the device's directory; make it first")}
	}
	defer d.Close()
	state, err := trust.NewStore(d).State()
	if err != nil {
		return err
	}
	if a.json {
		return newPrinter(a.out, a.err, true, true).object(state)
	}
	if state.Anchor == nil {
		fmt.Fprintf(a.out, "no root of trust: nothing is installed from a signed repository; '%s trust FILE' installs one\n", a.Name)
		return nil
	}
	a.printAnchor(*state.Anchor)
	if len(state.Roles) > 0 {
		fmt.Fprintln(a.out, "\nlast seen of the repository")
	}
	now := time.Now()
	if state.Floor.After(now) {
		now = state.Floor
	}
	for _, held := range state.Roles {
		expired := ""
		if now.After(held.Expires) {
			expired = ", which is over"
		}
		fmt.Fprintf(a.out, "  %-12s version %d, good until %s%s\n", held.Role, held.Version, utc(held.Expires), expired)
	}
	if !state.Floor.IsZero() {
		fmt.Fprintf(a.out, "  it is later than %s, whatever the clock says\n", utc(state.Floor))
	}
	return nil
}

func (a *app) printAnchor(anchor trust.Anchor) {
	fmt.Fprintf(a.out, "root of trust, version %d, good until %s\n", anchor.Version, utc(anchor.Expires))
	fmt.Fprintf(a.out, "  sha256     %s\n", anchor.SHA256)
	fmt.Fprintf(a.out, "  threshold  %d of %s\n", anchor.Threshold, update.Plural(len(anchor.Keys), "key"))
	for _, key := range anchor.Keys {
		fmt.Fprintf(a.out, "  key        %s\n", key)
	}
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
