package memory_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/testenv"
)

// wired is a fabric with the port p0 in a switch with VNI 33, whose flood set is the peer.
func wired(t *testing.T, port uint16, ip, peer netip.Addr) (*memory.Wire, *memory.Fabric, error) {
	t.Helper()
	f := memory.New(memory.Options{})
	f.AddDevice("p0")
	w := f.NewWire(true, port)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	s, ls, to := intent.NewState(), intent.SwitchID{1}, intent.Tunnel{Peer: peer, VNI: 33}
	s.TunnelIP = ip
	s.Ports["p0"] = intent.Port{}
	s.Switches[ls] = intent.Switch{VNI: 33}
	s.Bindings[intent.BindingKey{Port: "p0"}] = intent.Binding{Switch: ls}
	s.Floods[intent.FloodKey{Switch: ls, MAC: intent.UnknownDst}] = intent.FloodSet{to}
	s.Decap.Set(to, ls)
	r, err := f.Open().Apply(context.Background(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w, f, r.Tunnels
}

// freeUDP is a UDP port that nobody has at these addresses.
func freeUDP(t *testing.T) uint16 {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4zero})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return uint16(conn.LocalAddr().(*net.UDPAddr).Port)
}

// TestWire has two fabrics send each other a frame by VXLAN over UDP, and a third find its address taken.
func TestWire(t *testing.T) {
	testenv.NoLeaks(t)
	a, b, port := netip.MustParseAddr("127.9.9.1"), netip.MustParseAddr("127.9.9.2"), freeUDP(t)
	one, _, err := wired(t, port, a, b)
	if err != nil {
		t.Fatal(err)
	}
	two, fabric, err := wired(t, port, b, a)
	if err != nil {
		t.Fatal(err)
	}
	frame := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, "hello"...)
	if outs, drop := one.FromPort("p0", frame); drop != memory.Forwarded || len(outs) != 1 || outs[0].Tunnel.Peer != b {
		t.Fatalf("%v, %q", outs, drop)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	if frames, lost := two.Captured(ctx, "p0"); len(frames) != 1 || !bytes.Equal(frames[0], frame) || lost != 0 {
		t.Errorf("captured %x, %d lost", frames, lost)
	}
	if _, _, err := wired(t, port, b, a); err == nil || !strings.Contains(err.Error(), "127.9.9.2") {
		t.Errorf("the address is taken, and the report says %v", err)
	}
	// What is no VXLAN is counted.
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(b, port)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 90*time.Second, func() error {
		if n := fabric.Drops()[memory.Congested]; n != 1 {
			return fmt.Errorf("%d drops", n)
		}
		return nil
	})
}

// TestCaptureBounds has a port that nobody looks at keep what is new.
func TestCaptureBounds(t *testing.T) {
	f := memory.New(memory.Options{})
	w := f.NewWire(false, 0)
	f.AddDevice("p0")
	f.AddDevice("p1")
	s := intent.NewState()
	for _, p := range []string{"p0", "p1"} {
		s.Ports[p] = intent.Port{}
		s.Bindings[intent.BindingKey{Port: p}] = intent.Binding{Switch: intent.SwitchID{1}}
	}
	s.Switches[intent.SwitchID{1}] = intent.Switch{}
	if _, err := f.Open().Apply(context.Background(), s, nil); err != nil {
		t.Fatal(err)
	}
	frame := func(n int) []byte {
		return fmt.Appendf([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, "%d", n)
	}
	for n := range 1030 {
		w.FromPort("p0", frame(n))
	}
	if frames, lost := w.Captured(context.Background(), "p1"); len(frames) != 1024 || lost != 6 || !bytes.Equal(frames[0], frame(6)) {
		t.Errorf("%d frames, %d lost", len(frames), lost)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if frames, lost := w.Captured(ctx, "p1"); len(frames) != 0 || lost != 0 {
		t.Errorf("%d frames twice, %d lost", len(frames), lost)
	}
}
