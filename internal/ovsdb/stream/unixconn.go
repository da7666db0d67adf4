package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unixConn is a connection over a unix socket of which the runtime's poller hears only when it can be read. A
// *net.UnixConn also wakes the poller each time that the peer takes what it was sent: a unix socket, unlike a TCP one,
// tells of that though nobody waits for room. To a thousand sessions that were sent an update these are a thousand
// wake-ups for nothing, which cost a server nearly as much as the sending.
//
// So the poller does not have the socket. It has an epoll instance for each direction that is waited for.
type unixConn struct {
	local, remote net.Addr
	sock          *os.File // not in the poller, and non-blocking
	raw           syscall.RawConn
	in            *watch

	reads  sync.Mutex // held by Read: one at a time
	into   []byte     // what Read is given; guarded by reads, as what it gets
	got    int
	failed error
	try    func(uintptr) bool // constant: the functions of Read, which would be made anew by each
	take   func(fd uintptr)   // constant

	writes sync.Mutex // held by Write: one at a time

	mu       sync.Mutex // guards what follows
	out      *watch     // what Write waits for; nil: it does not
	deadline time.Time  // of Write
	closed   bool
}

// watch is a file that can be read when a socket is ready in one direction.
type watch struct {
	file *os.File
	raw  syscall.RawConn
}

func newWatch(sock syscall.RawConn, events uint32) (*watch, error) {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	cerr := sock.Control(func(fd uintptr) {
		err = unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: events})
	})
	if err == nil {
		err = cerr
	}
	if err == nil {
		err = unix.SetNonblock(poll, true) // by which NewFile knows that it is for the poller
	}
	if err != nil {
		unix.Close(poll)
		return nil, fmt.Errorf("watch a socket: %w", err)
	}
	w := &watch{file: os.NewFile(uintptr(poll), "epoll")}
	if w.raw, err = w.file.SyscallConn(); err == nil {
		err = w.file.SetReadDeadline(time.Time{}) // which a file can't have that the poller did not take
	}
	if err != nil {
		w.file.Close()
		return nil, fmt.Errorf("have the poller watch a socket: %w", err)
	}
	return w, nil
}

// until calls try now and each time that the socket has become ready, until it returns true.
func (w *watch) until(try func() bool) error {
	return w.raw.Read(func(uintptr) bool { return try() })
}

// quiet takes over nc if that is a unix socket's connection; if it cannot, and of others, it returns nc as it is.
func quiet(nc net.Conn) net.Conn {
	uc, ok := nc.(*net.UnixConn)
	if !ok {
		return nc
	}
	c, err := newUnixConn(uc)
	if err != nil {
		return nc // out of descriptors, or of what epoll may watch: this one works as well
	}
	uc.Close()
	return c
}

func newUnixConn(uc *net.UnixConn) (*unixConn, error) {
	sock, err := unpolled(uc)
	if err != nil {
		return nil, fmt.Errorf("take a socket from the poller: %w", err)
	}
	c := &unixConn{local: uc.LocalAddr(), remote: uc.RemoteAddr(), sock: sock}
	c.try, c.take = c.tryRead, c.takeInto
	if c.raw, err = sock.SyscallConn(); err == nil {
		c.in, err = newWatch(c.raw, unix.EPOLLIN|unix.EPOLLRDHUP)
	}
	if err != nil {
		sock.Close()
		return nil, err
	}
	return c, nil
}

// unpolled returns the socket of uc, which may be closed, as a file that the poller does not know.
func unpolled(uc *net.UnixConn) (*os.File, error) {
	raw, err := uc.SyscallConn()
	if err != nil {
		return nil, err
	}
	var f *os.File
	cerr := raw.Control(func(old uintptr) {
		var fd int
		if fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return
		}
		// NewFile hands to the poller what is non-blocking, which this is only meanwhile not.
		if err = unix.SetNonblock(fd, false); err == nil {
			f = os.NewFile(uintptr(fd), "unix")
			err = unix.SetNonblock(fd, true)
		} else {
			unix.Close(fd)
		}
	})
	return f, errors.Join(err, cerr)
}

