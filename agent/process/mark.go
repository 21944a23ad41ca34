package process

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mark is what the processes of a run are known by, whatever parent, group, session and environment they have: see ADR 5.
type mark struct {
	entry []byte // of the environment
	limit uint64 // of RLIMIT_LOCKS, which Linux keeps for every process, hands on to its children, and has not enforced since 2.4.25
}

// newMark makes the mark of a name; of a name that nobody else has, where it is "".
func newMark(name string) mark {
	name = cmp.Or(name, rand.Text())
	sum := fnv.New64a()
	sum.Write([]byte(name))
	// Two bits are left out, so that it never is the highest number, which says that there is no limit.
	return mark{entry: []byte("MOULT_RUN=" + name), limit: uint64(uint(sum.Sum64()) >> 2)}
}

// marking is held while this process has the limit that a child is to inherit: it is the whole process's, so the lock is as well.
var marking sync.Mutex

// start starts a command whose processes have the mark, all of them from their first moment.
func (m mark) start(cmd *exec.Cmd) error {
	cmd.Env = append(cmd.Env, string(m.entry))
	marking.Lock()
	defer marking.Unlock()
	var was unix.Rlimit
	// Where the limit cannot be set, the environment has to do.
	if unix.Getrlimit(unix.RLIMIT_LOCKS, &was) == nil && unix.Setrlimit(unix.RLIMIT_LOCKS, &unix.Rlimit{Cur: m.limit, Max: was.Max}) == nil {
		defer unix.Setrlimit(unix.RLIMIT_LOCKS, &was)
	}
	return cmd.Start()
}

// family returns the processes that have the mark and run.
func (m mark) family() (pids []int) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid != os.Getpid() && m.isOn(pid) && runs(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// isOn reports whether a process has the mark. Another user's, and one that has ended, has not.
func (m mark) isOn(pid int) bool {
	var limit unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit) == nil && limit.Cur == m.limit {
		return true
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(entry, m.entry) {
			return true
		}
	}
	return false
}

// runs reports whether a process runs. One that has ended and was not waited for does not: proc(5), the state in stat.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return err == nil && len(state) > 0 && state[0] != 'Z' && state[0] != 'X'
}

// rounds bounds how often what is left of a run is killed, 10 ms apart: a program that forks faster than that is for
// the service manager to end, which has a group that none can leave.
const rounds = 100

// end kills what is left of a run; the pid, where it is not 0, is its group's.
func (m mark) end(pid int) {
	if pid > 0 {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	for range rounds {
		left := m.family()
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
