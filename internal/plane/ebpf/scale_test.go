package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// full is the effort at which tests of size have the size that is promised; with less, a part of it.
const full = 50

func part(t *testing.T, n int) int { return max(1, n*min(testenv.Effort(t), full)/full) }

// The numbers in the names of what many gives a State.
func manySwitch(n int) (id intent.SwitchID) { return numberedID[intent.SwitchID](7, n) }
func manyRouter(n int) (id intent.RouterID) { return numberedID[intent.RouterID](7, n) }
func manyACL(n int) (id intent.ACLID)       { return numberedID[intent.ACLID](7, n) }
func numberedID[T ~[16]byte](kind byte, n int) (id T) {
	id[0] = kind
	binary.BigEndian.PutUint32(id[4:], uint32(n))
	return id
}

// many gives a State routers, each with a switch in which it has a prefix of both families, and evenly spread
// over them static routes and neighbors, half of each family. All routers have the same addresses.
func many(s *intent.State, routers, routes, neighbors int) {
	s.ARPSource = intent.MAC{2, 7, 5: 1}
	four, six := netip.MustParsePrefix("10.0.0.1/8"), netip.MustParsePrefix("2001:db8::1/32")
	for n := range routers {
		id, r := manySwitch(n), manyRouter(n)
		s.Switches[id] = intent.Switch{Name: fmt.Sprint("many", n), VNI: uint32(100_000 + n), Router: r}
		s.Routers[r] = intent.Router{Name: fmt.Sprint("many", n), MAC: intent.MAC{2, 7, 5: 2}}
		for _, p := range []netip.Prefix{four, six} {
			s.Interfaces[intent.IPKey{Switch: id, IP: p.Addr()}] = intent.Interface{Bits: p.Bits()}
			s.Routes[intent.RouteKey{Router: r, Prefix: p.Masked()}] = intent.Route{Switch: id}
		}
	}
	for n := range routes {
		key, way := manyRoute(n, routers)
		s.Routes[key] = way
	}
	for n := range neighbors {
		s.Neighbours[manyNeighbor(n, routers)] = intent.MAC{2, 7, 1, byte(n >> 16), byte(n >> 8), byte(n)}
	}
}

func manyRoute(n, routers int) (intent.RouteKey, intent.Route) {
	of, i := n%routers, uint32(n/routers)
	if n/routers%2 == 0 {
		b := binary.BigEndian.AppendUint32(nil, 0x64000000+i<<8) // 100.0.0.0/24, ...
		return intent.RouteKey{Router: manyRouter(of), Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), 24)},
			intent.Route{Switch: manySwitch(of), Via: manyNeighbor(of, routers).IP}
	}
	ip := netip.MustParseAddr("2001:db9::").As16()
	binary.BigEndian.PutUint32(ip[4:], i)
	return intent.RouteKey{Router: manyRouter(of), Prefix: netip.PrefixFrom(netip.AddrFrom16(ip), 64)},
		intent.Route{Switch: manySwitch(of), Via: manyNeighbor(of+routers, routers).IP}
}

func manyNeighbor(n, routers int) intent.IPKey {
	i := uint32(n/routers) + 2
	if n/routers%2 == 0 {
		b := binary.BigEndian.AppendUint32(nil, 0x0a000000+i)
		return intent.IPKey{Switch: manySwitch(n % routers), IP: netip.AddrFrom4([4]byte(b))}
	}
	ip := netip.MustParseAddr("2001:db8::").As16()
	binary.BigEndian.PutUint32(ip[12:], i)
	return intent.IPKey{Switch: manySwitch(n % routers), IP: netip.AddrFrom16(ip)}
}

