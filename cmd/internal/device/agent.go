package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"moult/agent"
	"moult/agent/led"
	"moult/agent/mqtt"
	"moult/agent/systemd"
	"moult/agent/wifi"
	"moult/config"
	"moult/journal"
	"moult/update"
)

// AgentOptions are what a program starts the agent with.
type AgentOptions struct {
	Version string
	Tell    func(update.Event)            // told of every event
	Log     func(string)                  // told what no event says
	Lights  func(name string) agent.Light // in place of the configured LEDs; nil for those
}

// Agent puts the agent of an opened device together, and returns what runs beside it: the link to the MQTT broker.
// The device must be open Apart. Close ends what was opened here.
func (d *Device) Agent(opt AgentOptions) (a *agent.Agent, beside []func(context.Context), close func(), err error) {
	root, err := filepath.Abs(d.opt.Root)
	if err != nil {
		return nil, nil, nil, err
	}
	d.opt.Root = root
	w := &wiring{d: d, opt: opt, manager: systemd.New("")}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	a = &agent.Agent{
		Engine: d.Engine, Memory: d.Journal, Clock: wallClock{}, Version: opt.Version, Board: board{w.manager},
		Command: d.command, Set: d.set, Tell: w.tell, Schedule: d.schedule(), Panel: &agent.Panel{},
		Alive: func() { _ = systemd.Notify("WATCHDOG=1") }, Beat: systemd.WatchdogInterval() / 2,
	}
	w.agent = a
	d.Engine.Tell = w.tell
	modules := map[string]*Module{}
	for _, m := range d.Modules {
		modules[m.Name] = m
	}
	a.Lock = func(ctx context.Context, module string, work func() error) error {
		return d.Locked(ctx, modules[module], func(err error) { w.failed(module, err) }, work)
	}
	for _, m := range d.Modules {
		a.Modules = append(a.Modules, w.module(m))
	}
	if err := d.recoverAll(nil); err != nil { // what the agent does not speak of must not be left half-done either
		w.failed("", err)
	}
	if err := w.lights(a.Panel); err != nil {
		return nil, nil, nil, err
	}
	if len(d.Config.WiFi) > 0 {
		a.Wifi = &network{known: d.Config.WiFi, log: opt.Log}
	}
	if !d.Config.MQTT.URL.IsZero() {
		if err := w.broker(); err != nil {
			return nil, nil, nil, err
		}
		beside = append(beside, func(ctx context.Context) { _ = w.mqtt.Run(ctx) }) // it ends with ctx, and says all else itself
	}
	return a, beside, w.close, nil
}

// wiring is what the parts of an agent have between them.
type wiring struct {
	d       *Device
	opt     AgentOptions
	agent   *agent.Agent
	manager *systemd.Manager
	mqtt    *mqtt.Client
	open    []func() error

	mu      sync.Mutex
	entries map[string]mqtt.Module // as Home Assistant shows them
}

func (w *wiring) close() {
	for _, close := range w.open {
		_ = close()
	}
}

func (w *wiring) module(m *Module) *agent.Module {
	c := m.Config
	module := &agent.Module{Module: &m.Module, Health: w.d.health(c), Confirm: c.Confirm,
		Starts: cmp.Or(c.Trial.Starts, config.DefaultStarts), Within: c.Trial.Within}
	if module.Within == 0 && c.Health != nil {
		module.Within = c.Health.Within
	}
	module.Within = cmp.Or(module.Within, config.DefaultWithin)
	switch {
	case len(c.Run) > 0:
		child, err := w.d.child(c)
		if err != nil { // it runs without
			w.opt.Log(fmt.Sprintf("%s: what it prints is not kept: %v", m.Name, err))
		}
		w.open = append(w.open, child.log.Close)
		module.Program = child
	case c.Unit != "":
		module.Program = &unit{manager: w.manager, name: c.Unit}
	}
	return module
}

func (w *wiring) lights(p *agent.Panel) error {
	for _, l := range []struct {
		key, name string
		to        *agent.Light
	}{{"leds.yellow", w.d.Config.LEDs.Yellow, &p.Yellow}, {"leds.green", w.d.Config.LEDs.Green, &p.Green}} {
		if w.opt.Lights != nil {
			*l.to = w.opt.Lights(strings.TrimPrefix(l.key, "leds."))
			continue
		}
		if l.name == "" {
			continue
		}
		light, err := led.Open(l.name, led.Options{})
		if err != nil { // an LED that is not there must not keep a device from its updates
			w.opt.Log(fmt.Sprintf("%s: %v", l.key, err))
			continue
		}
		w.open = append(w.open, light.Close)
		*l.to = light
	}
	return nil
}

