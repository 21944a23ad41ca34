//go:build !linux

package led

import "errors"

func openLine(string, string, int, bool) (output, error) {
	return nil, errors.New("got a GPIO line, which only Linux has")
}
