package stream

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for _, tc := range []struct {
		name string
		want Target
		err  string
	}{
		{name: "tcp:192.0.2.1", want: Target{Scheme: "tcp", Host: "192.0.2.1", Port: 6640}},
		{name: "tcp:192.0.2.1:6632", want: Target{Scheme: "tcp", Host: "192.0.2.1", Port: 6632}},
		{name: "ssl:nvc.example.net:6632", want: Target{Scheme: "ssl", Host: "nvc.example.net", Port: 6632}},
		{name: "ssl:[2001:db8::1]", want: Target{Scheme: "ssl", Host: "2001:db8::1", Port: 6640}},
		{name: "tcp:[2001:db8::1]:1", want: Target{Scheme: "tcp", Host: "2001:db8::1", Port: 1}},
		{name: "ptcp:", want: Target{Scheme: "ptcp", Port: 6640}},
		{name: "ptcp:0", want: Target{Scheme: "ptcp"}},
		{name: "pssl:6632:192.0.2.1", want: Target{Scheme: "pssl", Host: "192.0.2.1", Port: 6632}},
		{name: "ptcp:0:[::1]", want: Target{Scheme: "ptcp", Host: "::1"}},
		{name: "ptcp::192.0.2.1", want: Target{Scheme: "ptcp", Host: "192.0.2.1", Port: 6640}},
		{name: "unix:db.sock", want: Target{Scheme: "unix", Path: "db.sock"}},
		{name: "punix:/run/a:b", want: Target{Scheme: "punix", Path: "/run/a:b"}},
		{name: "tcp:", err: "host must be specified"},
		{name: "tcp", err: "missing"},
		{name: "tcp:2001:db8::1", err: "brackets"},
		{name: "tcp:[::1", err: "missing \"]\""},
		{name: "tcp:a:0", err: "bad port"},
		{name: "tcp:a:65536", err: "bad port"},
		{name: "ptcp:-1", err: "bad port"},
		{name: "ptcp:x", err: "bad port"},
		{name: "unix:", err: "missing file"},
		{name: "pfd:3", want: Target{Scheme: "pfd", FD: 3}},
		{name: "pfd:", err: "bad file descriptor"},
		{name: "pfd:-1", err: "bad file descriptor"},
		{name: "fd:3", err: "unknown connection method"},
		{name: "", err: "missing"},
	} {
		got, err := ParseTarget(tc.name)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q: error %v, want one about %q", tc.name, err, tc.err)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%q: got %+v, %v; want %+v", tc.name, got, err, tc.want)
		}
	}
}

// exchange sends a line each way over a fresh connection.
func exchange(t *testing.T, l net.Listener, dial func() (net.Conn, error)) error {
	t.Helper()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			served <- err
			return
		}
		defer c.Close()
		if err := Handshake(c); err != nil {
			served <- err
			return
		}
		_, err = io.Copy(c, io.LimitReader(c, 5))
		served <- err
	}()
	c, err := dial()
	if err != nil {
		<-served
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		<-served
		return err
	}
	b := make([]byte, 5)
	_, err = io.ReadFull(c, b)
	if serr := <-served; serr != nil {
		return serr
	}
	if err == nil && string(b) != "hello" {
		t.Errorf("read %q", b)
	}
	return err
}

func TestUnix(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	o := Options{RunDir: dir}
	for range 2 {
		l, err := o.Listen("punix:db.sock")
		if err != nil {
			t.Fatal(err)
		}
		if err := exchange(t, l, func() (net.Conn, error) { return o.Dial(context.Background(), "unix:db.sock") }); err != nil {
			t.Error(err)
		}
		// The socket of a process that died is in nobody's way.
		if err := l.(*unixListener).UnixListener.Close(); err != nil {
			t.Fatal(err)
		}
		l2, err := o.Listen("punix:db.sock")
		if err != nil {
			t.Fatal(err)
		}
		l2.Close()
		if _, err := os.Lstat(filepath.Join(dir, "db.sock")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
	_, err := o.Dial(context.Background(), "unix:db.sock")
	if got := Reason(err); got != "No such file or directory" {
		t.Errorf("Reason: %q", got)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Listen("punix:" + file); err == nil {
		t.Error("listened over a file")
	}
}

// A socket that somebody listens on is left alone, and one that is not one's own any more too.
func TestUnixInUse(t *testing.T) {
	o := Options{RunDir: t.TempDir()}
	l, err := o.Listen("punix:s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if second, err := o.Listen("punix:./s"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v, %v", second, err)
	}
	path := filepath.Join(o.RunDir, "s")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := o.Listen("punix:s")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the first listener took the socket of the second away: %v", err)
	}
}

func TestTCP(t *testing.T) {
	for _, name := range []string{"ptcp:0:127.0.0.1", "ptcp:0:[::1]"} {
		l, err := Options{DSCP: DefaultDSCP}.Listen(name)
		if err != nil {
			if strings.Contains(name, "::1") {
				t.Logf("no IPv6 here: %v", err)
				continue
			}
			t.Fatal(err)
		}
		target := "tcp:" + l.Addr().String()
		if err := exchange(t, l, func() (net.Conn, error) {
			c, err := Options{DSCP: DefaultDSCP}.Dial(context.Background(), target)
			if err == nil && strings.Contains(name, "127") {
				checkTOS(t, c, DefaultDSCP<<2)
			}
			return c, err
		}); err != nil {
			t.Error(err)
		}
		l.Close()
		if _, err := (Options{}).Dial(context.Background(), target); Reason(err) != "Connection refused" {
			t.Errorf("after close: %v", err)
		}
	}
	for _, name := range []string{"ssl:127.0.0.1", "tcp:127.0.0.1"} {
		if _, err := (Options{}).Listen(name); err == nil {
			t.Errorf("listened on %s", name)
		}
	}
	if _, err := (Options{}).Listen("pssl:0"); !errors.Is(err, ErrNoTLS) {
		t.Errorf("pssl without keys: %v", err)
	}
}

func checkTOS(t *testing.T, c net.Conn, want int) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		if got, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TOS); err != nil || got != want {
			t.Errorf("TOS %d, %v; want %d", got, err, want)
		}
	})
}
