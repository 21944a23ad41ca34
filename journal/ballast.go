package journal

import (
	"errors"
	"syscall"

	"moult/disk"
)

// The ballast takes room while there is some, for the day when a program has filled the disk: then it is given up, so that
// the way back to the version before can still be written down.
const (
	ballastFile = Dir + "/ballast"
	ballastSize = 64 << 10
)

// withRoom does a small write, on a full disk too, by giving up the ballast. It is only for the way back: what else
// cannot be written while a bad version fills the disk must not use up what the way back needs.
func (j *Journal) withRoom(write func() error) error {
	err := write()
	if errors.Is(err, syscall.ENOSPC) && disk.Remove(j.disk, ballastFile) == nil {
		err = write()
	}
	return err
}

// layBallast lays the ballast in where it is missing, once there is room.
func (j *Journal) layBallast() error {
	if there, err := disk.Exists(j.disk, ballastFile); err != nil || there {
		return err
	}
	err := j.alone(j.fillBallast)
	if errors.Is(err, ErrBusy) { // another time
		return nil
	}
	return err
}

func (j *Journal) fillBallast() error {
	if there, err := disk.Exists(j.disk, ballastFile); err != nil || there {
		return err
	}
	if free, err := j.disk.Free(); err != nil || free < 16*ballastSize {
		return err
	}
	err := disk.WriteNew(j.disk, ballastFile, make([]byte, ballastSize), 0o600)
	if errors.Is(err, syscall.ENOSPC) {
		err = disk.Remove(j.disk, ballastFile)
	}
	return err
}
