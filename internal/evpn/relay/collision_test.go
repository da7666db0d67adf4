package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/testenv"
)

// collide starts a relay that both connects to its neighbour 127.0.0.2, at the listener, and is connected to by it. connects does.
func collide(t *testing.T, listener net.Listener) (l *link, library, connects func() net.Conn) {
	t.Helper()
	return collideAs(t, listener, message(typeOpen, "open of the library"))
}

func collideAs(t *testing.T, listener net.Listener, open []byte) (l *link, library, connects func() net.Conn) {
	t.Helper()
	peer := netip.MustParseAddr("127.0.0.2")
	r, dial := start(t, port, Neighbor{Address: peer, Port: uint16(listener.Addr().(*net.TCPAddr).Port)})
	library = func() net.Conn {
		t.Helper()
		conn := dial()
		say(t, conn, open)
		return conn
	}
	connects = func() net.Conn {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: peer.AsSlice()}}
		conn, err := d.Dial("tcp", netip.AddrPortFrom(ownAddress(false), port).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(90 * time.Second))
		return conn
	}
	return r.link(peer), library, connects
}

// meet is collide with a library and a neighbour between which there is a connection already, and its first message.
func meet(t *testing.T) (library, neighbor net.Conn, connects func() net.Conn) {
	t.Helper()
	return meetAs(t, message(typeOpen, "open of the library"))
}

// meetAs is meet with a library that says this open.
func meetAs(t *testing.T, open []byte) (library, neighbor net.Conn, connects func() net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	_, dial, connects := collideAs(t, listener, open)
	library = dial()
	if neighbor, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = neighbor.Close() })
	_ = neighbor.SetDeadline(time.Now().Add(90 * time.Second))
	expect(t, neighbor, open)
	return library, neighbor, connects
}

func say(t *testing.T, conn net.Conn, m []byte) {
	t.Helper()
	if _, err := conn.Write(m); err != nil {
		t.Fatal(err)
	}
}

func (l *link) waits() error {
	if len(l.inbound) == 0 {
		return errors.New("no connection waits")
	}
	return nil
}

// opened opens a session by a connection to the neighbour, which has the library's open already.
func opened(t *testing.T, library, neighbor net.Conn) {
	t.Helper()
	open := message(typeOpen, "open of the neighbor")
	say(t, neighbor, append(open, keepalive...))
	expect(t, library, open)
	say(t, library, keepalive)
	expect(t, neighbor, keepalive)
	expect(t, library, keepalive)
}

func ended(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

// Both ends connect. The first connection has the session, whenever the other one comes, and that is closed.
func TestCollision(t *testing.T) {
	library, neighbor, connects := meet(t)
	other := connects()
	opened(t, library, neighbor)
	ended(t, other)
	ended(t, connects()) // when the neighbour has been asked whether it knows of the first one
	if _, err := neighbor.Write(keepalive); err != nil {
		t.Fatal(err)
	}
	expect(t, library, keepalive)
}

// A connection that is under way to a neighbour which has connected meanwhile is given up.
func TestCollisionUnderWay(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	raw, err := listener.(*net.TCPListener).SyscallConn()
	if err == nil {
		err = control(raw, func(fd int) error { return unix.Listen(fd, 0) }) // one, then the kernel does not answer
	}
	if err != nil {
		t.Fatal(err)
	}
	full, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	_, dial, connects := collide(t, listener)
	library := dial()
	testenv.Eventually(t, 90*time.Second, func() error { return connecting(listener.Addr()) })
	neighbor := connects()
	expect(t, neighbor, message(typeOpen, "open of the library"))
	opened(t, library, neighbor)
	if first, err := listener.Accept(); err != nil || first.RemoteAddr().String() != full.LocalAddr().String() {
		t.Fatal(err)
	}
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(3 * time.Second)) // the kernel would have tried again
	if second, err := listener.Accept(); err == nil {
		_ = second.SetDeadline(time.Now().Add(90 * time.Second))
		ended(t, second)
	}
}

// connecting says that nobody connects to an address.
func connecting(to net.Addr) error {
	b, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		return err
	}
	want := procAddr(to.(*net.TCPAddr).AddrPort()) + " 02 " // SYN_SENT
	if !bytes.Contains(b, []byte(want)) {
		return errors.New("nobody connects")
	}
	return nil
}

// procAddr is an address of IPv4 as /proc/net/tcp has it.
func procAddr(a netip.AddrPort) string {
	ip := a.Addr().Unmap().As4()
	var host [4]byte
	binary.NativeEndian.PutUint32(host[:], binary.BigEndian.Uint32(ip[:]))
	return strings.ToUpper(hex.EncodeToString(host[:])) + fmt.Sprintf(":%04X", a.Port())
}

// A neighbour that has connected before the library is not connected to.
func TestWaiting(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l, dial, connects := collide(t, listener)
	for range 20 {
		neighbor := connects()
		testenv.Eventually(t, 90*time.Second, l.waits)
		library := dial()
		expect(t, neighbor, message(typeOpen, "open of the library"))
		_ = library.Close()
		ended(t, neighbor)
	}
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Millisecond))
	if conn, err := listener.Accept(); err == nil {
		t.Errorf("is connected to by %v", conn.RemoteAddr())
	}
}

// A neighbour loses its power, and connects when it is back: the session that it knows nothing of ends, and the next one is by that connection.
func TestForgotten(t *testing.T) {
	testenv.Root(t)
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, dial, connects := collide(t, listener)
	library := dial()
	neighbor, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = neighbor.SetDeadline(time.Now().Add(90 * time.Second))
	expect(t, neighbor, message(typeOpen, "open of the library"))
	opened(t, library, neighbor)
	raw, err := neighbor.(*net.TCPConn).SyscallConn()
	if err == nil {
		err = control(raw, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1) })
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = neighbor.Close() // without a word
	again := connects()
	if _, err := library.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	library = dial()
	expect(t, again, message(typeOpen, "open of the library"))
	opened(t, library, again)
}

