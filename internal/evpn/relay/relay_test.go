package relay

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// message is one of BGP with a type and a body.
func message(kind byte, body string) []byte {
	n := headerLen + len(body)
	return append(append(bytes.Repeat([]byte{0xff}, 16), byte(n>>8), byte(n), kind), body...)
}

// port is where relays listen, none of those that the kernel gives to connections.
const port = 11790

// ownAddress is one of this process alone, where nobody else has the port; the other one is another.
func ownAddress(other bool) netip.Addr {
	ip := [4]byte{127, 64, byte(os.Getpid() >> 8), byte(os.Getpid())}
	if other {
		ip[1]--
	}
	return netip.AddrFrom4(ip)
}

// start starts a relay; port -1: nobody can connect.
func start(t *testing.T, port int, n Neighbor) (*Relay, func() net.Conn) {
	t.Helper()
	return startLogged(t, port, n, slog.New(slog.DiscardHandler))
}

func startLogged(t *testing.T, port int, n Neighbor, log *slog.Logger) (*Relay, func() net.Conn) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := Start(ctx, Options{Listen: []string{ownAddress(false).String()}, Port: port, Neighbors: []Neighbor{n}, Logger: log})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); r.Wait() })
	return r, func() net.Conn { // as the library does
		conn, err := net.Dial("tcp", r.Library(n.Address).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(90 * time.Second))
		return conn
	}
}

func expect(t *testing.T, from net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%x, %v, want %x", got, err, want)
	}
}

// Messages go both ways, whoever connects, with a password where there is one, and the end of either connection ends
// the other.
func TestRelay(t *testing.T) {
	for name, passive := range map[string]bool{"active": false, "passive": true} {
		t.Run(name, func(t *testing.T) {
			peer := netip.MustParseAddr("127.0.0.2")
			listener, err := net.Listen("tcp", "127.0.0.2:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			n := Neighbor{Address: peer, Port: uint16(listener.Addr().(*net.TCPAddr).Port), Passive: passive, Hops: 1}
			listens := -1
			signed := func(network, address string, c syscall.RawConn) error {
				return control(c, func(fd int) error { return setPassword(fd, ownAddress(false), n.Password) })
			}
			if passive {
				n.Password, listens = "secret", port
			}
			r, dial := start(t, listens, n)
			for range 2 {
				library := dial()
				if _, err := library.Write(message(typeOpen, "open of the library")); err != nil {
					t.Fatal(err)
				}
				var neighbor net.Conn
				if passive {
					d := net.Dialer{LocalAddr: &net.TCPAddr{IP: peer.AsSlice()}, Control: signed}
					neighbor, err = d.Dial("tcp", netip.AddrPortFrom(ownAddress(false), port).String())
				} else {
					neighbor, err = listener.Accept()
				}
				if err != nil {
					t.Fatal(err)
				}
				_ = neighbor.SetDeadline(time.Now().Add(90 * time.Second))
				expect(t, neighbor, message(typeOpen, "open of the library"))
				for _, m := range [][]byte{message(typeOpen, "open"), message(4, ""), message(typeUpdate, "\x00\x00\x00\x00")} {
					if _, err := neighbor.Write(m); err != nil {
						t.Fatal(err)
					}
					expect(t, library, m)
					if m[18] != typeOpen {
						continue
					}
					if _, err := library.Write(message(4, "")); err != nil {
						t.Fatal(err)
					}
					expect(t, neighbor, message(4, ""))
				}
				if got := r.State(peer); got != "" {
					t.Errorf("the state is %s", got)
				}
				_ = neighbor.Close()
				if _, err := library.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("after the end: %v", err)
				}
			}
		})
	}
}

// Another process of this machine can't speak to neighbours through the relay.
func TestRelayIsOurs(t *testing.T) {
	peer := netip.MustParseAddr("127.0.0.2")
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r, _ := start(t, -1, Neighbor{Address: peer, Port: uint16(listener.Addr().(*net.TCPAddr).Port)})
	at := r.Library(peer)
	cmd := exec.Command("bash", "-c", "exec 3<>/dev/tcp/"+at.Addr().String()+"/"+strconv.Itoa(int(at.Port()))+"; cat <&3; echo ended")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "ended\n") {
		t.Fatalf("%v: %s", err, out)
	}
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if conn, err := listener.Accept(); err == nil {
		t.Errorf("the neighbor is connected to by %v", conn.RemoteAddr())
	}
}

