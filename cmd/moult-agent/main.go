// Command moult-agent is moult with only what a device needs: small, and without git.
package main

import (
	"os"

	"moult/cmd/internal/command"
)

// version is set by the linker in a release.
var version string

func main() {
	os.Exit(command.Program{Name: "moult-agent", Short: "The updater of a Linux device, from releases on a forge", Version: version}.Main())
}
