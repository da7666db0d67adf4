package ebpf

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the clock that the programs stamp with, which is that of the machine: what it says is written to maps, and compared
// with what is in them. A process in a time namespace of its own has another one.
func monotonic() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano()) - namespaceOffset()
}

// namespaceOffset is by how much the process's clock is ahead of the machine's. It stays as it is.
var namespaceOffset = sync.OnceValue(func() time.Duration {
	b, err := os.ReadFile("/proc/self/timens_offsets")
	if err != nil {
		return 0 // a kernel without time namespaces
	}
	return ownOffset(b, os.Readlink)
})

// ownOffset takes it from what is said of the time namespace of the process's children, if the process is in it itself: before
// Linux 6.3 one that makes a namespace, and runs another program, is not.
func ownOffset(b []byte, readlink func(string) (string, error)) time.Duration {
	own, err := readlink("/proc/self/ns/time")
	if children, other := readlink("/proc/self/ns/time_for_children"); err != nil || other != nil || own != children {
		return 0
	}
	return monotonicOffset(b)
}

// monotonicOffset takes it from what the kernel says of a time namespace: a line for each clock, with seconds and nanoseconds.
func monotonicOffset(b []byte) time.Duration {
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		var clock string
		var seconds, nanoseconds int64
		if n, _ := fmt.Sscan(lines.Text(), &clock, &seconds, &nanoseconds); n == 3 && clock == "monotonic" {
			return time.Duration(seconds)*time.Second + time.Duration(nanoseconds)
		}
	}
	return 0
}
