package evpn

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// Route distinguishers tell routes of one VTEP in one network, or about one segment, from all others: many speakers keep one path of
// each only. They are of type 1 (RFC 7432, section 7.9): an IPv4 address, the tunnel IP or else the router-id, and a number of 16 bits. The
// numbers are one space for all of a bridge, as the router-id is the tunnel IP of a VTEP in most cases.

// instance is what has a number.
type instance struct {
	vni  uint32     // or what takes its place for routes about a whole segment
	vtep netip.Addr // of IPv6; invalid: any whose own address tells it from others
}

func (i instance) compare(o instance) int {
	return cmp.Or(cmp.Compare(i.vni, o.vni), i.vtep.Compare(o.vtep))
}

// ofSegment is in numbers that take the place of a VNI for routes about a whole segment, of which there are so many at most.
const (
	ofSegment        = 1 << 31
	routesPerSegment = 1 << 8
)

// segmentRD is the route distinguisher of one of the routes about a whole segment.
func (b *Bridge) segmentRD(a *attachment, i int) string {
	return b.rd(a.vtep, ofSegment|a.number<<8|uint32(i))
}

// rd is the route distinguisher of a VTEP in a network.
func (b *Bridge) rd(vtep netip.Addr, vni uint32) string {
	if vtep.Is4() {
		return fmt.Sprintf("%v:%d", vtep, b.number(instance{vni: vni}))
	}
	return fmt.Sprintf("%v:%d", b.Config().RouterID, b.number(instance{vni, vtep}))
}

// number gives each instance one of 16 bits: the first that it may have, if no other one has that, else the next one that is free.
func (b *Bridge) number(i instance) uint16 {
	if n, ok := b.numbers[i]; ok {
		return n
	}
	first := b.database.firstNumber(i)
	for n := first; ; n++ {
		if _, taken := b.rds[n]; n != 0 && !taken {
			b.rds[n], b.numbers[i] = i, n
			return n
		}
		if n+1 == first { // there are no more than 65,535
			if !b.shared {
				b.shared = true
				b.log.Warn("there are more networks and VTEPs than route distinguishers: some have the same, and one route of each")
			}
			b.numbers[i] = first
			return first
		}
	}
}

// spreads is how far from one another the numbers of VTEPs begin: far, also for many of them (65,536 by the golden ratio).
const spreads = 40503

// firstNumber is the VNI, or its last 16 bits. Of IPv6 that is so of the VTEP with the lowest address.
func (db *database) firstNumber(i instance) uint16 {
	first := uint16(i.vni)
	if i.vni >= ofSegment {
		first = ^first // from the other end
	}
	if i.vtep.IsValid() {
		for ip := range db.own {
			if ip.Is6() && ip.Less(i.vtep) {
				first += spreads
			}
		}
	}
	return first
}

// reserve gives numbers, in an order that does not depend on anything but the rows, to what will want them: after a restart with the
// same rows the distinguishers are the same, also where two instances would have the same number.
func (b *Bridge) reserve() {
	db, set := b.database, map[instance]struct{}{}
	wants := func(vtep netip.Addr, n *network) {
		switch {
		case !db.own[vtep] || n.vni == 0:
		case vtep.Is4():
			set[instance{vni: n.vni}] = struct{}{}
		default:
			set[instance{n.vni, vtep}] = struct{}{}
		}
	}
	for _, n := range db.networks {
		for _, heads := range n.heads {
			for vtep := range heads {
				wants(vtep, n)
			}
		}
		if n.l3 != nil {
			for vtep := range db.sources {
				wants(vtep, n)
			}
		}
	}
	for _, i := range slices.SortedFunc(maps.Keys(set), instance.compare) {
		b.number(i)
	}
}

// release gives the numbers back of VNIs that no network has any more, and of VTEPs that are none of ours; nothing is announced with them.
func (b *Bridge) release() {
	db := b.database
	if len(b.numbers) <= len(db.networks)+len(b.attached) {
		return
	}
	vteps := 1
	for ip := range db.own {
		if ip.Is6() {
			vteps++
		}
	}
	if len(b.numbers) <= len(db.networks)*vteps+len(b.attached) {
		return
	}
	used := map[uint32]bool{}
	for _, a := range db.bySegment {
		for i := range routesPerSegment {
			used[ofSegment|a.number<<8|uint32(i)] = true
		}
	}
	for _, n := range db.networks {
		used[n.vni] = true
	}
	for i, n := range b.numbers {
		if !used[i.vni] || i.vtep.IsValid() && !db.own[i.vtep] {
			delete(b.numbers, i)
			if b.rds[n] == i {
				delete(b.rds, n)
			}
		}
	}
}
