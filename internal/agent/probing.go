package agent

import (
	"context"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/neighbor"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

// Probing asks hosts that are about to age out whether they are there, in switches with the option
// for it. Hosts that send do not come here, so that it costs nothing but for the silent ones; those
// who do not answer age out, a few seconds later.
//
//	Expire ──> spare ──> fresh ──> asked, up to MaxSolicit times ──> answered: the plane tells by Seen
//	                                                           └──> dropped by the next Expire
type probing struct {
	probes map[intent.MACKey]*probe
	fresh  []intent.MACKey // to be asked for the first time
	again  []due           // have been asked; those that are due first are first
	paused time.Time       // when fresh may go on
}

// probe is of one host.
type probe struct {
	since time.Time // of the first question; zero: there was none yet
	last  time.Time // of the last one
	sent  int
}

type due struct {
	key intent.MACKey
	at  time.Time
}

const (
	// probeBurst hosts are asked at once, and as many more after probePause: when many age at the
	// same time their answers must not come as one burst.
	probeBurst = 256
	probePause = 20 * time.Millisecond
)

// spare says until when a MAC that would age out stays; see fdb.Table.Expire.
func (a *Agent) spare(key intent.MACKey) time.Time {
	now := time.Now()
	if _, ok := a.opts.Plane.(plane.Sender); !ok || !a.owner || !a.ready || a.frozen || !a.compiler.State().Switches[key.Switch].Probe {
		return time.Time{}
	}
	if len(a.table.IPs(key)) == 0 {
		return time.Time{}
	}
	if _, moved := a.compiler.State().Unicast.Get(key); moved {
		return time.Time{} // it is behind a peer now
	}
	b := &a.probing
	switch p := b.probes[key]; {
	case p == nil:
		b.probes[key] = &probe{}
		if len(b.fresh) == 0 && b.paused.Before(now) {
			b.paused = now
		}
		b.fresh = append(b.fresh, key)
		wait := time.Duration(len(b.fresh)/probeBurst) * probePause
		return now.Add(wait + (neighbor.MaxSolicit+1)*neighbor.RetransTimer)
	case p.sent == neighbor.MaxSolicit && now.Sub(p.last) >= neighbor.RetransTimer:
		delete(b.probes, key)
		return time.Time{}
	}
	return now.Add(neighbor.RetransTimer)
}

// nextProbe returns when somebody is to be asked; zero: never.
func (a *Agent) nextProbe() time.Time {
	b := &a.probing
	var next time.Time
	if len(b.again) > 0 {
		next = b.again[0].at
	}
	if len(b.fresh) > 0 && (next.IsZero() || b.paused.Before(next)) {
		next = b.paused
	}
	return next
}

// probeHosts asks those who are due.
func (a *Agent) probeHosts(ctx context.Context, now time.Time) {
	b := &a.probing
	var ask []intent.MACKey
	for len(b.again) > 0 && !b.again[0].at.After(now) && len(ask) < probeBurst {
		key := b.again[0].key
		b.again = b.again[1:]
		switch p := b.probes[key]; {
		case p == nil:
		case a.table.Seen(key).After(p.since):
			delete(b.probes, key)
		case p.sent > 0 && p.sent < neighbor.MaxSolicit:
			ask = append(ask, key)
		} // else it goes with the next sweep, unless that has seen it
	}
	if !b.paused.After(now) && len(b.fresh) > 0 {
		n := min(probeBurst, len(b.fresh))
		ask = append(ask, b.fresh[:n]...)
		b.fresh, b.paused = b.fresh[n:], now.Add(probePause)
	}
	if len(ask) == 0 {
		return
	}
	if w, ok := a.opts.Plane.(plane.Watcher); ok {
		if err := w.Watch(ctx, ask); err != nil { // the next sweep will see who has answered
			a.log.Debug("MACs not watched", "err", err)
		}
	}
	for _, key := range ask {
		p := b.probes[key]
		at, known := a.table.Get(key)
		if p == nil || !known {
			delete(b.probes, key)
			continue
		}
		if p.sent == 0 {
			p.since = now
		}
		a.probe(ctx, key, at, p.sent)
		p.sent++
		p.last = now
		b.again = append(b.again, due{key, now.Add(neighbor.RetransTimer)})
	}
}

// probe asks a host at a binding for the address that it has told of last, or after the first time,
// because it may have that no longer, for all that it has.
func (a *Agent) probe(ctx context.Context, key intent.MACKey, at intent.BindingKey, before int) {
	src := packet.MAC(a.compiler.State().ARPSource)
	ips := a.table.IPs(key)
	if before == 0 {
		ips = ips[:min(1, len(ips))]
	}
	for _, ip := range ips {
		err := a.opts.Plane.(plane.Sender).Send(ctx, probeFrame(packet.MAC(key.MAC), src, ip), plane.Destination{Switch: key.Switch, At: at})
		if err != nil {
			a.log.Debug("a host is not asked whether it is there", "mac", key.MAC, "ip", ip, "err", err)
		}
	}
}

// probeFrame asks the host with that MAC for an address of it. By ARP this is a probe (RFC 5227,
// 2.1.1), whose sender has no address, so that nobody learns of one. A solicitation from nobody would
// be a search for duplicates, whose answer goes to all nodes (RFC 4861, 7.2.4): it comes from the
// link-local address that belongs to the source's MAC (RFC 4291, appendix A).
func probeFrame(host, src packet.MAC, ip netip.Addr) []byte {
	if ip.Is4() {
		return packet.ARP{Op: packet.ARPRequest, SenderMAC: src, SenderIP: netip.IPv4Unspecified(), TargetIP: ip}.Frame(host, src)
	}
	return packet.ND{Type: packet.Solicitation, Src: packet.LinkLocal(src), Dst: ip, Target: ip, MAC: src}.Frame(host, src)
}

// forgetProbes drops what is known of those who have been seen since, or are not learned any more.
func (a *Agent) forgetProbes() {
	for key, p := range a.probing.probes {
		if seen := a.table.Seen(key); seen.IsZero() || p.sent == neighbor.MaxSolicit && seen.After(p.since) {
			delete(a.probing.probes, key)
		}
	}
}