// openOf is an open of an AS and a router, of which the last number is id.
func openOf(id byte) []byte {
	return message(typeOpen, string([]byte{4, 0xfd, 0xe9, 0, 90, 10, 0, 0, id, 0}))
}

// Both ends connect, and say an open on either connection: that of the end with the higher identifier stays. What the neighbour
// refuses is not used, whoever is higher.
func TestCollisionIdentifiers(t *testing.T) {
	const own = 5
	for name, c := range map[string]struct {
		id      byte
		refuses bool
		stays   bool // the relay's connection
	}{"lower": {4, false, true}, "same": {own, false, true}, "higher": {6, false, false}, "refused": {4, true, false}} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.2:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			peer := netip.MustParseAddr("127.0.0.2")
			_, dial := start(t, port, Neighbor{Address: peer, Port: uint16(listener.Addr().(*net.TCPAddr).Port)})
			library := dial()
			if _, err := library.Write(openOf(own)); err != nil {
				t.Fatal(err)
			}
			first, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			_ = first.SetDeadline(time.Now().Add(90 * time.Second))
			expect(t, first, openOf(own))
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: peer.AsSlice()}}
			second, err := d.Dial("tcp", netip.AddrPortFrom(ownAddress(false), port).String())
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close()
			_ = second.SetDeadline(time.Now().Add(90 * time.Second))
			used, other := first, second
			if !c.stays {
				used, other = second, first
			}
			if c.refuses {
				_, err = first.Write(message(typeNotification, "\x06\x07"))
			} else {
				_, err = second.Write(openOf(c.id))
			}
			if err != nil {
				t.Fatal(err)
			}
			ended(t, other)
			if used == second {
				expect(t, used, openOf(own))
			}
			if used == first || c.refuses {
				if _, err := used.Write(openOf(c.id)); err != nil {
					t.Fatal(err)
				}
			}
			expect(t, library, openOf(c.id))
		})
	}
}

// A connection that the neighbour had opened a session on, and has closed since, is none.
func TestClosedMeanwhile(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l, dial, connects := collide(t, listener)
	before := connects()
	if _, err := before.Write(openOf(9)); err != nil {
		t.Fatal(err)
	}
	_ = before.Close()
	testenv.Eventually(t, 90*time.Second, l.waits)
	library := dial()
	testenv.Eventually(t, 90*time.Second, func() error {
		if len(l.inbound) > 0 {
			return errors.New("it waits still")
		}
		return nil
	})
	neighbor := connects()
	expect(t, neighbor, message(typeOpen, "open of the library"))
	opened(t, library, neighbor)
}

// Two relays connect to one another at the same time, again and again: whatever crosses, either library gets to the other one.
func TestBothConnect(t *testing.T) {
	addresses := []netip.Addr{ownAddress(false), ownAddress(true)}
	relays := make([]*Relay, 2)
	for i, at := range addresses {
		ctx, cancel := context.WithCancel(context.Background())
		r, err := Start(ctx, Options{Listen: []string{at.String()}, Port: port, Logger: slog.New(slog.DiscardHandler),
			Neighbors: []Neighbor{{Address: addresses[1-i], Port: port, Local: at}}})
		if err != nil {
			cancel()
			t.Fatal(err)
		}
		t.Cleanup(func() { cancel(); r.Wait() })
		relays[i] = r
	}
	library := func(i int) net.Conn {
		conn, err := net.Dial("tcp", relays[i].Library(addresses[1-i]).String())
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(90 * time.Second))
			_, err = conn.Write(openOf(byte(i)))
		}
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for range 20 {
		a, b := library(0), library(1)
		for i, conn := range []net.Conn{a, b} {
			expect(t, conn, openOf(byte(1-i)))
		}
		_ = a.Close()
		ended(t, b)
		_ = b.Close()
	}
}

// A library that gives up before there is an answer says why.
func TestGivesUp(t *testing.T) {
	library, neighbor, _ := meet(t)
	if _, err := library.Write(message(typeNotification, "\x04\x00")); err != nil {
		t.Fatal(err)
	}
	expect(t, neighbor, message(typeNotification, "\x04\x00"))
	ended(t, neighbor)
	ended(t, library)
}

// A neighbour with the higher identifier has connected, too, when it answers on the relay's connection. Its own one has its place
// if it goes on with that; if it thinks better of it, or does nothing, the one that it has answered on stays.
func TestCollisionAnswered(t *testing.T) {
	own, answer := openOf(5), openOf(6)
	for _, then := range []string{"goes on", "is closed", "is silent"} {
		t.Run(then, func(t *testing.T) {
			library, first, connects := meetAs(t, own)
			second := connects()
			time.Sleep(50 * time.Millisecond) // the relay has it: if not, the case is an easier one
			say(t, first, answer)
			used, other := first, second
			switch then {
			case "goes on":
				say(t, second, answer)
				used, other = second, first
				expect(t, used, own)
			case "is closed":
				_ = second.Close()
			}
			expect(t, library, answer)
			if then != "is closed" {
				ended(t, other)
			}
			say(t, used, keepalive)
			expect(t, library, keepalive)
		})
	}
}

// The neighbour says that it has chosen another connection, before that has come here.
func TestCollisionRefusedEarly(t *testing.T) {
	library, first, connects := meetAs(t, openOf(5))
	say(t, first, message(typeNotification, "\x06\x07"))
	ended(t, first)
	second := connects()
	expect(t, second, openOf(5))
	say(t, second, openOf(4))
	expect(t, library, openOf(4))
}
