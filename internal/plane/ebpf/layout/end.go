package layout

import (
	"maps"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// StageEnds brings the ends to what next says. had are the addresses that tunnels began at before: they stay
// ends for a while.
func (c *Contents) StageEnds(next *intent.State, had intent.TunnelIPs, now, stay time.Duration) {
	until := uint64(now + stay)
	begins := func(ip Address) bool { return ip.Addr() == next.Source(ip.Addr()) }
	for ip := range next.Ends {
		c.Maps.Ends.Set(AddressOf(ip), 0)
	}
	for ip, end := range maps.Collect(c.Maps.Ends.Want.All()) {
		if _, still := next.Ends[ip.Addr()]; begins(ip) {
			c.Maps.Ends.Del(ip)
		} else if end == 0 && !still {
			c.Maps.Ends.Set(ip, until)
		}
	}
	for _, ip := range had.All() {
		if c.Maps.Ends.Want.Find(AddressOf(ip)) < 0 && !begins(AddressOf(ip)) {
			c.Maps.Ends.Set(AddressOf(ip), until)
		}
	}
}

// ExpireEnds takes out those whose time is over, and says when that of the next one is; 0: there is none.
func (c *Contents) ExpireEnds(now time.Duration) (next time.Duration) {
	for ip, end := range maps.Collect(c.Maps.Ends.Want.All()) {
		switch until := time.Duration(end); {
		case end == 0:
		case until <= now:
			c.Maps.Ends.Del(ip)
		case next == 0 || until < next:
			next = until
		}
	}
	return next
}
