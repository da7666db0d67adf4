package relay

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// lines is what is logged.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// Why there is no connection to a neighbour is told, while that is so: nobody is there, or somebody who ends connections without a
// word. Who connects and is no neighbour is told of once.
func TestTrouble(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().(*net.TCPAddr).AddrPort()
	_ = listener.Close()
	log := &lines{}
	r, dial := startLogged(t, port, Neighbor{Address: at.Addr(), Port: at.Port()}, slog.New(slog.NewTextHandler(log, nil)))
	trouble := func(want string) {
		t.Helper()
		testenv.Eventually(t, 90*time.Second, func() error {
			if got := r.Trouble(at.Addr()); got != want && (want == "" || !strings.Contains(got, want)) {
				return fmt.Errorf("%q, want %q", got, want)
			}
			return nil
		})
	}
	library := dial()
	say(t, library, message(typeOpen, "open"))
	trouble("can't connect: dial tcp " + at.String() + ": connect: connection refused")
	if listener, err = net.Listen("tcp", at.String()); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accept := func() net.Conn {
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(90 * time.Second))
		return conn
	}
	conn := accept()
	trouble("") // it is there, and has said nothing yet
	_ = conn.Close()
	trouble(whySilent)
	conn = accept()
	expect(t, conn, message(typeOpen, "open"))
	say(t, conn, message(typeOpen, "open of the neighbor"))
	expect(t, library, message(typeOpen, "open of the neighbor"))
	trouble("")
	_ = conn.Close()
	trouble(whyClosed)
	_ = library.Close()
	library = dial()
	say(t, library, message(typeOpen, "open"))
	conn = accept()
	defer conn.Close()
	expect(t, conn, message(typeOpen, "open"))
	opened(t, library, conn)
	trouble("")
	for range 2 {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: ownAddress(true).AsSlice()}}).Dial("tcp", fmt.Sprintf("%v:%d", ownAddress(false), port))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(90 * time.Second))
		ended(t, conn)
	}
	for _, line := range []string{"connection refused", whySilent, "no neighbor's are closed\" address=" + ownAddress(true).String()} {
		if text := log.text(); strings.Count(text, line) != 1 {
			t.Errorf("not one line has %q:\n%s", line, text)
		}
	}
}

// A neighbour that does not answer may have another password; one that refuses has not.
func TestUnreached(t *testing.T) {
	for err, hint := range map[error]bool{os.ErrDeadlineExceeded: true, syscall.ETIMEDOUT: true, syscall.ECONNREFUSED: false, syscall.EHOSTUNREACH: false} {
		err := &net.OpError{Op: "dial", Net: "tcp", Err: err}
		if got := unreached(err); !strings.HasPrefix(got, "can't connect: "+err.Error()) || strings.Contains(got, "password") != hint {
			t.Errorf("%v: %s", err, got)
		}
	}
}

// Of so many addresses that are no neighbor's it is told once each, and then that it is no more.
func TestStrangersTold(t *testing.T) {
	log := &lines{}
	r := &Relay{log: slog.New(slog.NewTextHandler(log, nil)), strangers: map[netip.Addr]struct{}{}}
	for range 2 {
		for i := range told + 5 {
			r.refuse(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		}
	}
	if got := strings.Count(log.text(), "\n"); got != told+1 || strings.Count(log.text(), "further addresses") != 1 {
		t.Errorf("%d lines:\n%s", got, log.text())
	}
}

// What has ended a connection is told by its error.
func TestWhyEnded(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.Join(&neighborError{io.EOF}, net.ErrClosed), whyClosed},
		{errors.Join(errEnded, &neighborError{&net.OpError{Op: "write", Err: syscall.EPIPE}}), whyClosed},
		{&neighborError{&net.OpError{Op: "read", Err: syscall.ETIMEDOUT}}, "the connection has failed: read: connection timed out"},
		{errors.Join(errEnded, io.EOF), whyOwnEnd},
		{&neighborError{net.ErrClosed}, whyOwnEnd},
	} {
		if got := whyEnded(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// What a session lacks is not why it has ended, while nobody has noted that; and the reason stays where nobody has one for its end.
func TestNoSession(t *testing.T) {
	r, _ := start(t, -1, Neighbor{Address: netip.MustParseAddr("127.0.0.2"), Passive: true})
	l := r.link(netip.MustParseAddr("127.0.0.2"))
	expect := func(when, trouble, noSession string) {
		t.Helper()
		if got := r.Trouble(l.Address); got != trouble {
			t.Errorf("%s: %q, want %q", when, got, trouble)
		}
		if got := r.NoSession(l.Address); got != noSession {
			t.Errorf("%s: there is no session by %q, want %q", when, got, noSession)
		}
	}
	l.begins(whyNoEVPN)
	expect("it lacks something", whyNoEVPN, "")
	l.lost("")
	expect("it has ended for nobody knows what", whyNoEVPN, whyNoEVPN)
	l.begins(whyNoEVPN)
	l.lost(whyClosed)
	expect("it has ended", whyClosed, whyClosed)
	l.hinder(whySilent)
	expect("there is none since", whyClosed+"; "+whySilent, whyClosed+"; "+whySilent)
}
