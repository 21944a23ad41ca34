package systemd

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// UnitOptions are what differs between the agents of two devices.
type UnitOptions struct {
	Command []string // the agent's, its program as an absolute path: /usr/local/bin/moult agent --root /srv/device
	Root    string   // the device's directory, absolute

	User         string        // "": root, who may restart the board and its units without more ado
	Groups       []string      // further groups: gpio for lines, netdev for Wi-Fi
	Watchdog     time.Duration // the agent's longest silence; 0: 2 minutes
	GPIO         bool          // an LED is a line of a GPIO character device
	LEDs         bool          // an LED is one of the LED class
	Paths        []string      // what else is written to, absolute
	Reads        []string      // what else is read, absolute: it matters where ProtectHome would hide it
	Devices      []string      // what else below /dev is used
	Capabilities []string      // what else it takes of root's power: CAP_NET_BIND_SERVICE

	Application bool // the agent starts the application itself ("run"): what it forbids itself it would forbid that
	Privileges  bool // the application runs programs that gain privileges, such as sudo
}

// Unit renders the unit file of an agent. What it lets the agent do is what the agent needs: its directory, its LEDs, the network, the system's D-Bus.
func Unit(opt UnitOptions) string {
	if opt.Watchdog == 0 {
		opt.Watchdog = 2 * time.Minute // far above a slow disk's sync, far below a visit
	}
	u := &unitFile{}

	u.section("Unit")
	u.set("Description", "Moult, the updater of this device")
	u.set("After", "dbus.socket NetworkManager.service") // who it speaks to; neither is needed, and no network: the application starts without
	u.set("StartLimitIntervalSec", "0")                  // nobody is there to start it again, so systemd never gives up

	u.section("Service")
	u.set("Type", "notify") // it has started when it says so
	u.set("NotifyAccess", "main")
	u.set("ExecStart", command(opt.Command))
	u.set("WatchdogSec", seconds(opt.Watchdog)) // an agent that hangs is killed, and started again
	u.set("Restart", "always")
	u.set("RestartSec", "5")   // so that one that cannot start does not take the processor
	u.set("KillMode", "mixed") // the agent ends its application in order; what that left behind goes with it
	u.set("TimeoutStopSec", "30")
	if opt.User != "" {
		u.set("User", plain(opt.User))
	}
	if len(opt.Groups) > 0 {
		u.set("SupplementaryGroups", words(opt.Groups, plain))
	}

	u.blank()
	u.set("ProtectSystem", "strict") // nothing is written to but what follows, /dev, /proc and /sys
	u.set("ReadWritePaths", words(append([]string{opt.Root}, opt.Paths...), quote))
	u.set("PrivateTmp", "yes")
	if !opt.Application && !inHome(opt.Root) && !slices.ContainsFunc(slices.Concat(opt.Command, opt.Paths), inHome) {
		if slices.ContainsFunc(opt.Reads, inHome) {
			u.set("ProtectHome", "read-only")
		} else {
			u.set("ProtectHome", "yes") // nothing of ours is there, nor on the command line
		}
	}
	if !opt.LEDs {
		u.set("ProtectKernelTunables", "yes") // /sys too, where the LED class is
	}
	u.set("ProtectKernelModules", "yes")
	u.set("ProtectKernelLogs", "yes")
	u.set("ProtectControlGroups", "yes")
	u.set("ProtectHostname", "yes")
	if !opt.Application || len(opt.Devices) > 0 {
		u.set("DevicePolicy", "closed") // but /dev/null and its like; an application's devices are not known unless they are named
		if opt.GPIO {
			u.set("DeviceAllow", "char-gpiochip rw")
		}
		for _, device := range opt.Devices {
			u.set("DeviceAllow", quote(device)+" rw")
		}
	}

	u.blank()
	capabilities := slices.Clone(opt.Capabilities)
	if opt.User != "" {
		if len(capabilities) > 0 {
			u.set("AmbientCapabilities", words(capabilities, plain)) // a user has only these; root has what it is let have
		}
	} else {
		// The directory may be a user's: to write there, to keep an owner from version to version, and the permissions of what has another.
		capabilities = append(capabilities, "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER")
	}
	if !opt.Privileges {
		u.set("CapabilityBoundingSet", words(capabilities, plain))
		u.set("NoNewPrivileges", "yes")
		u.set("RestrictSUIDSGID", "yes")
		u.set("RestrictRealtime", "yes")
		u.set("RestrictNamespaces", "yes")
		u.set("LockPersonality", "yes")
		u.set("SystemCallArchitectures", "native")
	}
	if !opt.Application { // Python's ctypes writes code to run, a sensor may be on Bluetooth or CAN: only the agent's needs are known
		u.set("MemoryDenyWriteExecute", "yes")
		u.set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK") // D-Bus; the network; and its interfaces, for Go
		u.set("SystemCallFilter", "@system-service")
		u.set("SystemCallErrorNumber", "EPERM") // an error that can be told, no end by a signal
		u.set("ProtectClock", "yes")            // it closes the devices as well, which an application may need
		u.set("ProtectProc", "invisible")
	}

	u.section("Install")
	u.set("WantedBy", "multi-user.target")
	return u.String()
}

// unitFile is a unit file as it grows.
type unitFile struct {
	strings.Builder
	parted bool // a blank line comes before the next
}

func (u *unitFile) section(name string) {
	if u.Len() > 0 {
		u.WriteByte('\n')
	}
	fmt.Fprintf(u, "[%s]\n", name)
	u.parted = false
}

func (u *unitFile) set(key, value string) {
	if u.parted {
		u.WriteByte('\n')
		u.parted = false
	}
	fmt.Fprintf(u, "%s=%s\n", key, value)
}

func (u *unitFile) blank() { u.parted = true }

// command quotes a command line: systemd.service(5), Command lines. A dollar sign begins a variable there only.
func command(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = strings.ReplaceAll(quote(word), "$", "$$")
	}
	return strings.Join(quoted, " ")
}

// quote has systemd read back a word as it is: systemd.syntax(7), Quoting, and systemd.unit(5), Specifiers.
func quote(word string) string {
	word = strings.ReplaceAll(word, "%", "%%")
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:=@,%$") == "" {
		return word
	}
	var quoted strings.Builder
	quoted.WriteByte('"')
	for _, b := range []byte(word) {
		switch {
		case b == '"' || b == '\\':
			quoted.WriteByte('\\')
			quoted.WriteByte(b)
		case b < ' ' || b == 0x7f: // a line break would begin another line of the unit
			fmt.Fprintf(&quoted, `\x%02x`, b)
		default:
			quoted.WriteByte(b)
		}
	}
	quoted.WriteByte('"')
	return quoted.String()
}

// plain is a name as it is: of a user, a group or a capability, which systemd reads without quotes. What none has is left out.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '%' {
			return -1
		}
		return r
	}, name)
}

func words(all []string, write func(string) string) string {
	written := make([]string, len(all))
	for i, word := range all {
		written[i] = write(word)
	}
	return strings.Join(written, " ")
}

// seconds writes a duration as systemd reads it, to the millisecond.
func seconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// inHome reports whether a path is one that ProtectHome hides.
func inHome(path string) bool {
	path = filepath.Clean(path) + "/"
	return strings.HasPrefix(path, "/home/") || strings.HasPrefix(path, "/root/") || strings.HasPrefix(path, "/run/user/")
}
