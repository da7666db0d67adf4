package ebpf

import (
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/problem"
)

// Tunnels begin at a tunnel IP only while the machine has it: packets from an address that is elsewhere, as
// with a standby machine that is to take it over, or nowhere, would mislead peers and get no answer. One
// that the machine had may be missing for a moment, as while somebody sets it anew: what goes on goes on.

// flapFor is how long packets still leave from an address after the machine has lost it.
const flapFor = 10 * time.Second

// mayBegin says whether tunnels may begin at the address.
func (p *Plane) mayBegin(ip netip.Addr) bool {
	return p.local(ip) || time.Now().Before(p.flaps[ip])
}

// sourceLost has a tunnel IP used for a while that the machine has no longer.
func (p *Plane) sourceLost(ip netip.Addr) {
	if !p.known || p.overlay.Source(ip) != ip || p.local(ip) {
		return
	}
	if p.flaps == nil {
		p.flaps = map[netip.Addr]time.Time{}
	}
	p.flaps[ip] = time.Now().Add(p.flapFor)
	time.AfterFunc(p.flapFor, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.closed || time.Now().Before(p.flaps[ip]) { // it was lost again
			return
		}
		delete(p.flaps, ip)
		if !p.local(ip) {
			p.sourceChanged()
		}
	})
}

// sourceChanged has tunnels begin, or cease to.
func (p *Plane) sourceChanged() {
	if !p.known {
		return
	}
	p.notifyReport(func() {
		p.resolvePeers()
		p.updateWays()
		p.repair()
	})
}

// foreignIP says that the machine lacks a tunnel IP.
func (p *Plane) foreignIP(ip netip.Addr, follows string) *problem.Error {
	where := ""
	if p.opts.VRF != "" {
		where = " in VRF " + problem.Name(p.opts.VRF)
	}
	return problem.Errorf(problem.ForeignIP, "add it to a device, or change Physical_Switch.tunnel_ips",
		"tunnel IP %v is not an address of this machine%s: %s", ip, where, follows)
}

// endProblems tells of the tunnel IPs beside those that tunnels begin at.
func (p *Plane) endProblems() []problem.Problem {
	var list []problem.Problem
	for _, ip := range p.otherEnds() {
		if !p.local(ip) {
			list = append(list, problem.Of(problem.PhysicalSwitch(p.opts.Name), p.foreignIP(ip, "what peers send there does not come here"), problem.ForeignIP))
		}
	}
	return list
}

// otherEnds are the tunnel IPs that tunnels do not begin at, but those of before.
func (p *Plane) otherEnds() (ips []netip.Addr) {
	for ip, until := range p.tEnds.Want.All() {
		if until == 0 {
			ips = append(ips, ip.Addr())
		}
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	return ips
}

// begins is the address that tunnels of the family of ip begin at; the zero Addr: they can't.
func (p *Plane) begins(ip netip.Addr) netip.Addr {
	if ip.IsValid() && p.mayBegin(ip) {
		return ip
	}
	return netip.Addr{}
}
