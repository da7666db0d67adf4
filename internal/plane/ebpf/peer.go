package ebpf

import (
	"encoding/binary"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// peer is another VTEP that some MAC or flood set names.
type peer struct {
	ip     uint32
	number uint32 // index of the peers map; 0: they ran out, its route is not watched
	refs   int
	device int // ifindex by which it is reached; 0: not known

	covered bool // by a policy of IPsec
	learned bool // what the kernel knows of the way expires
}

// takePeer counts one more user of the peer at addr.
func (p *Plane) takePeer(addr netip.Addr) *peer {
	ip := ipNumber(addr)
	pr := p.peers[ip]
	if pr == nil {
		pr = &peer{ip: ip}
		if pr.number = p.adopted.peers[ip]; pr.number == 0 {
			pr.number = p.number(&p.peerSlots)
		}
		p.peers[ip] = pr
		p.resolve(pr)
		p.lookSoon() // frames may go there already
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
				p.giveBack(&p.peerSlots, pr.number)
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

// resolve asks the host for the route to the peer. It gives the number of questions.
func (p *Plane) resolve(pr *peer) int {
	entry := vtepPeer{Ip: pr.ip}
	device := pr.device
	pr.device, pr.covered, pr.learned = 0, false, false
	asked := 0
	delete(p.unreachable, pr.ip)
	if p.overlay.ip.IsValid() {
		var err error
		if asked, err = p.route(pr, &entry); err != nil {
			p.unreachable[pr.ip] = problem.Errorf(problem.NoRoute, "add a route", "there is no route to it: %w", err)
		}
	}
	if pr.device != device || p.tPeers.want[pr.number].Mtu != entry.Mtu {
		p.rerouted = true
	}
	if pr.number != 0 {
		p.tPeers.set(pr.number, entry)
	}
	return asked
}

// route fills in what the programs need to know of the way to the peer.
func (p *Plane) route(pr *peer, entry *vtepPeer) (int, error) {
	f := question{to: ipOf(entry.Ip)}
	if p.devices.local(p.overlay.ip) {
		f.from = p.overlay.ip
	}
	w, asked, err := p.space.way(f, p.rulesByPort())
	if err != nil {
		return asked, err
	}
	dev := p.devices.byIndex[w.device]
	pr.device, pr.learned, entry.Mtu = w.device, w.learned, uint32(dev.mtu)
	if w.mtu != 0 && (dev.mtu == 0 || w.mtu < entry.Mtu) {
		entry.Mtu = w.mtu
	}
	if pr.covered = p.policies.coversOut(p.overlay.ip, f.to); pr.covered {
		if mtu := p.space.protectedMTU(f.from, f.to); mtu != 0 {
			entry.Mtu = min(entry.Mtu, mtu)
		}
		if p.opts.Direct != DirectOn {
			return asked, nil
		}
	}
	// The rest is for the short way out. It is for Ethernet and an IPv4 next hop only, and
	// of several next hops the kernel has to choose, flow by flow.
	if p.opts.Direct == DirectOff || !dev.ethernet || !w.one {
		return asked, nil
	}
	hop := f.to
	if w.gateway.IsValid() {
		hop = w.gateway
	}
	b := hop.As4()
	entry.Ifindex = uint32(w.device)
	entry.Gateway = binary.NativeEndian.Uint32(b[:]) // as a header has it
	return asked, nil
}

// rulesByPort says whether some rule looks at source ports.
func (p *Plane) rulesByPort() bool {
	if p.byPort == nil {
		found, err := p.space.portRules()
		if err != nil {
			p.log.Warn("rules are not known, so that no short way is taken", "err", err)
			found = true
		}
		p.byPort = &found
	}
	return *p.byPort
}

// resolvePeers looks all routes up again, after something changed about them.
func (p *Plane) resolvePeers() {
	p.reviewPolicies()
	for _, pr := range p.peers {
		p.resolve(pr)
	}
}
