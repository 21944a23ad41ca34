package journal

import (
	"encoding/json"

	"moult/disk"
)

const hostsFile = Dir + "/hosts.json"

// Forge returns what kind of forge a host said it is; "" where it was not asked yet.
func (j *Journal) Forge(base string) string { return j.hosts()[base] }

// SetForge remembers what kind of forge a host is, so that it is asked once.
func (j *Journal) SetForge(base, kind string) error {
	return j.alone(func() error { return j.setForge(base, kind) })
}

func (j *Journal) setForge(base, kind string) error {
	hosts := j.hosts()
	if hosts == nil {
		hosts = map[string]string{}
	}
	hosts[base] = kind
	data, err := json.Marshal(hosts)
	if err != nil {
		return err
	}
	if err := disk.MkdirAll(j.disk, Dir, 0o755); err != nil {
		return err
	}
	return disk.WriteFile(j.disk, hostsFile, data, 0o644)
}

// hosts reads what is remembered; what cannot be read is asked again.
func (j *Journal) hosts() map[string]string {
	data, err := disk.ReadFile(j.disk, hostsFile, maxState)
	if err != nil {
		return nil
	}
	var hosts map[string]string
	if json.Unmarshal(data, &hosts) != nil {
		return nil
	}
	return hosts
}