// broker makes the link to the MQTT broker.
func (w *wiring) broker() (err error) {
	c := w.d.Config
	name := c.Device
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return err
		}
	}
	w.mqtt, err = mqtt.New(mqtt.Options{
		URL: c.MQTT.URL.Reveal(), Topic: cmp.Or(c.MQTT.Topic, "moult/"+name), CA: c.MQTT.CA, Cert: c.MQTT.Cert, Key: c.MQTT.Key,
		Outbox: w.d.Journal, Commands: w.agent.Do, Queue: w.agent.Queue, Log: w.opt.Log,
		Home: &mqtt.Home{Device: name, Name: name, Version: w.opt.Version, Memory: w.d.Journal},
	})
	if err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	w.entries = map[string]mqtt.Module{}
	for _, m := range w.d.Modules {
		look, err := m.Slots.Look()
		if err != nil { // shown as not installed: it must not keep the other modules from running
			w.opt.Log(fmt.Sprintf("%s: %v", m.Name, err))
		}
		w.entries[m.Name] = mqtt.Module{Name: m.Name, Installed: look.Main.Version.String(), Percentage: -1}
	}
	w.announce()
	return nil
}

// failed tells of what could not be recovered.
func (w *wiring) failed(module string, err error) {
	w.tell(update.Event{Time: time.Now(), Module: module, Kind: update.Failed, Text: err.Error()})
}

// tell passes an event on: to who follows the agent, to the history where the agent's own are worth keeping, and to the broker.
func (w *wiring) tell(e update.Event) {
	if e.Kind == update.Progress {
		w.agent.Progress()
	}
	kept := e.ID != ""
	switch e.Kind {
	case agent.Started, agent.Network, agent.Exited, agent.Restarting:
		e.ID = fmt.Sprintf("%s-%d", e.Kind, e.Time.UnixNano())
		if err := w.d.Journal.Record(e); err == nil {
			kept = true
		}
	}
	w.opt.Tell(e)
	if w.mqtt == nil {
		return
	}
	if kept {
		w.mqtt.Wake()
	} else {
		w.mqtt.Tell(e)
	}
	w.show(e)
}

// show keeps what Home Assistant shows of a module.
func (w *wiring) show(e update.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entry, known := w.entries[e.Module]
	if !known {
		return
	}
	switch e.Kind {
	case update.Checked:
		entry.Installed, entry.Latest = e.From.String(), e.From.String()
		if e.Action.Changes() { // what was rolled back, or is older, would be refused: it is not to be offered
			entry.Latest = e.Version.String()
		}
	case update.Began:
		entry.Latest, entry.InProgress, entry.Percentage = e.Version.String(), true, -1
	case update.Progress:
		if e.Total > 0 {
			entry.Percentage = int(min(100, e.Received*100/e.Total)) / 10 * 10 // each step is a message
		}
	case update.Switched, update.Updated, update.RolledBack:
		entry.Latest = e.Version.String()
		entry.Installed, entry.InProgress, entry.Percentage = e.Version.String(), false, -1
	case update.Failed, update.Recovered:
		entry.InProgress, entry.Percentage = false, -1
	}
	if entry != w.entries[e.Module] {
		w.entries[e.Module] = entry
		w.announce()
	}
}

func (w *wiring) announce() {
	var all []mqtt.Module
	for _, m := range w.d.Modules {
		all = append(all, w.entries[m.Name])
	}
	w.mqtt.Announce(all)
}

// schedule is the configured one.
func (d *Device) schedule() agent.Schedule {
	c := d.Config.Check
	s := agent.Schedule{PowerOnOnly: c.On == config.OnPowerOn, Every: c.Every, Zone: d.Config.Timezone}
	if c.Window != nil {
		s.Allowed = c.Window.Contains
	}
	if c.Restart != nil {
		s.Restart = func(t time.Time) bool { return config.Clock(t.Hour()*60+t.Minute()) == *c.Restart }
	}
	return s
}

// wallClock is the machine's own.
type wallClock struct{}

func (wallClock) Now() time.Time                         { return time.Now() }
func (wallClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// board is the machine that the agent runs on.
type board struct{ manager *systemd.Manager }

func (b board) Reboot(ctx context.Context) error { return b.manager.Reboot(ctx) }

func (board) Boot() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data)), err
}

func (board) Uptime() (time.Duration, error) {
	data, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(data), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	return time.Duration(seconds * float64(time.Second)), err
}

// network brings the device online by the networks that are configured.
type network struct {
	known []config.Network
	log   func(string)
	last  string
}

func (n *network) Connect(ctx context.Context, goesOn func()) error {
	var networks []wifi.Network
	for _, k := range n.known {
		networks = append(networks, wifi.Network{SSID: k.SSID, Password: k.Password.Reveal()})
	}
	ssid, err := wifi.New(wifi.Options{Trying: goesOn}).Connect(ctx, networks)
	if err == nil && ssid != n.last && ssid != "" {
		n.log("connected to the Wi-Fi network " + strconv.Quote(ssid))
		n.last = ssid
	}
	return err
}

// AgentLock keeps a second agent away from a device. Where one runs, the error is journal.ErrBusy.
func AgentLock(root string) (unlock func(), err error) {
	unlock, err = journal.LockAgent(root)
	if errors.Is(err, journal.ErrBusy) {
		err = fmt.Errorf("an agent runs on this device already: %w", err)
	}
	return unlock, err
}
