package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"moult/agent/process"
	"moult/disk"
)

// CommandsDir holds the application's commands, below the device's root: an executable answers the command of its name.
const CommandsDir = "commands"

// maxCommand is how long one may take, unless a test says otherwise.
const maxCommand = 30 * time.Second

// commandName is what a command may be called: nothing that could lead out of the folder, or be hidden in it.
var commandName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$`)

// command runs a command of the application, and reports whether there is one of that name.
func (d *Device) command(ctx context.Context, name string, args []string) (reply string, known bool, err error) {
	if !commandName.MatchString(name) {
		return "", false, nil
	}
	file := filepath.Join(d.opt.Root, CommandsDir, name)
	info, err := d.disk.Lstat(CommandsDir + "/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", true, err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", true, fmt.Errorf("%s/%s: got %s, want an executable file", CommandsDir, name, info.Mode())
	}
	ctx, cancel := context.WithTimeout(ctx, d.commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Dir = d.opt.Root
	cmd.Env = append(process.Environ(), "MOULT_ROOT="+d.opt.Root)
	reply, err = process.Run(cmd)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("it took longer than %s", d.commandTime)
	}
	if err != nil {
		return "", true, fmt.Errorf("%s: %w%s", name, err, prefixed(": ", reply))
	}
	return reply, true, nil
}

// settingsFile holds what the command set stored, for the application to read.
const settingsFile = "config/settings.json"

// maxSettings bounds the settings' file, in bytes.
const maxSettings = 64 << 10

// settingKey is what a setting may be called.
var settingKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)

// set stores a setting of the application.
func (d *Device) set(key, value string) error {
	if !settingKey.MatchString(key) {
		return fmt.Errorf("set: got the key %q, want letters, digits and . _ -, at most 64", key)
	}
	settings := map[string]string{}
	data, err := disk.ReadFile(d.disk, settingsFile, maxSettings)
	if err == nil {
		err = json.Unmarshal(data, &settings)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", settingsFile, err)
	}
	settings[key] = value
	if data, err = json.MarshalIndent(settings, "", "  "); err != nil {
		return err
	}
	data = append(data, '\n')
	if len(data) > maxSettings {
		return fmt.Errorf("%s: got %d bytes, want at most %d", settingsFile, len(data), maxSettings)
	}
	if err := disk.MkdirAll(d.disk, "config", 0o755); err != nil {
		return err
	}
	return disk.WriteFile(d.disk, settingsFile, data, 0o644)
}
