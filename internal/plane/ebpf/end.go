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

// awaitEnds takes out the ends whose time is over, and looks again when that of the next one is.
func (p *Plane) awaitEnds() {
	now := monotonic()
	next := p.contents.ExpireEnds(now)
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
	p.awaitEnds()
	p.repair()
}

// hadTunnelIPs are the addresses that tunnels begin at by what is written.
func (p *Plane) hadTunnelIPs() (had intent.TunnelIPs) {
	if p.settings.TunnelIP != 0 {
		had.TunnelIP = layout.IPv4Of(p.settings.TunnelIP)
	}
	had.TunnelIP6 = p.settings.TunnelIP6.Addr()
	return had
}
