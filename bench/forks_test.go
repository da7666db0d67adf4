package bench

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/testenv"
)

// forks listens to the kernel's process connector.
type forks struct {
	b  *testing.B
	fd int
}

func newForks(b *testing.B) *forks {
	b.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_CONNECTOR)
	if err != nil {
		b.Fatal(fmt.Errorf("process connector: %w", err))
	}
	f := &forks{b, fd}
	b.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
		b.Fatal(err)
	}
	// struct nlmsghdr, struct cn_msg of CN_IDX_PROC, enum proc_cn_mcast_op: listen.
	e := binary.NativeEndian
	m := e.AppendUint32(nil, 40)
	m = e.AppendUint16(m, unix.NLMSG_DONE)
	m = append(m, make([]byte, 10)...)
	m = e.AppendUint32(e.AppendUint32(m, 1), 1)
	m = append(m, make([]byte, 8)...)
	m = e.AppendUint16(e.AppendUint16(m, 4), 0)
	m = e.AppendUint32(m, 1)
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1})
	if err == nil {
		_, err = unix.Write(fd, m)
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30})
	}
	if err != nil {
		b.Fatal(fmt.Errorf("process connector: %w", err))
	}
	return f
}

// of counts the processes that the process has started since newForks.
func (f *forks) of(pid int) (n int) {
	f.b.Helper()
	if err := exec.Command("true").Run(); err != nil { // its event comes after those that count
		f.b.Fatal(err)
	}
	for buf := make([]byte, 4096); ; {
		got, err := unix.Read(f.fd, buf)
		if err != nil {
			f.b.Fatalf("the kernel does not tell of processes: %v", err)
		}
		event := buf[36:got] // struct proc_event: what, cpu, time; of a fork: parent, child
		if len(event) < 32 || binary.NativeEndian.Uint32(event) != 1 {
			continue
		}
		word := func(i int) int { return int(binary.NativeEndian.Uint32(event[4*i:])) }
		parent, child, group := word(5), word(6), word(7)
		switch {
		case child != group: // a thread
		case parent == pid:
			n++
		case parent == os.Getpid():
			return n
		}
	}
}

// cpuWithChildren is what a process and its children that have ended used.
func cpuWithChildren(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	var user, system int64 // of children, in hundredths of a second
	if _, err := fmt.Sscan(fields[13]+" "+fields[14], &user, &system); err != nil {
		b.Fatal(err)
	}
	return testenv.CPUTime(b, pid) + time.Duration(user+system)*10*time.Millisecond
}
