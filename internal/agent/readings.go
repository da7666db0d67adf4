package agent

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/compact"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

const (
	// memory is how far back the readings of counters are remembered.
	memory = time.Minute
	// ratePeriod is the least time that a rate is worked out over.
	ratePeriod = time.Second
)

// readings are the last readings of the counters: those that the loop makes for the rows, and
// those of whoever asks. So rates and what was dropped of late are known at once, and nobody
// reads anything for their sake while nobody asks.
type readings []reading

type reading struct {
	at    time.Time
	ports map[string]plane.Traffic                // of all their bindings, also of former ones; nil: it is not one of the last two
	peers *compact.Map[netip.Addr, plane.Traffic] // summed up likewise; nil also where nobody counts
	drops map[string]uint64
}

// totals are the counters of ports. They never count back, although bindings come and go.
type totals struct {
	mu    sync.Mutex // guards what follows; held while counters are read, which keeps the order
	last  map[intent.BindingKey]plane.Counters
	ports map[string]plane.Traffic

	peers *compact.Map[netip.Addr, plane.Traffic] // the sums of peers, as readings have them: it is never changed; nil: nobody counts
	ahead compact.Map[netip.Addr, plane.Traffic]  // by how much they are more than what was counted last (modulo 2^64), where that is not 0
}

// formerPorts is how many ports without bindings are remembered at least.
const formerPorts = 4096

// read reads the counters. It may be called by any goroutine.
func (t *totals) read(ctx context.Context, p plane.Plane) (plane.Stats, reading, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	stats, err := p.Stats(ctx)
	if err != nil {
		return stats, reading{}, fmt.Errorf("read the counters: %w", err)
	}
	t.add(stats.Bindings)
	t.addPeers(stats.Tunnels)
	return stats, reading{at: time.Now(), ports: maps.Clone(t.ports), peers: t.peers, drops: stats.Drops}, nil
}

// addPeers adds what is counted of the peers that there are. One is counted from when it is seen first: its counters may have
// been those of another one before.
func (t *totals) addPeers(now map[netip.Addr]plane.Traffic) {
	if now == nil {
		return
	}
	same := t.peers != nil && t.peers.Len() == len(now)
	for peer, c := range now {
		var sum plane.Traffic
		last, known := c, false
		if t.peers != nil {
			if sum, known = t.peers.Get(peer); known {
				ahead, _ := t.ahead.Get(peer)
				last = less(sum, ahead)
			}
		}
		is := grown(sum, last, c)
		same = same && known && is == sum
		t.setAhead(peer, less(is, c))
	}
	if same { // without traffic all readings have the same sums
		return
	}
	var gone []netip.Addr
	for peer := range t.ahead.Keys() {
		if _, still := now[peer]; !still {
			gone = append(gone, peer)
		}
	}
	for _, peer := range gone {
		t.ahead.Delete(peer)
	}
	t.peers = &compact.Map[netip.Addr, plane.Traffic]{}
	t.peers.Expect(len(now))
	for peer, c := range now {
		ahead, _ := t.ahead.Get(peer)
		t.peers.Set(peer, plane.Traffic{
			InPackets: c.InPackets + ahead.InPackets, InBytes: c.InBytes + ahead.InBytes,
			OutPackets: c.OutPackets + ahead.OutPackets, OutBytes: c.OutBytes + ahead.OutBytes,
		})
	}
}

// setAhead notes how far the sums of a peer are ahead of its counters, modulo 2^64. One that was there before its first packet is not, until its
// counters begin anew.
func (t *totals) setAhead(peer netip.Addr, by plane.Traffic) {
	if by != (plane.Traffic{}) {
		t.ahead.Set(peer, by)
	} else {
		t.ahead.Delete(peer)
	}
}

func (t *totals) add(now map[intent.BindingKey]plane.Counters) {
	if t.ports == nil {
		t.ports = map[string]plane.Traffic{}
	}
	bound := map[string]struct{}{}
	for key, c := range now {
		bound[key.Port] = struct{}{}
		t.ports[key.Port] = grown(t.ports[key.Port], ofHosts(t.last[key]), ofHosts(c))
	}
	t.last = now
	if len(t.ports) > 2*len(bound)+formerPorts {
		maps.DeleteFunc(t.ports, func(name string, _ plane.Traffic) bool { _, is := bound[name]; return !is })
	}
}

// ofHosts is what came from the hosts of a binding, and went to them.
func ofHosts(c plane.Counters) plane.Traffic {
	return plane.Traffic{InPackets: c.PacketsFromLocal, InBytes: c.BytesFromLocal, OutPackets: c.PacketsToLocal, OutBytes: c.BytesToLocal}
}

// grown is a sum with what was counted between two readings.
func grown(sum, was, is plane.Traffic) plane.Traffic {
	sum.InPackets += growth(was.InPackets, is.InPackets)
	sum.InBytes += growth(was.InBytes, is.InBytes)
	sum.OutPackets += growth(was.OutPackets, is.OutPackets)
	sum.OutBytes += growth(was.OutBytes, is.OutBytes)
	return sum
}

// less is a without b, modulo 2^64.
func less(a, b plane.Traffic) plane.Traffic {
	return plane.Traffic{
		InPackets: a.InPackets - b.InPackets, InBytes: a.InBytes - b.InBytes,
		OutPackets: a.OutPackets - b.OutPackets, OutBytes: a.OutBytes - b.OutBytes,
	}
}

// growth is by how much a counter grew. One that is less than it was has begun anew.
func growth(was, is uint64) uint64 {
	if is < was {
		return is
	}
	return is - was
}

// remember keeps a reading of the counters, for rates and for the history of drops.
func (a *Agent) remember(r reading) {
	a.recent.add(r)
	a.history.add(r)
}

// add remembers a reading, if it is not too close to the last one.
func (all *readings) add(r reading) {
	list := *all
	if n := len(list); n > 0 && r.at.Sub(list[n-1].at) < ratePeriod {
		return
	}
	for len(list) > 1 && r.at.Sub(list[1].at) >= memory { // the first is no less than memory old, if any is
		list = list[1:]
	}
	if n := len(list); n > 1 {
		list[n-2].ports, list[n-2].peers = nil, nil
	}
	*all = append(list, r)
}

// rates returns the last reading that is old enough to work out rates by; false: there is none.
func (all readings) rates(now time.Time) (reading, bool) {
	for i := len(all) - 1; i >= 0; i-- {
		if now.Sub(all[i].at) >= ratePeriod && all[i].ports != nil {
			return all[i], true
		}
	}
	return reading{}, false
}

// oldest returns the reading that was a minute ago, or the first since; false: there is none.
func (all readings) oldest(now time.Time) (reading, bool) {
	for i := len(all) - 1; i >= 0; i-- {
		if now.Sub(all[i].at) >= memory || i == 0 {
			return all[i], true
		}
	}
	return reading{}, false
}

// rose returns by how much each reason of drops grew between two readings.
func rose(before, now map[string]uint64) map[string]uint64 {
	grown := map[string]uint64{}
	for reason, n := range now {
		if n > before[reason] {
			grown[reason] = n - before[reason]
		}
	}
	return grown
}
