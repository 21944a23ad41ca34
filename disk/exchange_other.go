//go:build !linux

package disk

func exchange(int, string, int, string) error { return ErrUnsupported }
