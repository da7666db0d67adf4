package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Memory is what the kernel says that a process has, in kB, under a name such as "VmRSS" or "RssAnon".
func Memory(t testing.TB, pid int, name string) int {
	t.Helper()
	return statusNumber(t, fmt.Sprintf("/proc/%d", pid), name)
}

// CPUTime is the processor time that all threads of a process have used.
func CPUTime(t testing.TB, pid int) (sum time.Duration) {
	t.Helper()
	for _, dir := range Threads(t, pid) {
		sum += ThreadTime(t, dir)
	}
	return sum
}

// Threads are the folders in /proc of a process's threads, in the order in which these were made.
func Threads(t testing.TB, pid int) []string {
	t.Helper()
	dir, err := os.Open(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1) // as the kernel lists them
	if err != nil || len(names) == 0 {
		t.Fatalf("threads of process %d: %v", pid, err)
	}
	for i, name := range names {
		names[i] = filepath.Join(dir.Name(), name)
	}
	return names
}

// ThreadTime is the processor time that the thread with that folder in /proc has used.
func ThreadTime(t testing.TB, dir string) time.Duration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "schedstat"))
	var ns int64
	if err == nil {
		_, err = fmt.Sscan(string(text), &ns)
	}
	if err != nil {
		t.Fatalf("processor time of %s: %v", dir, err)
	}
	return time.Duration(ns)
}

// ThreadWaits is how often the thread with that folder in /proc has begun to wait.
func ThreadWaits(t testing.TB, dir string) int {
	t.Helper()
	return statusNumber(t, dir, "voluntary_ctxt_switches")
}

// statusNumber is a number of the file "status" in a folder of /proc.
func statusNumber(t testing.TB, dir, name string) (n int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+name+":")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("%s of %s: %v", name, dir, err)
	}
	return n
}
