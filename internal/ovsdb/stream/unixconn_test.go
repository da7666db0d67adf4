package stream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"
	"golang.org/x/sys/unix"
)

// unixPair is a connection over a unix socket, as both sides have it.
func unixPair() (dialled, accepted net.Conn, stop func(), err error) {
	dir, err := os.MkdirTemp("", "stream")
	if err != nil {
		return nil, nil, nil, err
	}
	o := Options{RunDir: dir}
	l, err := o.Listen("punix:s")
	if err == nil {
		if dialled, err = o.Dial(context.Background(), "unix:s"); err == nil {
			accepted, err = l.Accept()
		}
		l.Close()
	}
	stop = func() {
		for _, c := range []net.Conn{dialled, accepted} {
			if c != nil {
				c.Close()
			}
		}
		os.RemoveAll(dir)
	}
	return dialled, accepted, stop, err
}

func newUnixPair(t *testing.T) (dialled, accepted net.Conn) {
	t.Helper()
	dialled, accepted, stop, err := unixPair()
	t.Cleanup(stop)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{dialled, accepted} {
		if _, ok := c.(*unixConn); !ok {
			t.Fatalf("a connection over a unix socket is a %T", c)
		}
	}
	return dialled, accepted
}

func TestUnixConn(t *testing.T) { nettest.TestConn(t, unixPair) }

// Whether there is room in the socket is nothing that the poller of the process is told: each time that the peer takes
// something it would wake up.
func TestUnixConnUnpolled(t *testing.T) {
	a, b := newUnixPair(t)
	for _, c := range []net.Conn{a, b} {
		fd := descriptor(t, c)
		if events := watched(t, fd); len(events) != 1 || events[0]&unix.EPOLLOUT != 0 || events[0]&unix.EPOLLIN == 0 {
			t.Errorf("the socket is watched for the events %x", events)
		}
	}
	// The instrument sees what it should.
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	plain, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if events := watched(t, descriptor(t, plain)); len(events) != 1 || events[0]&unix.EPOLLOUT == 0 {
		t.Errorf("a connection of package net is watched for the events %x", events)
	}
}

func descriptor(t *testing.T, c net.Conn) (fd int) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// watched gives the events for which the epoll instances of the process watch a descriptor.
func watched(t *testing.T, fd int) (all []uint32) {
	t.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range infos {
		info, err := os.ReadFile(path)
		if err != nil {
			continue // closed meanwhile
		}
		for line := range strings.Lines(string(info)) {
			var target int
			var events uint32
			if _, err := fmt.Sscanf(line, "tfd: %d events: %x", &target, &events); err == nil && target == fd {
				all = append(all, events)
			}
		}
	}
	return all
}

// A peer that does not read for a while gets everything once it does.
func TestUnixConnBacklog(t *testing.T) {
	a, b := newUnixPair(t)
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	wrote := make(chan error, 1)
	go func() {
		_, err := a.Write(text)
		if err == nil {
			err = a.Close()
		}
		wrote <- err
	}()
	c := a.(*unixConn)
	for waits := false; !waits; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		waits = c.out != nil
		c.mu.Unlock()
	}
	got, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, text) {
		t.Errorf("%d bytes have arrived of %d, or others", len(got), len(text))
	}
}

// A peer that has closed its side without reading all makes an error of the system, as with package net.
func TestUnixConnReset(t *testing.T) {
	a, b := newUnixPair(t)
	if _, err := a.Write([]byte("not read")); err != nil {
		t.Fatal(err)
	}
	b.Close()
	_, err := a.Read(make([]byte, 1))
	if Reason(err) != "Connection reset by peer" {
		t.Errorf("read: %v", err)
	}
	if _, err = a.Write([]byte("x")); Reason(err) != "Broken pipe" {
		t.Errorf("write: %v", err)
	}
}

func TestUnixConnPeer(t *testing.T) {
	_, b := newUnixPair(t)
	if uid, ok := PeerUID(b); !ok || uid != uint32(os.Getuid()) {
		t.Errorf("the peer is user %d, %v", uid, ok)
	}
}

// TestUnixConnReadAllocates: what a message needs beside its text, it needs of each.
func TestUnixConnReadAllocates(t *testing.T) {
	a, b := newUnixPair(t)
	sock, buf := descriptor(t, a), make([]byte, 16)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := unix.Write(sock, buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, buf); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("a read allocates %v times", n)
	}
}