// SyscallConn gives the socket to those who know that it is non-blocking.
func (c *unixConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

func (c *unixConn) LocalAddr() net.Addr { return c.local }

func (c *unixConn) RemoteAddr() net.Addr { return c.remote }

func (c *unixConn) Read(b []byte) (int, error) {
	c.reads.Lock()
	defer c.reads.Unlock()
	c.into = b
	werr := c.in.raw.Read(c.try)
	c.into = nil
	switch {
	case werr != nil:
		return 0, c.failure("read", werr)
	case c.failed != nil:
		return 0, c.failure("read", c.failed)
	case c.got == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return c.got, nil
}

// tryRead reads what there is; false: nothing yet.
func (c *unixConn) tryRead(uintptr) bool {
	if err := c.raw.Control(c.take); err != nil {
		c.got, c.failed = 0, err
	}
	return c.failed != unix.EAGAIN
}

func (c *unixConn) takeInto(fd uintptr) {
	n, err := unix.Read(int(fd), c.into)
	for err == unix.EINTR {
		n, err = unix.Read(int(fd), c.into)
	}
	c.got, c.failed = max(n, 0), err
}

func (c *unixConn) Write(b []byte) (n int, err error) {
	c.writes.Lock()
	defer c.writes.Unlock()
	try := func() bool {
		for n < len(b) {
			k := 0
			if k, err = c.call(unix.Write, b[n:]); err != nil {
				return err != unix.EAGAIN
			}
			n += k
		}
		return true
	}
	if werr := c.checkDeadline(); werr != nil {
		return 0, c.failure("write", werr)
	}
	if !try() {
		if werr := c.awaitRoom(try); werr != nil {
			err = werr
		}
	}
	if err != nil {
		return n, c.failure("write", err)
	}
	return n, nil
}

// call makes a system call, which does not wait.
func (c *unixConn) call(f func(fd int, b []byte) (int, error), b []byte) (n int, err error) {
	cerr := c.raw.Control(func(fd uintptr) {
		for n, err = f(int(fd), b); err == unix.EINTR; {
			n, err = f(int(fd), b)
		}
	})
	if cerr != nil {
		return 0, cerr
	}
	return max(n, 0), err
}

func (c *unixConn) checkDeadline() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// awaitRoom is watch.until for a Write that has to wait.
func (c *unixConn) awaitRoom(try func() bool) error {
	out, err := newWatch(c.raw, unix.EPOLLOUT)
	for err != nil { // out of descriptors, which is no reason to lose a connection that is only slow
		time.Sleep(20 * time.Millisecond)
		if err := c.checkDeadline(); err != nil {
			return err
		}
		if try() { // it returns true of a closed socket as well
			return nil
		}
		out, err = newWatch(c.raw, unix.EPOLLOUT)
	}
	defer out.file.Close()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return net.ErrClosed
	}
	err = out.file.SetReadDeadline(c.deadline)
	c.out = out
	c.mu.Unlock()
	if err == nil {
		err = out.until(try)
	}
	c.mu.Lock()
	c.out = nil
	c.mu.Unlock()
	return err
}

// failure words the end of an operation as package net does.
func (c *unixConn) failure(op string, err error) error {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if _, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, err)
	} else if closed {
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: "unix", Source: c.local, Addr: c.remote, Err: err}
}

// Close ends the connection, and what waits for it.
func (c *unixConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.ended("close")
	}
	c.closed = true
	c.in.file.Close()
	if c.out != nil {
		c.out.file.Close()
	}
	return c.sock.Close()
}

func (c *unixConn) ended(op string) error {
	return &net.OpError{Op: op, Net: "unix", Source: c.local, Addr: c.remote, Err: net.ErrClosed}
}

func (c *unixConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *unixConn) SetReadDeadline(t time.Time) error { return c.in.file.SetReadDeadline(t) }

func (c *unixConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.ended("set")
	}
	c.deadline = t
	if c.out != nil {
		return c.out.file.SetReadDeadline(t)
	}
	return nil
}
