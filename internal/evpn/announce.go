package evpn

import (
	"fmt"
	"net/netip"
)

func (b *Bridge) announceHost(n *network, mac string) {
	wanted := map[key]*route{}
	if b.ready {
		for _, r := range b.withRouter(n, mac, n.routes(mac, b.rd)) {
			wanted[r.key] = r
		}
	}
	for k := range n.said(mac) {
		if wanted[k] == nil {
			b.say(n, k, nil)
		}
	}
	for k, r := range wanted {
		b.say(n, k, r)
	}
}

// say announces a route of a network, or with nil withdraws it.
func (b *Bridge) say(n *network, k key, r *route) {
	if r == nil && b.speakers[k] != n { // another switch has the VNI now, and announces it
		n.unsay(k)
		return
	}
	if err := b.speaker.announce(k, r); err != nil {
		b.failure = err.Error()
		b.log.Warn("route is not announced", "switch", n.row.Name, "mac", k.mac, "err", err)
		return
	}
	b.failure = ""
	if r == nil {
		n.unsay(k)
		delete(b.speakers, k)
		return
	}
	n.note(k)
	b.speakers[k] = n
}

// announceHeads announces the VTEPs of ours that want what is flooded.
func (b *Bridge) announceHeads(n *network) {
	wanted := map[key]*route{}
	if n.vni != 0 && len(n.exp) > 0 && n.l3 == nil {
		for _, heads := range n.heads {
			for ip := range heads {
				if b.database.own[ip] {
					k := key{kind: Multicast, rd: b.rd(ip, n.vni), ip: ip}
					wanted[k] = &route{key: k, vtep: ip, vni: n.vni, targets: n.exp}
				}
			}
		}
	}
	for k := range n.said("") {
		if wanted[k] == nil {
			b.say(n, k, nil)
		}
	}
	for k, r := range wanted {
		b.say(n, k, r)
	}
}

// segmentRD is the route distinguisher of one of the routes about a whole segment.
func (b *Bridge) segmentRD(a *attachment, i int) string {
	return b.rd(a.vtep, ofSegment|a.number<<8|uint32(i))
}

// ofSegment is in numbers that take the place of a VNI for routes about a whole segment, of which there are so many at most.
const (
	ofSegment        = 1 << 31
	routesPerSegment = 1 << 8
)

// rd is the route distinguisher of a VTEP in a network: no two VTEPs share one, since many speakers keep one path of each only.
func (b *Bridge) rd(vtep netip.Addr, vni uint32) string {
	admin := vtep
	if !vtep.Is4() {
		admin = b.Config().RouterID
	}
	return fmt.Sprintf("%v:%d", admin, b.number(vni))
}

// release gives the numbers back of VNIs that no network has any more; nothing is announced with them.
func (b *Bridge) release() {
	if len(b.numbers) <= len(b.database.networks)+len(b.attached) {
		return
	}
	used := map[uint32]bool{}
	for _, a := range b.database.bySegment {
		for i := range routesPerSegment {
			used[ofSegment|a.number<<8|uint32(i)] = true
		}
	}
	for _, n := range b.database.networks {
		used[n.vni] = true
	}
	for vni, n := range b.numbers {
		if !used[vni] {
			delete(b.numbers, vni)
			delete(b.rds, n)
		}
	}
}

// number gives each VNI one of 16 bits: its own one, if it has no more and no other VNI has that.
func (b *Bridge) number(vni uint32) uint16 {
	if n, ok := b.numbers[vni]; ok {
		return n
	}
	first := uint16(vni)
	if vni >= ofSegment {
		first = ^first // from the other end
	}
	for n := first; ; n++ {
		if _, taken := b.rds[n]; n != 0 && !taken {
			b.rds[n], b.numbers[vni] = vni, n
			return n
		}
		if n+1 == first {
			return first // there are no more than 65,535 networks
		}
	}
}
