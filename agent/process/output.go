package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// maxTail is how much of what a program printed last goes into the reason of a roll back, in bytes: a stack trace's end.
const maxTail = 2 << 10

// output takes what a program prints.
type output struct {
	tail *tail
	log  *Log
}

// Write never fails: a full disk must not stop the program.
func (o *output) Write(p []byte) (int, error) {
	o.tail.write(p)
	if o.log != nil {
		o.log.write(p)
	}
	return len(p), nil
}

// tail keeps the last bytes.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) write(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p[max(0, len(p)-maxTail):]...)
	if over := len(t.data) - maxTail; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
}

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = t.data[:0]
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}

// maxLog is the size at which a log becomes the older half, in bytes. Both together never take more than twice that, and a write.
const maxLog = 512 << 10

// Log is a program's output in a file, with the older half beside it as NAME.1.
type Log struct {
	name string
	mu   sync.Mutex
	file *os.File
	size int64
}

// OpenLog opens or makes a log, and the folder for it.
func OpenLog(name string) (*Log, error) {
	l := &Log{name: name}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return l, l.open()
}

func (l *Log) open() error {
	f, err := os.OpenFile(l.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Line writes a line of the agent's own among the program's. A nil Log takes nothing.
func (l *Log) Line(format string, args ...any) {
	l.write(fmt.Appendf(nil, "moult: "+format+"\n", args...))
}

// write loses what the disk does not take.
func (l *Log) write(p []byte) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return
	}
	if l.size > maxLog {
		l.file.Close()
		l.file = nil
		if os.Rename(l.name, l.name+".1") != nil || l.open() != nil {
			return
		}
	}
	n, _ := l.file.Write(p)
	l.size += int64(n)
}

// Close closes the file. What is written afterwards is lost.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
