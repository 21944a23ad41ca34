package disk_test

import (
	"testing"

	"moult/disk"
	"moult/disk/disktest"
)

func TestDir(t *testing.T) {
	disktest.Run(t, func(t *testing.T) disk.Disk {
		d, err := disk.OpenDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	})
}

func TestMemory(t *testing.T) {
	for name, d := range map[string]disktest.Disk{
		"everything":     {},
		"as on FAT":      {NoLinks: true, NoExchange: true},
		"without a swap": {NoExchange: true},
	} {
		t.Run(name, func(t *testing.T) {
			disktest.Run(t, func(t *testing.T) disk.Disk {
				fresh := disktest.New()
				fresh.NoLinks, fresh.NoExchange = d.NoLinks, d.NoExchange
				return fresh
			})
		})
	}
}