// 1,000 routers, 100,000 routes and 100,000 neighbors are in the maps, each found there by its router alone; one of each
// more or less is a small change; the next process takes them over as they are; and all goes again.
func TestManyRouters(t *testing.T) {
	routers, routes, neighbors := part(t, 1000), part(t, 100_000), part(t, 100_000)
	w := newWorld(t)
	p := w.plane(Options{})
	before := basic()
	w.apply(p, before, nil)
	s := before.Clone()
	many(s, routers, routes, neighbors)
	w.apply(p, s, intent.Diff(before, s))
	w.audit(p)
	for n := range routes {
		key, way := manyRoute(n, routers)
		got, err := lookUp(p, key)
		if want := (layout.Way{Kind: layout.WayVia, BD: p.contents.ByUUID[way.Switch].BD, Via: layout.AddressOf(way.Via)}); err != nil || got != want {
			t.Fatalf("the route %v is %+v, want %+v, %v", key, got, want, err)
		}
	}
	for n := range neighbors {
		key := manyNeighbor(n, routers)
		var got layout.Neighbor
		err := p.objs.Neighbors.Lookup(layout.IPKey{BD: p.contents.ByUUID[key.Switch].BD, IP: layout.AddressOf(key.IP)}, &got)
		if err != nil || intent.MAC(got.MAC) != s.Neighbours[key] {
			t.Fatalf("the neighbor %v is %+v, %v", key, got, err)
		}
	}

	other := s.Clone()
	gone, _ := manyRoute(routes/2, routers)
	delete(other.Routes, gone)
	delete(other.Neighbours, manyNeighbor(neighbors/2, routers))
	w.apply(p, other, intent.Diff(s, other))
	w.audit(p)
	if got, err := lookUp(p, gone); !errors.Is(err, ebpf.ErrKeyNotExist) {
		t.Errorf("the route %v is still there: %+v, %v", gone, got, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.plane(Options{})
	if left, err := p.Adopted(t.Context(), true); err != nil || len(left.Neighbours) < neighbors-1 || len(left.Routers) != routers {
		t.Fatalf("taken over: %d routers, %d neighbors, %v", len(left.Routers), len(left.Neighbours), err)
	}
	w.apply(p, other, nil)
	w.audit(p)
	w.apply(p, before, intent.Diff(other, before))
	w.audit(p)
	if n := len(p.contents.Routing.Numbers) + len(p.contents.Routing.Edges); n > 0 {
		t.Errorf("of routers that have gone %d things are known", n)
	}
}

// A host that sends to a million addresses that nobody has makes no map larger, whatever the process does, and known neighbors are reached as before.
func TestManyUnknownNeighbors(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	many(s, 2, 0, 4)
	s.Bindings[intent.BindingKey{Port: "p0"}] = intent.Binding{Switch: manySwitch(0)}
	s.Bindings[intent.BindingKey{Port: "p1"}] = intent.Binding{Switch: manySwitch(0)}
	known := manyNeighbor(0, 2)
	s.Neighbours[known] = macB
	w.apply(p, s, nil)
	w.send("h1", frame(bcast, macB, "here is B"))
	w.barrier()
	router, from := intent.MAC{2, 7, 5: 2}, netip.MustParseAddr("10.0.0.99")
	reach := func() {
		t.Helper()
		w.send("h0", udpFrame(router, macA, from, known.IP))
		w.until("h1", routedFrame(udpFrame(macB, router, from, known.IP)))
	}
	reach()
	room, n := p.objs.Neighbors.MaxEntries(), part(t, 1_000_000)
	ifindex := 0
	w.links(w.vtep, func(h *netlink.Handle) error { ifindex = index(h, "p0"); return nil })
	run := ebpf.RunOptions{DataOut: make([]byte, 512), Context: make([]byte, 192), Repeat: 1} // struct __sk_buff
	binary.NativeEndian.PutUint32(run.Context.([]byte)[36:], uint32(ifindex))
	binary.NativeEndian.PutUint32(run.Context.([]byte)[40:], uint32(ifindex))
	err := w.vtep.Do(func() error {
		for i := range n {
			b := binary.BigEndian.AppendUint32(nil, 0x0a100000+uint32(i))
			run.Data = udpFrame(router, macA, from, netip.AddrFrom4([4]byte(b)))
			if _, err := p.objs.VtepPort.Run(&run); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	reach()
	stats, err := p.Stats(t.Context())
	// Those that the process is shown are counted when that gives them up.
	if dropped := stats.Drops["no_neighbor"]; err != nil || dropped != stats.Drops["neighbor_rate"] || dropped >= uint64(n) {
		t.Errorf("of %d packets to nobody %d were counted, and %d not shown; %v", n, dropped, stats.Drops["neighbor_rate"], err)
	}
	if now := p.objs.Neighbors.MaxEntries(); now != room {
		t.Errorf("the map neighbors had room for %d, and has for %d", room, now)
	}
	w.audit(p)
}

// routedFrame is a frame of IPv4 a hop further.
func routedFrame(f []byte) []byte {
	f[22]--
	f[24], f[25] = 0, 0
	binary.BigEndian.PutUint16(f[24:], testnet.Checksum(f[14:34]))
	return f
}

// lookUp is the way of a router to the last address of a prefix, as the programs look it up.
func lookUp(p *Plane, key intent.RouteKey) (way layout.Way, err error) {
	number := p.contents.Routing.Numbers[key.Router]
	if key.Prefix.Addr().Is4() {
		return way, p.objs.Routes4.Lookup(layout.RouteKey4{Length: 64, Router: number, IP: layout.AddressOf(layout.LastOf(key.Prefix)).Word[3]}, &way)
	}
	ip := key.Prefix.Addr().As16()
	ip[15] = 0xff
	err = p.objs.Routes6.Lookup(layout.RouteKey6{Length: 160, Router: number, IP: layout.AddressOf(netip.AddrFrom16(ip))}, &way)
	return way, err
}

// 1,000 ACLs, one of them with 4,096 entries of each direction, are in force together, also for the next process.
func TestManyACLs(t *testing.T) {
	lists, entries := part(t, 1000), part(t, intent.MaxACLEntries)
	w := newWorld(t)
	p := w.plane(Options{})
	before := basic()
	w.apply(p, before, nil)
	s := before.Clone()
	for n := range lists {
		s.ACLs[manyACL(n)] = intent.ACL{Name: fmt.Sprint("many", n), Ingress: denying(n, 64), Egress: denying(n+100, 3)}
	}
	s.ACLs[manyACL(0)] = intent.ACL{Name: "long", Ingress: fiveTuples(entries), Egress: fiveTuples(entries)}
	for n := range lists {
		s.Bindings[intent.BindingKey{Port: "p2", VLAN: uint16(n + 1)}] = intent.Binding{Switch: ls1}
		s.Policies[intent.BindingKey{Port: "p2", VLAN: uint16(n + 1)}] = intent.Policy{ACL: manyACL(n)}
	}
	s.Policies[intent.BindingKey{Port: "p0"}] = intent.Policy{ACL: manyACL(0)}
	check := func() {
		t.Helper()
		w.audit(p)
		for id, a := range s.ACLs {
			if in := p.access.acls[id]; in == nil || in.place == (extent{}) || !in.acl.Equal(a) {
				t.Fatalf("%s is not in force", a.Name)
			}
		}
		w.send("h0", ipFrame(macB, macA, 64)) // the last entry of the long one
		w.barrier()
		at := plane.ACLEntryAt{ACL: manyACL(0), Entry: s.ACLs[manyACL(0)].Ingress[entries-1].ID}
		counts, err := p.ACLStats(t.Context())
		if err != nil || counts[at].Packets == 0 {
			t.Errorf("the last of %d entries has decided %+v, %v", entries, counts[at], err)
		}
	}
	w.apply(p, s, intent.Diff(before, s))
	check()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.plane(Options{})
	w.apply(p, s, nil)
	check()
	w.apply(p, before, intent.Diff(s, before))
	w.audit(p)
}
