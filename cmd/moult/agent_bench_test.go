package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moult/agent/mqtt/brokertest"
	"moult/source/forge"
	"moult/source/sourcetest"
	"moult/update"
)

// idle is how long BenchmarkIdleAgent watches an agent that has nothing to do.
const idle = time.Minute

// BenchmarkIdleAgent runs an agent with a program, an MQTT broker and Home Assistant, lets it settle, and watches it do nothing:
// its memory, the CPU time that an hour of it would take, and how often it wakes in a minute.
func BenchmarkIdleAgent(b *testing.B) {
	broker := brokertest.Start(b, brokertest.Config{})
	f := sourcetest.NewForge(b, forge.GitHub, false)
	f.Put(repository, &sourcetest.Repo{Releases: []sourcetest.Release{shellProgram("1.0", "exec sleep 100000\n")}})
	var memory, cpu, wakes float64
	for b.Loop() {
		dir := b.TempDir()
		config := fmt.Sprintf(`{"device": "idle", "modules": {"irrigation": {"url": "%s/%s", "forge": "github", "run": ["sh", "main/app.sh"],
			"trial": {"within": "1s"}}}, "check": {"every": "15m"}, "mqtt": {"url": "mqtt://%s"}}`, f.URL, repository, broker.Host)
		if err := os.MkdirAll(filepath.Join(dir, "config"), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config/moult.json"), []byte(config), 0o644); err != nil {
			b.Fatal(err)
		}
		r := startAgent(b, dir)
		r.event(update.Confirmed, 1)
		time.Sleep(5 * time.Second) // what the update left for the garbage collector is over
		cpuBefore, wakesBefore := used(b, r.cmd.Process.Pid)
		time.Sleep(idle)
		cpuAfter, wakesAfter := used(b, r.cmd.Process.Pid)
		memory += float64(residentMemory(b, r.cmd.Process.Pid)) / (1 << 20)
		cpu += float64(cpuAfter-cpuBefore) * float64(time.Hour/idle) / float64(time.Millisecond)
		wakes += float64(wakesAfter-wakesBefore) / idle.Minutes()
		r.kill()
	}
	n := float64(b.N)
	b.ReportMetric(memory/n, "MB")
	b.ReportMetric(cpu/n, "cpu-ms/hour")
	b.ReportMetric(wakes/n, "wakes/minute")
}

// used returns the CPU time of a process, to the nanosecond, and how often its threads gave up the processor by themselves: each is a wake-up.
func used(b *testing.B, pid int) (cpu time.Duration, wakes int64) {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("process %d: got no threads, %v", pid, err)
	}
	for _, task := range tasks {
		stat, err := os.ReadFile(task + "/schedstat") // nanoseconds on the processor come first
		if err != nil {
			b.Fatal(err)
		}
		var ns int64
		if _, err := fmt.Sscan(string(stat), &ns); err != nil {
			b.Fatal(err)
		}
		cpu += time.Duration(ns)
		wakes += field(b, task+"/status", "voluntary_ctxt_switches:")
	}
	return cpu, wakes
}

// residentMemory returns the memory that a process has, in bytes.
func residentMemory(b *testing.B, pid int) int64 {
	return field(b, fmt.Sprintf("/proc/%d/status", pid), "VmRSS:") << 10
}

// field reads a number from a file of /proc.
func field(b *testing.B, file, name string) (value int64) {
	b.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	_, rest, found := strings.Cut("\n"+string(data), "\n"+name)
	if _, err := fmt.Sscan(rest, &value); !found || err != nil {
		b.Fatalf("%s: got no %s %v", file, name, err)
	}
	return value
}
