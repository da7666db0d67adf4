package test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// heard is a message of ICMP or ICMPv6 that somebody got for what he sent.
type heard struct {
	from       netip.Addr
	kind, code byte
}

func (h heard) String() string { return fmt.Sprintf("type %d code %d from %v", h.kind, h.code, h.from) }

// Of either family: what comes back of an echo request.
func reply(from netip.Addr) heard {
	if from.Is4() {
		return heard{from, 0, 0}
	}
	return heard{from, 129, 0}
}

func expired(from netip.Addr) heard {
	if from.Is4() {
		return heard{from, 11, 0}
	}
	return heard{from, 3, 0}
}

func unreachable(from netip.Addr) heard {
	if from.Is4() {
		return heard{from, 3, 1}
	}
	return heard{from, 1, 3}
}

// echo sends an echo request from a node and gives what is heard of it within a second; ttl 0 is the
// usual one.
func (w *world) echo(from lab.Node, to netip.Addr, ttl int) (got heard, err error) {
	w.t.Helper()
	network, local := "ip4:icmp", "0.0.0.0"
	level, option, request := unix.IPPROTO_IP, unix.IP_TTL, byte(8)
	if to.Is6() {
		network, local = "ip6:ipv6-icmp", "::"
		level, option, request = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 128
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if ttl > 0 {
			_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, ttl) })
		}
		return err
	}}
	var conn net.PacketConn
	err = w.lab.Namespace(from).Do(func() (err error) {
		conn, err = config.ListenPacket(context.Background(), network, local)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	message := binary.BigEndian.AppendUint32([]byte{request, 0, 0, 0}, rand.Uint32())
	id := bytes.Clone(message[4:]) // and sequence number: an error has that much of what it is about
	if to.Is4() {                  // of the other family the kernel does it
		binary.BigEndian.PutUint16(message[2:], testnet.Checksum(message))
	}
	if _, err := conn.WriteTo(message, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return got, fmt.Errorf("%s to %v: %w", from, to, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 2048)
	for {
		n, src, err := conn.ReadFrom(buf)
		if err != nil {
			return got, fmt.Errorf("%s to %v: %w", from, to, err)
		}
		if n < len(message) || buf[0] == request || !bytes.Contains(buf[:n], id) {
			continue // every raw socket gets everything
		}
		ip, _ := netip.AddrFromSlice(src.(*net.IPAddr).IP)
		return heard{ip.Unmap(), buf[0], buf[1]}, nil
	}
}

// hears waits until an echo request has this answer.
func (w *world) hears(from lab.Node, to netip.Addr, ttl int, want heard) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		got, err := w.echo(from, to, ttl)
		if err == nil && got != want {
			err = fmt.Errorf("%s to %v, TTL %d: %v, want %v", from, to, ttl, got, want)
		}
		return err
	})
}

// carries has a node send data to another, by UDP in packets of several sizes, of which none may be lost or
// changed, and by TCP.
func (w *world) carries(from, to lab.Node, at netip.Addr) {
	w.t.Helper()
	var datagrams net.PacketConn
	var listener net.Listener
	err := w.lab.Namespace(to).Do(func() (err error) {
		if datagrams, err = net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String()); err == nil {
			listener, err = net.Listen("tcp", netip.AddrPortFrom(at, 0).String())
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer datagrams.Close()
	defer listener.Close()
	go func() { // says what it hears
		buf := make([]byte, 2048)
		for {
			n, src, err := datagrams.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = datagrams.WriteTo(buf[:n], src)
		}
	}()
	go func() {
		if c, err := listener.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
	var udp, tcp net.Conn
	err = w.lab.Namespace(from).Do(func() (err error) {
		if udp, err = net.Dial("udp", datagrams.LocalAddr().String()); err == nil {
			tcp, err = net.DialTimeout("tcp", listener.Addr().String(), patience)
		}
		return err
	})
	if err != nil {
		w.t.Fatalf("%s to %v: %v", from, at, err)
	}
	defer udp.Close()
	defer tcp.Close()
	for _, size := range []int{1, 500, 1400} {
		same(w.t, udp, size, 1)
	}
	same(w.t, tcp, 1<<20, 2)
}

// same wants back what it sends.
func same(t testing.TB, c net.Conn, size int, seed byte) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	sent := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(sent)
	go func() { _, _ = c.Write(sent) }()
	got := make([]byte, size)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("%v to %v: %d bytes: %v", c.LocalAddr(), c.RemoteAddr(), size, err)
	}
	if string(got) != string(sent) {
		t.Fatalf("%v to %v: of %d bytes others came back", c.LocalAddr(), c.RemoteAddr(), size)
	}
}
