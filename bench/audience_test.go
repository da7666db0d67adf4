package bench

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// audience is many sessions of a server that monitor the remote MACs, listened to by one thread with as little as
// possible for each message: what listeners cost would otherwise hide what the server does.
type audience struct {
	b      *testing.B
	poll   int
	nested map[int32]*nesting // of what has arrived at each socket
}

func newAudience(b *testing.B, socket string, n int) *audience {
	b.Helper()
	a := &audience{b: b, nested: map[int32]*nesting{}}
	var err error
	if a.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(a.poll) })
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
		if err == nil {
			err = unix.SetNonblock(fd, true)
		}
		if err == nil {
			err = unix.EpollCtl(a.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
		}
		if err != nil {
			b.Fatal(err)
		}
		a.nested[int32(fd)] = &nesting{}
	}
	return a
}

// hear returns when each session has one message more.
func (a *audience) hear() {
	a.b.Helper()
	events, buf := make([]unix.EpollEvent, 256), make([]byte, 1<<16)
	for missing := len(a.nested); missing > 0; {
		n, err := unix.EpollWait(a.poll, events, int(patience.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			a.b.Fatalf("%d of %d sessions heard nothing: %v", missing, len(a.nested), err)
		}
		for _, e := range events[:n] {
			got, err := unix.Read(int(e.Fd), buf)
			if err != nil || got == 0 {
				a.b.Fatalf("a session ended: %v", err)
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
