package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"moult/fault"
	"moult/update"
)

// printer shows what happens as it happens: a line an event, or a JSON object a line; and on a terminal a bar for bytes.
type printer struct {
	out   io.Writer // events and results
	err   io.Writer // the bar
	json  bool
	quiet bool // results alone: for --check and --dry-run
	width int
	bar   *progressbar.ProgressBar
	tty   bool
	next  int64 // without a terminal: the received bytes at which to say so again
}

func newPrinter(out, err io.Writer, json, quiet bool) *printer {
	f, isFile := err.(*os.File)
	return &printer{out: out, err: err, json: json, quiet: quiet, width: 1, tty: isFile && term.IsTerminal(int(f.Fd())), next: firstLine}
}

// firstLine is the size from which a download without a terminal is worth a line, in bytes; further lines at each doubling.
const firstLine = 4 << 20

func (p *printer) tell(e update.Event) {
	switch {
	case e.Kind == update.Progress && !p.json:
		p.progress(e)
		return
	case p.quiet && e.Kind != update.Recovered:
		return
	}
	p.done()
	switch {
	case p.json:
		p.object(e)
	case e.Kind == update.Failed: // it comes back as the error
	case e.Kind == update.StagedAll:
		text := fmt.Sprintf("%s, %s", e.Text, size(e.Bytes))
		if e.Requests > 0 {
			text += fmt.Sprintf(", from %s received in %s", size(e.Received), update.Plural(e.Requests, "request"))
		} else {
			text += ", without a request"
		}
		p.line(e.Module, text)
	default:
		p.line(e.Module, e.Text)
	}
}

func (p *printer) line(module, text string) { fmt.Fprintf(p.out, "%-*s  %s\n", p.width, module, text) }

func (p *printer) object(v any) error {
	data, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(p.out, "%s\n", data)
	}
	return err
}

func (p *printer) progress(e update.Event) {
	if !p.tty {
		if e.Received >= p.next {
			p.line(e.Module, size(e.Received)+" received")
			p.next *= 2
		}
		return
	}
	if p.bar == nil {
		total := e.Total
		if total <= 0 {
			total = -1
		}
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.err), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription(e.Module), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(24),
			progressbar.OptionThrottle(100e6)) // 0.1 s: what an eye can follow
	}
	_ = p.bar.Set64(e.Received)
}

// done takes the bar away before anything else is printed.
func (p *printer) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
		_ = p.bar.Clear()
		p.bar = nil
	}
	p.next = firstLine
}

// check prints what update --check found.
func (p *printer) check(plan update.Plan) error {
	if p.json {
		return p.object(plan)
	}
	p.line(plan.Module, plan.String())
	return nil
}

// plan prints what update --dry-run would do.
func (p *printer) plan(plan update.Plan, own []string) error {
	if p.json {
		return p.object(struct {
			update.Plan
			Own []string `json:"own"`
		}{plan, own})
	}
	p.line(plan.Module, plan.String())
	if !plan.Changes() {
		return nil
	}
	if plan.Release.Page != "" {
		p.line("", "notes: "+plan.Release.Page)
	}
	p.line("", fmt.Sprintf("would fetch %s into next/, verify it, and switch; main/ becomes prev/", plan.Release.Version))
	switch len(own) {
	case 0:
	case 1:
		p.line("", "1 file of the device's own goes along: "+own[0])
	default:
		more := ""
		if len(own) > 3 {
			more = "…"
		}
		p.line("", fmt.Sprintf("%d files of the device's own go along: %s%s", len(own), strings.Join(own[:min(len(own), 3)], ", "), more))
	}
	return nil
}

func size(bytes int64) string {
	switch {
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MB", bytes>>20)
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", bytes)
}

func hintDowngrade(err error) error {
	return fault.Hint(err, "going down needs --allow-downgrade; what the newer version wrote may not suit the older")
}
