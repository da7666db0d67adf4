package ebpf

import (
	"errors"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// peer is another VTEP: frames may go to it, if some MAC or flood set names it, or come from it.
type peer struct {
	ip      netip.Addr
	number  uint32 // index of the peers map, not 0
	targets int    // MACs and flood sets that name it
	sources int    // decaps entries that do
	session bool   // of BFD: there is to be one with it
	device  int    // ifindex by which it is reached; 0: not known, or nobody needs to know

	covered bool // by a policy of IPsec
	learned bool // what the kernel knows of the way expires
}

// peerAt gives the peer with the address, be there one already or not. nil: the numbers ran out, so
// that nothing can name it.
func (p *Plane) peerAt(ip netip.Addr) *peer {
	pr := p.peers[ip]
	if pr == nil {
		pr = &peer{ip: ip, number: p.adopted.peers[ip]}
		if pr.number == 0 {
			pr.number = p.number(&p.peerSlots)
		}
		if pr.number == 0 {
			return nil
		}
		p.peers[ip], p.numbered[pr.number] = pr, pr
		p.tAddresses.set(layout.AddressOf(ip), pr.number)
		p.tPeers.set(pr.number, layout.Peer{IP: layout.AddressOf(ip)})
	}
	return pr
}

// target is a tunnel as the programs want it, for the remote or flood set at key; ok is false if
// it can't be one. Whoever had it gives it back by dropTarget.
func (p *Plane) target(key layout.MACKey, t intent.Tunnel) (_ layout.Target, ok bool) {
	if !t.Peer.IsValid() {
		return layout.Target{}, false
	}
	pr := p.peerAt(t.Peer)
	if pr == nil {
		p.nameless[key] = append(p.nameless[key], t.Peer)
		return layout.Target{}, false
	}
	if pr.targets++; pr.targets == 1 {
		p.resolve(pr)
		p.schedulePathLook() // frames may go there already
	}
	return layout.Target{Peer: pr.number, ID: t.VNI}, true
}

func (p *Plane) dropTarget(number uint32) {
	if pr := p.numbered[number]; pr != nil {
		if pr.targets--; pr.targets == 0 {
			p.idlePeers = append(p.idlePeers, pr)
		}
	}
}

// setDecap lets frames of the tunnel enter the domain.
func (p *Plane) setDecap(t intent.Tunnel, d *domain) {
	pr := p.peerAt(t.Peer)
	if pr == nil {
		p.nameless[t] = []netip.Addr{t.Peer}
		return
	}
	key := layout.TunnelKey{Peer: pr.number, VNI: t.VNI}
	if _, had := p.tDecaps.want[key]; !had {
		if pr.sources++; pr.sources == 1 {
			p.coveredIn = nil
		}
	}
	p.tDecaps.set(key, d.decap())
}

func (p *Plane) delDecap(t intent.Tunnel) {
	pr := p.peers[t.Peer]
	if pr == nil {
		return
	}
	key := layout.TunnelKey{Peer: pr.number, VNI: t.VNI}
	if _, had := p.tDecaps.want[key]; !had {
		return
	}
	p.tDecaps.del(key)
	if pr.sources--; pr.sources == 0 {
		p.coveredIn = nil
		p.idlePeers = append(p.idlePeers, pr)
	}
}

// sessionWith names the session of BFD with a peer.
type sessionWith netip.Addr

func (p *Plane) stageSession(c intent.Change[netip.Addr, intent.BFD]) {
	delete(p.nameless, any(sessionWith(c.Key)))
	if c.New == nil {
		if pr := p.peers[c.Key]; pr != nil && pr.session {
			pr.session = false
			p.idlePeers = append(p.idlePeers, pr)
		}
		return
	}
	if pr := p.peerAt(c.Key); pr != nil {
		pr.session = true
	} else {
		p.nameless[sessionWith(c.Key)] = []netip.Addr{c.Key}
	}
}

// sessions gives those that there is a number for.
func (p *Plane) sessions(all map[netip.Addr]intent.BFD) map[netip.Addr]wantedBFD {
	want := make(map[netip.Addr]wantedBFD, len(all))
	for peer, b := range all {
		if pr := p.peers[peer]; pr != nil && pr.session {
			want[peer] = wantedBFD{b, pr.number}
		}
	}
	return want
}

// forgetPeers removes the peers that nobody names any more, and what was known of the way to those
// that nothing goes to any more. Their numbers are not soon used again (pool): a frame on its way
// may still have one.
func (p *Plane) forgetPeers() {
	for _, pr := range p.idlePeers {
		switch {
		case pr.targets > 0 || p.peers[pr.ip] != pr:
			continue
		case pr.sources > 0 || pr.session:
			if pr.device != 0 || p.unreachable[pr.ip] != nil {
				p.resolve(pr)
			}
			continue
		}
		delete(p.peers, pr.ip)
		delete(p.unreachable, pr.ip)
		delete(p.numbered, pr.number)
		p.rerouted = true
		p.tPeers.del(pr.number)
		p.tAddresses.del(layout.AddressOf(pr.ip))
		p.releaseNumber(&p.peerSlots, pr.number)
	}
	p.idlePeers = nil
}

// resolve asks the host for the route to the peer, if something goes there. It gives the number of questions.
func (p *Plane) resolve(pr *peer) int {
	entry := layout.Peer{IP: layout.AddressOf(pr.ip)}
	device := pr.device
	pr.device, pr.covered, pr.learned = 0, false, false
	asked := 0
	delete(p.unreachable, pr.ip)
	if p.overlay.Source(pr.ip).IsValid() && pr.targets > 0 {
		var err error
		asked, err = p.route(pr, &entry)
		var told *problem.Error // of all peers alike
		switch {
		case errors.As(err, &told):
			p.unreachable[pr.ip] = told
		case err != nil:
			p.unreachable[pr.ip] = problem.Errorf(problem.NoRoute, "add a route", "there is no route to it: %w", err)
		}
	}
	if pr.device != device || p.tPeers.want[pr.number].MTU != entry.MTU {
		p.rerouted = true
	}
	p.tPeers.set(pr.number, entry)
	return asked
}

// route fills in what the programs need to know of the way to the peer.
func (p *Plane) route(pr *peer, entry *layout.Peer) (int, error) {
	f := host.Question{To: pr.ip, Via: p.underlay()}
	if f.Via.VRF < 0 {
		return 0, p.noVRF()
	}
	switch source := p.overlay.Source(pr.ip); {
	case p.local(source):
		f.From = source
	case !p.mayBegin(source):
		return 0, p.foreignIP(source, "nothing can be sent to it")
	}
	if p.opts.asksRoute != nil {
		p.opts.asksRoute()
	}
	w, asked, err := p.space.Way(f, p.rulesByFlow())
	if err != nil {
		return asked, err
	}
	dev := p.devices.ByIndex[w.Device]
	pr.device, pr.learned, entry.MTU = w.Device, w.Learned, uint32(dev.MTU)
	if w.MTU != 0 && (dev.MTU == 0 || w.MTU < entry.MTU) {
		entry.MTU = w.MTU
	}
	if pr.ip.Is6() {
		return asked, nil // the long way, which looks at the policies
	}
	if pr.covered = p.policies.CoversOut(p.overlay.TunnelIP, f.To); pr.covered {
		if mtu := p.space.ProtectedMTU(f); mtu != 0 {
			entry.MTU = min(entry.MTU, mtu)
		}
		if p.opts.Direct != DirectOn {
			return asked, nil
		}
	}
	// The rest is for the short way out. It is for Ethernet and an IPv4 next hop only, and
	// of several next hops the kernel has to choose, flow by flow.
	if p.opts.Direct == DirectOff || !dev.Ethernet || !w.One {
		return asked, nil
	}
	hop := f.To
	if w.Gateway.IsValid() {
		hop = w.Gateway
	}
	entry.Ifindex, entry.Hop = uint32(w.Device), layout.AddressOf(hop)
	return asked, nil
}

// rulesByFlow says whether some rule looks at what differs from flow to flow to the same peer.
func (p *Plane) rulesByFlow() bool {
	if p.byFlow == nil {
		found, err := p.space.FlowRules(p.overlay.dscp != intent.Priority{})
		if err != nil {
			p.log.Warn("rules are not known, so that no short way is taken", "err", err)
			found = true
		}
		p.byFlow = &found
	}
	return *p.byFlow
}

// resolvePeers looks all routes up again, after something changed about them.
func (p *Plane) resolvePeers() {
	p.reviewPolicies()
	for _, pr := range p.peers {
		p.resolve(pr)
	}
}
