package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/fdb"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// ignored are the addresses of BFD packets in tunnels, which no host has.
var ignored = []intent.MAC{{0x00, 0x23, 0x20, 0x00, 0x00, 0x01}}

// events takes an event, and those that are behind it.
func (a *Agent) events(ctx context.Context, e plane.Event) {
	now := time.Now()
	report, told, lost := false, false, false
	for n := 1; ; n++ {
		switch e := e.(type) {
		case plane.Seen:
			a.learn(now, plane.Sighting{Key: e.Key, At: e.At})
		case plane.Address:
			a.addressed(now, e)
		case plane.Gone:
			a.unlearn(e)
		case plane.Punted:
			a.hearGroups(now, e)
			a.hearNeighbor(now, e)
		case plane.Lost:
			if a.lost = true; !e.MACs {
				report, lost = true, true
				a.groups.table.Lost()
				clear(a.seen.links) // whoever is down is told of by the report, or again
			}
		case plane.PortChanged:
			a.portChanged(e)
			a.groups.table.PortChanged(now, e.Name, e.Exists && e.Up)
			report = true
		case plane.PeerChanged:
			a.compiler.UpdatePeer(now, e.Peer, e.State)
			a.reporter.SetPeer(e.Peer, e.State)
			a.moves.refresh = true // another service node, perhaps
			told = true
		case plane.ReportChanged:
			report = true
		}
		ok := false
		if n < burst {
			select {
			case e, ok = <-a.opts.Plane.Events():
			default:
			}
		}
		if !ok {
			break // nothing more for now, or closed: the loop will see
		}
	}
	if a.lost && !now.Before(a.sweep.began.Add(lostPause)) {
		a.startSweep(ctx, now)
	}
	a.checkFull()
	a.flushForget(ctx) // before the report, which tells of the room that it makes
	if report {
		a.askPorts(ctx)
		a.askReport(ctx)
		if lost {
			a.dropDown()
			a.flushForget(ctx)
		}
	} else if told {
		a.tellStates()
	}
}

// learn takes note of where a MAC was seen.
func (a *Agent) learn(now time.Time, s plane.Sighting) {
	// An event may be older than a change of the bindings.
	if b, ok := a.compiler.State().Bindings[s.At]; !ok || b.Switch != s.Key.Switch || b.Role == intent.Standby {
		return
	}
	r := a.table.Sight(now.Add(-s.Idle), s.Key, s.At)
	if s.IP.IsValid() && (a.sweep.wasLost || !a.table.IP(s.Key).IsValid()) {
		if _, since := a.sweep.addressed[s.Key]; !since {
			a.setIP(s.Key, s.IP)
		}
	}
	a.refreshHidden(now.Add(-s.Idle), s.Key)
	switch r.Verdict {
	case fdb.New:
		a.markMAC(s.Key)
		a.awaitRow(now)
	case fdb.Moved:
		a.moved(s.Key, r.From, s.At)
	case fdb.Rejected:
		if r.Reason == fdb.Ignored {
			a.forget = append(a.forget, s.Key)
		}
	}
	if r.Evicted != nil {
		a.dropped([]intent.MACKey{*r.Evicted})
	}
}

// awaitRow notes that a row is owed to what was seen now.
func (a *Agent) awaitRow(now time.Time) {
	if a.unreported.IsZero() {
		a.unreported = now
	}
}

// addressed takes note of the IP address that a learned MAC says it has.
func (a *Agent) addressed(now time.Time, e plane.Address) {
	if !a.compiler.State().Switches[e.Key.Switch].SnoopIPs {
		return
	}
	if _, ok := a.table.Get(e.Key); !ok { // that it was seen is told later
		a.learn(now, plane.Sighting{Key: e.Key, At: e.At})
	}
	if a.sweeping() {
		a.sweep.addressed[e.Key] = struct{}{}
	}
	a.setIP(e.Key, e.IP)
}

func (a *Agent) setIP(key intent.MACKey, ip netip.Addr) {
	at := intent.IPKey{Switch: key.Switch, IP: ip}
	had, taken := a.table.Owner(at)
	if !a.table.SetIP(key, ip) {
		return
	}
	if taken && had != key { // who may say once more that it has it
		a.reporter.MarkMAC(had)
		a.taken = append(a.taken, takenIP{had, ip})
	}
	a.reporter.MarkMAC(key)
	if a.compiler.WantsNeighbours(key.Switch) {
		a.compiler.SetNeighbour(at, key.MAC)
		a.moves.refresh = true
	}
}

// takenIP is an IP address that was of a MAC, until another said that it has it.
type takenIP struct {
	from intent.MACKey
	ip   netip.Addr
}

// flushTaken has the plane tell of the MACs whose addresses others have taken, when they say it again.
func (a *Agent) flushTaken(ctx context.Context) {
	taken := a.taken
	a.taken = nil
	p, ok := a.opts.Plane.(plane.AddressForgetter)
	if !ok {
		return
	}
	for _, t := range taken {
		if err := p.ForgetAddress(ctx, t.from, t.ip); err != nil {
			a.log.Warn("an IP address that another host has taken was not forgotten", "mac", t.from.MAC, "ip", t.ip, "err", err)
		}
	}
}

// lostIP takes note that a MAC has an IP address no longer.
func (a *Agent) lostIP(key intent.MACKey, ip netip.Addr) {
	if a.compiler.ForgetNeighbour(intent.IPKey{Switch: key.Switch, IP: ip}, key.MAC) {
		a.moves.refresh = true
	}
}

