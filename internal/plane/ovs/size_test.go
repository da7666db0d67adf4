package ovs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
)

// A router between red, of port p0, and blue, of port p1 and a peer. Hosts have addresses that end as their MACs do.
var (
	router    = intent.RouterID{0xa}
	routerMAC = intent.MAC{2, 5: 0xaa}
	blueVNI   = intent.Tunnel{Peer: planetest.Peers[0], VNI: 6000}
	redVNI    = intent.Tunnel{Peer: planetest.Peers[0], VNI: 5000}

	hostRed, hostBlue, hostFar = intent.MAC{2, 5: 1}, intent.MAC{2, 5: 2}, intent.MAC{2, 5: 3}
)

// hostIP is the address with a number in a prefix: 1 is red, 2 is blue.
func hostIP(v6 bool, prefix, n byte) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 5: prefix, 15: n})
	}
	return netip.AddrFrom4([4]byte{10, prefix, 0, n})
}

func routedSite() *intent.State {
	s := intent.NewState()
	s.TunnelIP = planetest.TunnelIP
	s.Ports["p0"], s.Ports["p1"] = intent.Port{}, intent.Port{}
	s.Switches[red] = intent.Switch{Name: "red", VNI: redVNI.VNI, Router: router}
	s.Switches[blue] = intent.Switch{Name: "blue", VNI: blueVNI.VNI, Router: router}
	s.Bindings[intent.BindingKey{Port: "p0"}] = intent.Binding{Switch: red}
	s.Bindings[intent.BindingKey{Port: "p1"}] = intent.Binding{Switch: blue}
	s.Decap.Set(redVNI, red)
	s.Decap.Set(blueVNI, blue)
	s.Unicast.Set(intent.MACKey{Switch: blue, MAC: hostFar}, blueVNI)
	s.Routers[router] = intent.Router{MAC: routerMAC}
	for _, v6 := range []bool{false, true} {
		bits := map[bool]int{false: 24, true: 64}[v6]
		for n, id := range []intent.SwitchID{red, blue} {
			ip := hostIP(v6, byte(n+1), 254)
			s.Interfaces[intent.IPKey{Switch: id, IP: ip}] = intent.Interface{Bits: bits}
			s.Routes[intent.RouteKey{Router: router, Prefix: netip.PrefixFrom(ip, bits).Masked()}] = intent.Route{Switch: id}
		}
		s.Neighbours[intent.IPKey{Switch: red, IP: hostIP(v6, 1, 1)}] = hostRed
		s.Neighbours[intent.IPKey{Switch: blue, IP: hostIP(v6, 2, 2)}] = hostBlue
		s.Neighbours[intent.IPKey{Switch: blue, IP: hostIP(v6, 2, 3)}] = hostFar
	}
	return s
}

// toRouter is a frame to the router with a packet of some bytes.
func toRouter(src intent.MAC, from, to netip.Addr, bytes int, df bool) []byte {
	f := append(append([]byte{}, routerMAC[:]...), src[:]...)
	if from.Is6() {
		f = append(f, 0x86, 0xdd, 0x60, 0, 0, 0)
		f = append(binary.BigEndian.AppendUint16(f, uint16(bytes-40)), 17, 64)
		f = append(append(f, from.AsSlice()...), to.AsSlice()...)
	} else {
		f = append(f, 0x08, 0, 0x45, 0)
		f = append(binary.BigEndian.AppendUint16(f, uint16(bytes)), 0x77, 0x77, 0, 0, 64, 17, 0, 0)
		if df {
			f[20] = 0x40
		}
		f = append(append(f, from.AsSlice()...), to.AsSlice()...)
		binary.BigEndian.PutUint16(f[24:], packet.Fold(packet.Sum(0, f[14:34])))
	}
	f = append(f, 0x30, 0x39, 0, 9)
	f = append(binary.BigEndian.AppendUint16(f, uint16(14+bytes-len(f)+4)), 0, 0)
	return append(f, make([]byte, 14+bytes-len(f))...)
}

// gets waits for a frame at a port, or in a tunnel ("").
func (w *world) gets(t *testing.T, port string, want []byte) {
	t.Helper()
	var got []planetest.Out
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, o := range w.collect(t) {
			if o.Port == port && bytes.Equal(o.Frame, want) {
				return
			}
			got = append(got, o)
		}
	}
	t.Fatalf("%q got %x, and not\n%x", port, got, want)
}