// join starts a relay between a library and a neighbour, which has heard the library's open.
func join(t *testing.T) (r *Relay, library, neighbor net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r, dial := start(t, -1, Neighbor{Address: netip.MustParseAddr("127.0.0.2"), Port: uint16(listener.Addr().(*net.TCPAddr).Port)})
	library = dial()
	if _, err := library.Write(message(typeOpen, "open")); err != nil {
		t.Fatal(err)
	}
	if neighbor, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = neighbor.Close() })
	_ = neighbor.SetDeadline(time.Now().Add(90 * time.Second))
	expect(t, neighbor, message(typeOpen, "open"))
	return r, library, neighbor
}

// A neighbour whose routes nobody has time for has to wait, and the library hears that it is there.
func TestPatience(t *testing.T) {
	r, library, neighbor := join(t)
	open := message(typeOpen, "open of the neighbor")
	withdraw := updateOf(attribute(attrUnreach, false, append([]byte{0, afiL2VPN, safiEVPN, 2, 37}, good(2, false, false)...)))
	if _, err := neighbor.Write(slices.Concat(open, keepalive)); err != nil {
		t.Fatal(err)
	}
	expect(t, library, open)
	if _, err := library.Write(keepalive); err != nil {
		t.Fatal(err)
	}
	const updates = queued + 10
	for range updates {
		if _, err := neighbor.Write(withdraw); err != nil {
			t.Fatal(err)
		}
	}
	for range 1 + 1 + 3 { // the neighbour's own, in place of what has found room, and while it waits
		expect(t, library, keepalive)
	}
	heard := 0
	for e := range r.Events() {
		if e.What == Heard {
			if heard++; len(e.Update.Withdrawn) != 1 {
				t.Fatalf("%+v", e.Update)
			}
		}
		if heard == updates {
			break
		}
	}
}

// The library hears at once that the neighbour is there, though that makes no pause between its messages.
func TestAliveWithoutPause(t *testing.T) {
	r, library, neighbor := join(t)
	open := message(typeOpen, "open of the neighbor")
	withdraw := updateOf(attribute(attrUnreach, false, append([]byte{0, afiL2VPN, safiEVPN, 2, 37}, good(2, false, false)...)))
	say(t, neighbor, slices.Concat(open, keepalive))
	expect(t, library, open)
	expect(t, library, keepalive)
	say(t, library, keepalive)
	if e := <-r.Events(); e.What != Opened {
		t.Fatalf("%+v", e)
	}
	say(t, neighbor, slices.Concat(withdraw, withdraw[:headerLen])) // there is always a part of the next one
	expect(t, library, keepalive)
	say(t, neighbor, slices.Concat(withdraw[headerLen:], keepalive, withdraw[:headerLen]))
	expect(t, library, keepalive)
}

// The library hears in place of routes that the neighbour is there, but not for each message.
func TestAlive(t *testing.T) {
	r, library, neighbor := join(t)
	withdraw := updateOf(attribute(attrUnreach, false, append([]byte{0, afiL2VPN, safiEVPN, 2, 37}, good(2, false, false)...)))
	if _, err := neighbor.Write(slices.Concat(message(typeOpen, "open of the neighbor"), keepalive)); err != nil {
		t.Fatal(err)
	}
	expect(t, library, message(typeOpen, "open of the neighbor"))
	if _, err := library.Write(keepalive); err != nil {
		t.Fatal(err)
	}
	expect(t, library, keepalive)
	const updates = 100
	if _, err := neighbor.Write(slices.Concat(bytes.Repeat(withdraw, updates), refresh)); err != nil {
		t.Fatal(err)
	}
	told := 0
	for m := []byte(nil); !bytes.Equal(m, refresh); told++ {
		var err error
		if m, err = readMessage(library, make([]byte, usualLen)); err != nil {
			t.Fatal(err)
		}
	}
	if told--; told == 0 || told >= updates {
		t.Errorf("the library hears %d times that the neighbor is there", told)
	}
	for heard := 0; heard < updates; {
		if e := <-r.Events(); e.What == Heard {
			heard++
		}
	}
}
