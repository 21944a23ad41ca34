package disk

import "golang.org/x/sys/unix"

func free(dir int) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
