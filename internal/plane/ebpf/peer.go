package ebpf

import (
	"encoding/binary"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// peer is another VTEP that some MAC or flood set names.
type peer struct {
	ip     uint32
	number uint32 // index of the peers map; 0: they ran out, its route is not watched
	refs   int
	device int // ifindex by which it is reached; 0: not known
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
			delete(p.unreachable, pr.ip)
			p.rerouted = true
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
	pr.device = 0
	delete(p.unreachable, pr.ip)
	p.rerouted = true
	if p.overlay.ip.IsValid() {
		if err := p.route(pr, &entry); err != nil {
			p.unreachable[pr.ip] = problem.Errorf(problem.NoRoute, "add a route", "there is no route to it: %w", err)
		}
	}
	if pr.number != 0 {
		p.tPeers.set(pr.number, entry)
	}
}

// route fills in what the programs need to know of the way to the peer.
func (p *Plane) route(pr *peer, entry *vtepPeer) error {
	var o netlink.RouteGetOptions
	if p.devices.local(p.overlay.ip) {
		o.SrcAddr = p.overlay.ip.AsSlice()
	}
	to := ipOf(entry.Ip).AsSlice()
	routes, err := p.space.links.RouteGetWithOptions(to, &o)
	if err != nil || len(routes) == 0 {
		return err
	}
	r := &routes[0]
	dev := p.devices.byIndex[r.LinkIndex]
	pr.device, entry.Mtu = r.LinkIndex, uint32(dev.mtu)
	if r.MTU != 0 {
		entry.Mtu = uint32(r.MTU)
	}
	// The rest is for the short way out. It is for Ethernet and an IPv4 next hop only, and
	// of several next hops the kernel has to choose, flow by flow.
	if p.opts.NoDirectEncap || !dev.ethernet || r.Via != nil || r.Encap != nil {
		return nil
	}
	o.FIBMatch = true
	if entries, err := p.space.links.RouteGetWithOptions(to, &o); err != nil || len(entries) != 1 || len(entries[0].MultiPath) > 1 {
		return nil
	}
	hop := ipOf(entry.Ip).As4()
	if gw := r.Gw.To4(); gw != nil {
		hop = [4]byte(gw)
	}
	entry.Ifindex = uint32(r.LinkIndex)
	entry.Gateway = binary.NativeEndian.Uint32(hop[:]) // as a header has it
	return nil
}

// resolvePeers looks all routes up again, after something changed about them.
func (p *Plane) resolvePeers() {
	for _, pr := range p.peers {
		p.resolve(pr)
	}
}