// hearIPs has switches that answer for neighbours, or have a router, from now on know what local hosts
// have said.
func (a *Agent) hearIPs(d *intent.Delta) {
	on := map[intent.SwitchID]bool{}
	for _, c := range d.Switches {
		if c.New != nil && c.New.Suppress && (c.Old == nil || !c.Old.Suppress) {
			on[c.Key] = true
		}
	}
	for _, c := range d.Interfaces {
		if c.New != nil {
			on[c.Key.Switch] = true
		}
	}
	if len(on) == 0 {
		return
	}
	for key := range a.table.All() {
		if !on[key.Switch] {
			continue
		}
		for _, ip := range a.table.IPs(key) {
			a.compiler.SetNeighbour(intent.IPKey{Switch: key.Switch, IP: ip}, key.MAC)
			a.moves.refresh = true
		}
	}
}

// forgetIPs forgets the IP addresses of the MACs of switches that don't want to know of them any more.
func (a *Agent) forgetIPs(d *intent.Delta) {
	off := map[intent.SwitchID]bool{}
	for _, c := range d.Switches {
		if c.Old != nil && c.Old.SnoopIPs && (c.New == nil || !c.New.SnoopIPs) {
			off[c.Key] = true
		}
	}
	if len(off) == 0 {
		return
	}
	for key := range a.table.All() {
		if off[key.Switch] {
			a.table.SetIP(key, netip.Addr{})
			a.reporter.MarkMAC(key) // the row may have it from an earlier process
		}
	}
}

// moved takes note of a MAC that is behind another of our bindings now.
func (a *Agent) moved(key intent.MACKey, from, to intent.BindingKey) {
	if a.log.Enabled(context.Background(), slog.LevelDebug) {
		a.log.Debug("a MAC moved", "mac", key.MAC, "switch", a.compiler.State().Switches[key.Switch].Name, "from", from, "to", to)
	}
	a.reporter.MarkMoved(key)
	if a.compiler.LearnedChanged(key) {
		a.moves.refresh = true
	}
}

// unlearn takes note of a MAC that somebody has taken out of the dataplane.
func (a *Agent) unlearn(s plane.Gone) {
	if at, ok := a.table.Get(s.Key); ok && at == s.At {
		a.table.Remove(s.Key)
		a.markMAC(s.Key)
	}
}

// askPorts has the rows of ports follow the dataplane's list, where it has one.
func (a *Agent) askPorts(ctx context.Context) {
	keeper, ok := a.opts.Plane.(plane.PortKeeper)
	if !ok {
		return
	}
	if names, known := keeper.ManagedPorts(ctx); known {
		a.reporter.SetManagedPorts(names)
	}
}

// portChanged drops what was learned at a port that has no link any more: its hosts are
// elsewhere, if anywhere.
func (a *Agent) portChanged(p plane.PortChanged) {
	if a.seen.links[p.Name] = p.Exists && !p.Up; !a.seen.links[p.Name] {
		delete(a.seen.links, p.Name)
	}
	if !p.Exists || !p.Up {
		a.dropPort(p.Name)
	}
}

func (a *Agent) dropPort(name string) {
	for at := range a.compiler.State().Bindings {
		if at.Port == name {
			a.dropped(a.table.RemoveBinding(at))
		}
	}
}

// dropDown does for all ports without link what their events would have done, where there were none, or they were lost.
func (a *Agent) dropDown() {
	for name := range a.reporter.Report().Down {
		if a.table.OnPort(name) > 0 {
			a.dropPort(name)
		}
	}
}

// agingOrDefault is how long rows of an earlier process may stand unseen.
func (a *Agent) agingOrDefault() time.Duration {
	if a.aging == 0 {
		return 300 * time.Second
	}
	return a.aging
}

// checkFull tells what is at its limit of MACs.
func (a *Agent) checkFull() {
	a.full = full(a.table.Len(), int(a.macLimit), a.full)
	a.reporter.SetFull(a.full)
	var list []problem.Problem
	if a.full {
		name, most := a.table.Largest()
		list = []problem.Problem{{
			Kind: problem.MACLimit, Object: problem.PhysicalSwitch(a.opts.Name),
			Text: fmt.Sprintf("mac_limit is reached: %d MACs are learned, and a new one takes the place of another; "+
				"%s has most, %d or more", a.macLimit, problem.Port(name), roughly(most)),
			Remedy: "vtep-ctl set Physical_Switch " + problem.Argument(a.opts.Name) + " other_config:mac_limit=N"}}
	}
	fullPorts := map[string]bool{}
	for name, of := range a.table.Limited() {
		if !full(of.Entries, of.Limit, a.fullPorts[name]) {
			continue
		}
		fullPorts[name] = true
		list = append(list, problem.Problem{
			Kind: problem.PortMACLimit, Object: problem.Port(name),
			Text:   fmt.Sprintf("its own mac_limit is reached: %d MACs are learned on it, and no new one is, so that frames to other hosts behind it are flooded", of.Limit),
			Remedy: "look for what makes up so many, or: vtep-ctl set Physical_Port " + problem.Argument(name) + " other_config:mac_limit=N"})
	}
	a.fullPorts = fullPorts
	a.opts.Problems.Replace("mac_limit", list...)
}

// roughly cuts a number to its first digit, so that a text with it does not change all the time.
func roughly(n int) int {
	unit := 1
	for n/unit >= 10 {
		unit *= 10
	}
	return n / unit * unit
}

// full says whether n MACs are all that limit allows; 0: any number. It takes some room for
// that to be over, so that rows and lines don't flap.
func full(n, limit int, was bool) bool {
	if was {
		return limit > 0 && n >= limit-limit/16
	}
	return limit > 0 && n >= limit
}
