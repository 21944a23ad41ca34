package journal

import (
	"errors"
	"io/fs"
	"strings"

	"moult/disk"
)

const bootFile = Dir + "/boot"

// CheckedBoot returns the boot in which the routine last ran, as SetCheckedBoot was told; "" for none.
func (j *Journal) CheckedBoot() (string, error) {
	data, err := disk.ReadFile(j.disk, bootFile, 256)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(data)), err
}

// SetCheckedBoot remembers durably that the routine ran in this boot.
func (j *Journal) SetCheckedBoot(boot string) error {
	if err := disk.MkdirAll(j.disk, Dir, 0o755); err != nil {
		return err
	}
	return disk.WriteFile(j.disk, bootFile, []byte(boot+"\n"), 0o644)
}