// Who sends by the router what does not fit into the tunnel, or to the port, of the next hop is told what does.
func TestRouterTooBig(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	defer p.Destroy(context.Background())
	s := routedSite()
	w.Vsctl(t, "set", "Interface", "u0", "mtu_request=1400", "--", "set", "Interface", "p1", "mtu_request=1300")
	if r, err := p.Apply(context.Background(), s, nil); err != nil || r.Tunnels != nil || len(r.Ports)+len(r.Bindings) > 0 {
		t.Fatalf("%v, %+v", err, r)
	}
	for port, mac := range map[string]intent.MAC{"p0": hostRed, "p1": hostBlue} {
		w.send(t, host(port), append(slices.Concat([]byte{2, 9, 9, 9, 9, 9}, mac[:]), make([]byte, 50)...))
	}
	testenv.Eventually(t, longest, func() error {
		var most []uint16
		err := p.do(t.Context(), func() {
			most = []uint16{p.engine.largest(intent.MACKey{Switch: blue, MAC: hostFar}), p.engine.largest(intent.MACKey{Switch: blue, MAC: hostBlue})}
		})
		if err != nil || !slices.Equal(most, []uint16{1364, 1314}) {
			return fmt.Errorf("the largest frames are %v, %v", most, err)
		}
		return nil
	})
	w.settled(t)
	refused := 0
	told := func(v6, df bool, to byte, mtu int) {
		t.Helper()
		w.collect(t)
		fits := toRouter(hostRed, hostIP(v6, 1, 1), hostIP(v6, 2, to), mtu, df)
		w.send(t, host("p0"), fits)
		out := map[byte]string{2: "p1"}[to]
		w.gets(t, out, packet.Routed(fits, intent.MAC{2, 5: to}, routerMAC))
		large := toRouter(hostRed, hostIP(v6, 1, 1), hostIP(v6, 2, to), mtu+1, df)
		w.send(t, host("p0"), large)
		refused++
		if message := packet.Error(large, packet.TooBig, routerMAC, hostIP(v6, 1, 254), uint32(mtu)); df || v6 {
			w.gets(t, "p0", message)
		}
		w.dropped(t, p, "too_big", refused)
	}
	for _, v6 := range []bool{false, true} {
		told(v6, true, 3, 1350)
		told(v6, true, 2, 1300)
	}
	told(false, false, 3, 1350)
	// Nobody at a tunnel is told.
	w.send(t, "r0", encapsulated(redVNI, toRouter(hostFar, hostIP(true, 1, 3), hostIP(true, 2, 2), 1301, true)))
	refused++
	w.dropped(t, p, "too_big", refused)
	// The station is somewhere else, and then the tunnel takes more.
	next := s.Clone()
	next.Unicast.Delete(intent.MACKey{Switch: blue, MAC: hostFar})
	next.Unicast.Set(intent.MACKey{Switch: blue, MAC: hostBlue}, blueVNI)
	if _, err := p.Apply(context.Background(), next, intent.Diff(s, next)); err != nil {
		t.Fatal(err)
	}
	w.settled(t)
	fits := toRouter(hostRed, hostIP(false, 1, 1), hostIP(false, 2, 2), 1350, true)
	w.send(t, host("p0"), fits)
	w.gets(t, "", packet.Routed(fits, hostBlue, routerMAC))
	w.Vsctl(t, "set", "Interface", "u0", "mtu_request=1500")
	testenv.Eventually(t, longest, func() error {
		var most uint16
		err := p.do(t.Context(), func() { most = p.engine.largest(intent.MACKey{Switch: blue, MAC: hostBlue}) })
		if err != nil || most != 1464 {
			return fmt.Errorf("the largest frame is %d, %v", most, err)
		}
		return nil
	})
	w.settled(t)
	large := toRouter(hostRed, hostIP(false, 1, 1), hostIP(false, 2, 2), 1451, true)
	w.send(t, host("p0"), large)
	w.gets(t, "p0", packet.Error(large, packet.TooBig, routerMAC, hostIP(false, 1, 254), 1450))
}

// dropped waits until so many frames have been dropped for a reason.
func (w *world) dropped(t *testing.T, p plane.Plane, reason string, n int) {
	t.Helper()
	testenv.Eventually(t, longest, func() error {
		stats, err := p.Stats(context.Background())
		if err != nil || stats.Drops[reason] != uint64(n) {
			return fmt.Errorf("%d are dropped for %s, want %d (of %v), %v", stats.Drops[reason], reason, n, stats.Drops, err)
		}
		return nil
	})
}
