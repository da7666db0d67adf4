package vtep

import (
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// A peer whose session comes and goes must not take all switches along each time. The first time
// that it comes back it is as good as before. Every further time it is Recovering for a while, a
// longer one each time: nobody prefers it then to a peer that is no worse otherwise. A peer that
// fails is left at once, however often.
const (
	leastRecovery = 4 * time.Second
	mostRecovery  = time.Minute
	calm          = 5 * time.Minute // after so long without a failure all is forgotten
)

// damping is how a peer has behaved of late.
type damping struct {
	failures int
	last     time.Time // when it failed last
	until    time.Time // it is Recovering until then; zero: it is not
}

// recovery is how long the peer is Recovering when it comes back.
func (d *damping) recovery() time.Duration {
	if d.failures < 2 {
		return 0
	}
	return min(leastRecovery<<min(d.failures-2, 8), mostRecovery)
}

// UpdateSessions takes what sessions of BFD say of peers. The next Refresh acts on it.
func (c *Compiler) UpdateSessions(now time.Time, report *plane.Report) {
	for peer := range c.liveness {
		if _, still := c.state.BFD[peer]; !still {
			c.UpdatePeer(now, peer, plane.PeerState{})
		}
	}
	for peer := range c.state.BFD {
		c.UpdatePeer(now, peer, report.BFD[peer])
	}
}

// UpdatePeer takes what the session with a peer says, if there is to be one.
func (c *Compiler) UpdatePeer(now time.Time, peer netip.Addr, s plane.PeerState) {
	d := c.damping[peer]
	switch _, wanted := c.state.BFD[peer]; {
	case !wanted || s == plane.PeerState{}:
		delete(c.damping, peer)
		c.SetLiveness(peer, Unmonitored)
	case !s.Forwarding:
		if was := c.liveness[peer]; was == Forwarding || was == Recovering {
			if now.Sub(d.last) > calm {
				d.failures = 0
			}
			d.failures++
			d.last, d.until = now, time.Time{}
			c.damping[peer] = d
		}
		c.SetLiveness(peer, NotForwarding)
	case c.liveness[peer] == NotForwarding && now.Sub(d.last) <= calm && d.recovery() > 0:
		d.until = now.Add(d.recovery())
		c.damping[peer] = d
		c.SetLiveness(peer, Recovering)
	case c.liveness[peer] != Recovering:
		c.SetLiveness(peer, Forwarding)
	}
}

// Recovery returns when the next peer has recovered; zero: none is about to.
func (c *Compiler) Recovery() (next time.Time) {
	for _, d := range c.damping {
		if !d.until.IsZero() && (next.IsZero() || d.until.Before(next)) {
			next = d.until
		}
	}
	return next
}

// Recover notes those that have recovered by now. The next Refresh acts on it.
func (c *Compiler) Recover(now time.Time) {
	for peer, d := range c.damping {
		if !d.until.IsZero() && !now.Before(d.until) {
			d.until = time.Time{}
			c.damping[peer] = d
			c.SetLiveness(peer, Forwarding)
		}
	}
}

// prunes says whether ls sends no copies to members that BFD sees not forwarding.
func (c *Compiler) prunes(ls *lswitch) bool {
	return ls.prune == yes || ls.prune == open && c.scope.prune
}

// live leaves out of set those that BFD sees not forwarding, unless that is all of them.
func (c *Compiler) live(set intent.FloodSet) intent.FloodSet {
	var some intent.FloodSet
	for _, t := range set {
		if c.liveness[t.Peer] != NotForwarding {
			some = append(some, t)
		}
	}
	if len(some) == 0 {
		return set
	}
	return some
}
