package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Options are what a stream needs beside its name. The zero Options will do for everything
// but the ssl forms.
type Options struct {
	TLS    *TLS   // nil: ssl and pssl are refused
	DSCP   int    // 0..63, class of the packets; 0 is the kernel's default
	RunDir string // where relative unix paths are; empty: $OVS_RUNDIR

	// Share gives a unix socket that is listened on the group and the mode that it is to have, before anybody
	// is accepted; nil: it has the mode 0770.
	Share func(path string) error
}

// handshakeTimeout bounds how long a peer may take over the TLS handshake, so that a silent
// one does not hold a connection.
const handshakeTimeout = 30 * time.Second

// ErrNoTLS is returned for an ssl or pssl target when no keys are configured.
var ErrNoTLS = errors.New("no private key, certificate and CA certificate configured")

// Dial connects to an active target. For ssl the handshake is part of it.
func (o Options) Dial(ctx context.Context, name string) (net.Conn, error) {
	t, err := ParseTarget(name)
	if err != nil {
		return nil, err
	}
	if t.Passive() {
		return nil, fmt.Errorf("%s: is a target to listen on", name)
	}
	if t.Local() {
		return o.dialUnix(ctx, name, t.Path)
	}
	if t.Secure() && o.TLS == nil {
		return nil, fmt.Errorf("%s: %w", name, ErrNoTLS)
	}
	d := net.Dialer{Control: o.control}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(t.Host, strconv.Itoa(t.Port)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !t.Secure() {
		return conn, nil
	}
	config, err := o.TLS.client(t.Host)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return secure, nil
}

func (o Options) dialUnix(ctx context.Context, name, path string) (net.Conn, error) {
	path, done, err := shortPath(runPath(path, o.RunDir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer done()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return quiet(conn), nil
}

// Listen listens on a passive target. Connections accepted from a pssl listener have their
// handshake before them: see Handshake.
func (o Options) Listen(name string) (net.Listener, error) {
	t, err := ParseTarget(name)
	if err != nil {
		return nil, err
	}
	if !t.Passive() {
		return nil, fmt.Errorf("%s: is not a target to listen on", name)
	}
	if t.Local() {
		return o.listenUnix(name, t.Path)
	}
	if t.Scheme == "pfd" {
		return listenFD(name, t.FD)
	}
	if t.Secure() && o.TLS == nil {
		return nil, fmt.Errorf("%s: %w", name, ErrNoTLS)
	}
	lc := net.ListenConfig{Control: o.control}
	network := "tcp"
	if t.Host == "" {
		network = "tcp4" // as the C programs: IPv6 only when an IPv6 address is named
	}
	l, err := lc.Listen(context.Background(), network, net.JoinHostPort(t.Host, strconv.Itoa(t.Port)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if t.Secure() {
		return &secureListener{Listener: l, tls: o.TLS}, nil
	}
	return l, nil
}

func (o Options) listenUnix(name, path string) (net.Listener, error) {
	full := runPath(path, o.RunDir)
	short, done, err := shortPath(full)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer done()
	// A socket left behind by a process that died is in the way; anything else, and one that
	// somebody listens on, is not ours.
	if fi, err := os.Lstat(full); err == nil && fi.Mode()&fs.ModeSocket != 0 {
		switch c, err := net.Dial("unix", short); {
		case err == nil:
			c.Close()
			return nil, fmt.Errorf("%s: %w", name, syscall.EADDRINUSE)
		case !errors.Is(err, syscall.ECONNREFUSED):
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		os.Remove(full)
	}
	l, err := net.Listen("unix", short)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	ul := l.(*net.UnixListener)
	ul.SetUnlinkOnClose(false) // short may be gone by then; unixListener removes full
	err = os.Chmod(full, 0o770)
	if err == nil && o.Share != nil {
		err = o.Share(full)
	}
	if err != nil {
		ul.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	fi, err := os.Lstat(full)
	if err != nil {
		ul.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &unixListener{ul, full, fi}, nil
}

// unixListener removes its socket when it is closed, if it is still its own.
type unixListener struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

func (l *unixListener) Accept() (net.Conn, error) { return accept(l.UnixListener) }

// accept accepts a connection that the poller is not troubled with in vain.
func accept(l net.Listener) (net.Conn, error) {
	nc, err := l.Accept()
	if err != nil {
		return nil, err
	}
	return quiet(nc), nil
}

func (l *unixListener) Close() error {
	err := l.UnixListener.Close()
	if now, serr := os.Lstat(l.path); serr == nil && !os.SameFile(now, l.file) {
		return err
	}
	if rm := os.Remove(l.path); err == nil && rm != nil && !errors.Is(rm, fs.ErrNotExist) {
		err = rm
	}
	return err
}

// maxUnixPath is how long a path sockaddr_un can hold.
const maxUnixPath = 107

// shortPath gives a path that fits a unix socket address: itself, or when it is too long
// one through an open descriptor of its directory. done releases that.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) <= maxUnixPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}

// control sets the class of service on a TCP socket.
func (o Options) control(network, _ string, c syscall.RawConn) error {
	if o.DSCP <= 0 || o.DSCP > 63 {
		return nil
	}
	var err error
	if cerr := c.Control(func(fd uintptr) {
		if network == "tcp6" {
			err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, o.DSCP<<2)
			return
		}
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TOS, o.DSCP<<2)
	}); cerr != nil {
		return cerr
	}
	return err
}
