package trust

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"moult/fault"
	"moult/release"
)

// custom is what a module's role says of a release beyond TUF.
type custom struct {
	Devices    []string `json:"devices"`
	Prerelease bool     `json:"prerelease"`
}

// choose returns the release of a module's role that a device of these kinds gets by a channel. Of releases whose tags are no
// versions, which have no order of their own, it is the last by name.
func choose(role *targetsMetadata, module string, kinds []string, channel release.Channel) (release.Release, error) {
	var fitting, all []release.Release
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(role.Signed.Targets))) {
		version, err := release.ParseVersion(name[len(module)+1:]) // checkModule saw to it
		if err != nil {
			return release.Release{}, release.Refuse(release.BadFormat, "target %s: %w", name, err)
		}
		var c custom
		if raw := role.Signed.Targets[name].Custom; raw != nil {
			if err := json.NewDecoder(bytes.NewReader(*raw)).Decode(&c); err != nil {
				return release.Release{}, release.Refuse(release.BadFormat, "target %s: custom: %w", name, err)
			}
		}
		r := release.Release{Version: version, Prerelease: c.Prerelease}
		all = append(all, r)
		if len(c.Devices) == 0 || slices.ContainsFunc(c.Devices, func(kind string) bool { return slices.Contains(kinds, kind) }) {
			fitting = append(fitting, r)
		}
	}
	if r, found := channel.Newest(fitting); found {
		return r, nil
	}
	if r, found := channel.Newest(all); found {
		err := release.Refuse(release.WrongDevice, "release %s: got one for other kinds of devices, want one of %q", r.Version, kinds)
		return release.Release{}, fault.Hint(err, `the configuration's "kind" says what the device is`)
	}
	return release.Release{}, fmt.Errorf("%s: %w in channel %s", module, release.ErrNoRelease, channel)
}
