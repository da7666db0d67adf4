package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ownerVariable is in the environment of every process that the tests of one package start,
// and of all that those start: by it they are found whatever they are detached from.
const ownerVariable = "VTEP_TEST_OWNER"

// reaper waits for the end of its standard input, and then kills what has the given variable
// in its environment, until there is nothing any more.
const reaper = `cat >/dev/null
while :; do
	found=
	for e in /proc/[0-9]*/environ; do
		if grep -qz "^$1\$" "$e" 2>/dev/null; then
			pid=${e#/proc/}
			kill -9 "${pid%/environ}" 2>/dev/null && found=1
		fi
	done
	[ -n "$found" ] || exit 0
	sleep 0.1
done`

var (
	superviseOnce sync.Once
	superviseErr  error
)

// supervise sees to it that no process outlives the tests, also when they fail, come to the
// end of their time, or are killed: then no cleanup of theirs is run.
func supervise(t testing.TB) {
	t.Helper()
	superviseOnce.Do(func() { superviseErr = startReaper() })
	if superviseErr != nil {
		t.Fatalf("start the supervisor of the tests: %v", superviseErr)
	}
}

func startReaper() error {
	if _, err := os.Stat("/bin/sh"); errors.Is(err, fs.ErrNotExist) {
		return nil // the machine of test/kernels, which ends with its tests
	}
	// The kernel closes the other end when this process ends, however it does: it is no os.File,
	// which the garbage collector would close.
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	r := os.NewFile(uintptr(ends[0]), "supervised")
	defer r.Close()
	owner := fmt.Sprintf("%d.%d", os.Getpid(), time.Now().UnixNano())
	cmd := exec.Command("/bin/sh", "-c", reaper, "sh", ownerVariable+"="+owner)
	cmd.Stdin = r
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // not to end with a group that is interrupted
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := cmd.Process.Release(); err != nil {
		return err
	}
	return os.Setenv(ownerVariable, owner)
}
