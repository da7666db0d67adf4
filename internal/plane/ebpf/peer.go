package ebpf

import (
	"errors"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// sessions gives those that there is a number for.
func (p *Plane) sessions(all map[netip.Addr]intent.BFD) map[netip.Addr]wantedBFD {
	want := make(map[netip.Addr]wantedBFD, len(all))
	for peer, b := range all {
		if pr := p.contents.Peers[peer]; pr != nil && pr.Session {
			want[peer] = wantedBFD{b, pr.Number}
		}
	}
	return want
}

// resolve asks the host for the route to the peer, if something goes there. It gives the number of questions.
func (p *Plane) resolve(pr *layout.PeerUse) int {
	entry := layout.Peer{IP: layout.AddressOf(pr.IP)}
	device := pr.Device
	pr.Device, pr.Covered, pr.Learned = 0, false, false
	asked := 0
	delete(p.unreachable, pr.IP)
	if p.overlay.Source(pr.IP).IsValid() && pr.Targets > 0 {
		var err error
		asked, err = p.route(pr, &entry)
		var told *problem.Error // of all peers alike
		switch {
		case errors.As(err, &told):
			p.unreachable[pr.IP] = told
		case err != nil:
			p.unreachable[pr.IP] = problem.Errorf(problem.NoRoute, "add a route", "there is no route to it: %w", err)
		}
	}
	if pr.Device != device || p.tPeers.Want.Get(pr.Number).MTU != entry.MTU {
		p.rerouted = true
	}
	if p.tPeers.Want.Get(pr.Number) != entry {
		p.endLane(pr) // before the programs see the other way
	}
	p.tPeers.Set(pr.Number, entry)
	p.adjoin(pr)
	return asked
}

// route fills in what the programs need to know of the way to the peer.
func (p *Plane) route(pr *layout.PeerUse, entry *layout.Peer) (int, error) {
	f := host.Question{To: pr.IP, Via: p.underlay()}
	if f.Via.VRF < 0 {
		return 0, p.noVRF()
	}
	switch source := p.overlay.Source(pr.IP); {
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
	pr.Device, pr.Learned, entry.MTU = w.Device, w.Learned, uint32(dev.MTU)
	if w.MTU != 0 && (dev.MTU == 0 || w.MTU < entry.MTU) {
		entry.MTU = w.MTU
	}
	if pr.IP.Is6() {
		return asked, nil // the long way, which looks at the policies
	}
	if pr.Covered = p.policies.CoversOut(p.overlay.TunnelIP, f.To); pr.Covered {
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

// peersError says that there were not enough numbers for all peers, or nil.
func (p *Plane) peersError() error {
	without := map[netip.Addr]bool{}
	for _, ips := range p.contents.Nameless {
		for _, ip := range ips {
			without[ip] = true
		}
	}
	if len(without) == 0 {
		return nil
	}
	return noRoom("no room for more than %d peers: nothing goes to %d more, or comes from them", p.contents.PeerSlots.Max-1, len(without))
}

// resolveNew looks up the ways to the peers that something goes to now, or nothing any more.
func (p *Plane) resolveNew() {
	for _, pr := range p.contents.Unresolved {
		if p.contents.Peers[pr.IP] != pr {
			continue
		}
		p.resolve(pr)
		if pr.Targets > 0 {
			p.schedulePathLook()
		}
	}
	p.contents.Unresolved = nil
	if p.contents.GonePeers {
		p.contents.GonePeers, p.rerouted = false, true
		for ip := range p.unreachable {
			if p.contents.Peers[ip] == nil {
				delete(p.unreachable, ip)
			}
		}
	}
}

// resolvePeers looks all routes up again, after something changed about them.
func (p *Plane) resolvePeers() {
	p.reviewPolicies()
	for _, pr := range p.contents.Peers {
		p.resolve(pr)
	}
}
