package ebpf

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
)

// peer is another VTEP that some MAC or flood set names.
type peer struct {
	ip     uint32
	number uint32 // index of the peers map; 0: they ran out, its route is not watched
	refs   int
	err    error // why it can't be reached
}

// takePeer counts one more user of the peer at addr.
func (p *Plane) takePeer(addr netip.Addr) *peer {
	ip := ipNumber(addr)
	pr := p.peers[ip]
	if pr == nil {
		pr = &peer{ip: ip}
		if pr.number = p.adopted.peers[ip]; pr.number == 0 {
			pr.number = p.peerSlots.take()
		}
		p.peers[ip] = pr
		p.resolve(pr)
	}
	pr.refs++
	return pr
}

func (p *Plane) dropPeer(ip uint32) {
	if pr := p.peers[ip]; pr != nil {
		if pr.refs--; pr.refs == 0 {
			p.idlePeers = append(p.idlePeers, pr)
		}
	}
}

// forgetPeers removes the peers that nobody uses any more.
func (p *Plane) forgetPeers() {
	for _, pr := range p.idlePeers {
		if pr.refs == 0 && p.peers[pr.ip] == pr {
			delete(p.peers, pr.ip)
			if pr.number != 0 {
				p.tPeers.del(pr.number)
				p.peerSlots.give(pr.number)
			}
		}
	}
	p.idlePeers = nil
}

// target is a tunnel as the programs want it; ok is false if it can't be one.
func (p *Plane) target(t intent.Tunnel) (vtepTarget, bool) {
	if !t.Peer.Is4() {
		return vtepTarget{}, false
	}
	pr := p.takePeer(t.Peer)
	return vtepTarget{Ip: pr.ip, Vni: t.VNI, Id: pr.number}, true
}

// resolve asks the host for the route to the peer.
func (p *Plane) resolve(pr *peer) {
	entry := vtepPeer{Ip: pr.ip}
	pr.err = nil
	if p.overlay.ip.IsValid() {
		var o netlink.RouteGetOptions
		if p.devices.local(p.overlay.ip) {
			o.SrcAddr = p.overlay.ip.AsSlice()
		}
		routes, err := p.space.links.RouteGetWithOptions(ipOf(pr.ip).AsSlice(), &o)
		switch {
		case err != nil:
			pr.err = fmt.Errorf("no route to %v: %w", ipOf(pr.ip), err)
		case len(routes) > 0:
			p.fill(&entry, &routes[0])
		}
	}
	if pr.number != 0 {
		p.tPeers.set(pr.number, entry)
	}
}

// fill takes from the route what the programs need.
func (p *Plane) fill(entry *vtepPeer, r *netlink.Route) {
	dev := p.devices.byIndex[r.LinkIndex]
	entry.Mtu = uint32(dev.mtu)
	if r.MTU != 0 {
		entry.Mtu = uint32(r.MTU)
	}
	entry.Ifindex = uint32(r.LinkIndex)
	// The programs compare and copy it as the header has it.
	hop := ipOf(entry.Ip).As4()
	if gw := r.Gw.To4(); gw != nil {
		hop = [4]byte(gw)
	}
	entry.Gateway = binary.NativeEndian.Uint32(hop[:])
}

// resolvePeers looks all routes up again, after something changed about them.
func (p *Plane) resolvePeers() {
	for _, pr := range p.peers {
		p.resolve(pr)
	}
}
