package ebpf

import (
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Where tunnels may end: at the tunnel IPs that they begin at (the settings), at the other tunnel IPs
// of the switch, and for a while at those that it had. Rows that lead to us are others', and theirs
// to move; until they have, peers send to where we were.

// FormerFor is how long tunnels may end at an address after it has ceased to be a tunnel IP.
const FormerFor = 10 * time.Minute

// stageEnds brings the ends to what next says. had are the addresses that tunnels began at before.
func (p *Plane) stageEnds(next *intent.State, had intent.TunnelIPs) {
	until := uint64(monotonic() + p.formerFor)
	begins := func(ip layout.Address) bool { return ip.Addr() == next.Source(ip.Addr()) }
	for ip := range next.Ends {
		p.tEnds.set(layout.AddressOf(ip), 0)
	}
	for ip, end := range p.tEnds.want {
		if _, still := next.Ends[ip.Addr()]; begins(ip) {
			p.tEnds.del(ip)
		} else if end == 0 && !still {
			p.tEnds.set(ip, until)
		}
	}
	for _, ip := range had.All() {
		if _, known := p.tEnds.want[layout.AddressOf(ip)]; !known && !begins(layout.AddressOf(ip)) {
			p.tEnds.set(layout.AddressOf(ip), until)
		}
	}
	p.expireEnds()
}

// expireEnds takes out those whose time is over, and looks again when that of the next one is.
func (p *Plane) expireEnds() {
	now, next := monotonic(), time.Duration(0)
	for ip, end := range p.tEnds.want {
		switch until := time.Duration(end); {
		case end == 0:
		case until <= now:
			p.tEnds.del(ip)
		case next == 0 || until < next:
			next = until
		}
	}
	if p.endTimer != nil {
		p.endTimer.Stop()
		p.endTimer = nil
	}
	if next != 0 {
		p.endTimer = time.AfterFunc(next-now, p.endsOver)
	}
}

func (p *Plane) endsOver() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !p.known { // the next Apply does it
		return
	}
	p.expireEnds()
	p.repair()
}

// hadTunnelIPs are the addresses that tunnels begin at by what is written.
func (p *Plane) hadTunnelIPs() (had intent.TunnelIPs) {
	if p.settings.TunnelIP != 0 {
		had.TunnelIP = ipOf(p.settings.TunnelIP)
	}
	had.TunnelIP6 = p.settings.TunnelIP6.Addr()
	return had
}
