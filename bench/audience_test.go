package bench

import (
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// audience is many sessions of a server that monitor the remote MACs, listened to by one thread with as little as
// possible for each message: what listeners cost would otherwise hide what the server does.
type audience struct {
	b        *testing.B
	poll     int
	sessions int
	nested   []nesting // of what has arrived at each socket, by its number
}

func newAudience(b *testing.B) *audience {
	b.Helper()
	a := &audience{b: b}
	var err error
	if a.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(a.poll) })
	return a
}

// audienceOf is n sessions of the server at a socket.
func audienceOf(b *testing.B, socket string, n int) *audience {
	b.Helper()
	a := newAudience(b)
	for range n {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
		}
		if err == nil {
			_, err = unix.Write(fd, monitorRequest)
		}
		if err == nil {
			f := os.NewFile(uintptr(fd), "session") // which closes it
			b.Cleanup(func() { f.Close() })
			_, err = newReader(f).Next()
		}
		if err != nil {
			b.Fatal(err)
		}
		a.add(fd)
	}
	return a
}

// audienceAlone is n sessions of no server, and what sends each of them a message as a thread does that does nothing
// else: no server can be quicker.
func audienceAlone(b *testing.B, n int, message []byte) (a *audience, send func()) {
	b.Helper()
	a = newAudience(b)
	var sockets []int
	for range n {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
		a.add(pair[0])
		sockets = append(sockets, pair[1])
	}
	return a, func() {
		for _, fd := range sockets {
			rawCall(unix.SYS_SENDTO, fd, message, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		}
	}
}

// add listens to one more socket.
func (a *audience) add(fd int) {
	a.b.Helper()
	err := unix.SetNonblock(fd, true)
	if err == nil { // hear takes all that there is: it need not be told of the same twice
		err = unix.EpollCtl(a.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)})
	}
	if err != nil {
		a.b.Fatal(err)
	}
	a.sessions++
	a.nested = append(a.nested, make([]nesting, max(0, fd+1-len(a.nested)))...)
}

// rawCall is a system call that does not wait, without what the runtime does for those that may. It returns 0 for an
// error.
func rawCall(number uintptr, fd int, b []byte, flags uintptr) int {
	n, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// hear returns when each session has one message more.
func (a *audience) hear() {
	a.b.Helper()
	events, buf := make([]unix.EpollEvent, 256), make([]byte, 1<<16)
	for missing := a.sessions; missing > 0; {
		n, err := unix.EpollWait(a.poll, events, int(patience.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			a.b.Fatalf("%d of %d sessions heard nothing: %v", missing, len(a.nested), err)
		}
		for _, e := range events[:n] {
			got := rawCall(unix.SYS_RECVFROM, int(e.Fd), buf, unix.MSG_DONTWAIT)
			if got == 0 {
				a.b.Fatal("a session ended")
			}
			missing -= a.nested[e.Fd].read(buf[:got])
		}
	}
}

// nesting finds the ends of JSON objects that follow each other.
type nesting struct {
	depth           int
	quoted, escaped bool
}

// read says how many end in text.
func (n *nesting) read(text []byte) (ended int) {
	for _, c := range text {
		switch {
		case n.escaped:
			n.escaped = false
		case n.quoted:
			n.escaped, n.quoted = c == '\\', c != '"'
		case c == '"':
			n.quoted = true
		case c == '{':
			n.depth++
		case c == '}':
			if n.depth--; n.depth == 0 {
				ended++
			}
		}
	}
	return ended
}
