package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// runVariable marks what belongs to a run: a program hands its environment on to what it starts, and what forked away
// from its parent, its group and its session still shows it in /proc.
const runVariable = "MOULT_RUN"

// family returns the processes that belong to a run.
func family(mark string) (pids []int) {
	want := []byte(runVariable + "=" + mark)
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil
	}
	for _, name := range environs {
		environ, err := os.ReadFile(name)
		if err != nil {
			continue // another user's, or it has ended
		}
		for entry := range bytes.SplitSeq(environ, []byte{0}) {
			if bytes.Equal(entry, want) {
				pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
				if err == nil && pid != os.Getpid() {
					pids = append(pids, pid)
				}
				break
			}
		}
	}
	return pids
}

// rounds bounds how often what is left of a run is killed, 10 ms apart: a program that forks faster than that is for
// the service manager to end, which has a group that none can leave.
const rounds = 100

// end kills what is left of a run; the pid, where it is not 0, is its group's.
func end(pid int, mark string) {
	if pid > 0 {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	for range rounds {
		left := family(mark)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
