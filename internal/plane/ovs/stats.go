package ovs

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
)

// counters are the frames that were dropped, by reason. Flows come and go, and their counters
// with them; these go on.
type counters struct {
	drops map[string]uint64
	last  map[string]map[flowKey]uint64 // of each flow that drops, as last read, by bridge
	place map[plane.PlaceDrops]uint64   // of those whose flow tells where they had come in

	coverage map[string]uint64 // of ovs-vswitchd, as last read
}

func newCounters() counters {
	return counters{drops: map[string]uint64{}, last: map[string]map[flowKey]uint64{}, place: map[plane.PlaceDrops]uint64{}}
}

func (c *counters) add(reason string, n uint64) { c.drops[reason] += n }

// bindingCounters are those of the binding's patch port in the bridge of its logical switch.
// Open vSwitch counts a frame everywhere with the length that it came in with.
func bindingCounters(at intent.BindingKey, s *openflow.PortStats) plane.Counters {
	c := plane.Counters{PacketsFromLocal: s.RxPackets, BytesFromLocal: s.RxBytes, PacketsToLocal: s.TxPackets, BytesToLocal: s.TxBytes}
	if at.VLAN != 0 {
		c.BytesFromLocal -= min(c.BytesFromLocal, tagLen*c.PacketsFromLocal)
	}
	return c
}

const tagLen = 4

// stats implements Stats.
func (e *engine) stats(ctx context.Context) (plane.Stats, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	s := plane.Stats{Bindings: map[intent.BindingKey]plane.Counters{}, Drops: map[string]uint64{}}
	var failed error
	for name, b := range e.bridges {
		if b.conn == nil {
			continue
		}
		if err := e.readDrops(ctx, b); err != nil {
			failed = fmt.Errorf("bridge %s: %w", name, err)
			continue
		}
		l := e.switches[b.ls]
		if b.physical || l == nil {
			continue
		}
		parts, err := b.conn.Query(ctx, &openflow.MultipartRequest{Part: openflow.PartPortStats, Port: openflow.PortAny})
		if err != nil {
			failed = fmt.Errorf("bridge %s: %w", name, err)
			continue
		}
		for _, p := range parts {
			for _, c := range p.PortStats {
				if at, ok := l.member(c.Port); ok {
					s.Bindings[at] = bindingCounters(at, &c)
				}
			}
		}
	}
	for at := range e.site.bindings {
		if _, ok := s.Bindings[at]; !ok && failed == nil {
			s.Bindings[at] = plane.Counters{}
		}
	}
	for reason, n := range e.counters.drops {
		s.Drops[reason] = n
	}
	return s, failed
}

// readDrops adds what the flows of a bridge have dropped since they were last read.
func (e *engine) readDrops(ctx context.Context, b *bridge) error {
	parts, err := b.conn.Query(ctx, &openflow.MultipartRequest{Part: openflow.PartFlows,
		Flows: &openflow.FlowFilter{Table: openflow.AllTables, Cookie: cookieDrop, CookieMask: ^uint64(0xff)}})
	if err != nil {
		return err
	}
	last := e.counters.last[b.name]
	now := map[flowKey]uint64{}
	for _, p := range parts {
		for i := range p.Flows {
			f := &p.Flows[i]
			reason := int(f.Cookie & 0xff)
			if reason >= len(dropReasons) {
				continue
			}
			k := keyOf(f.Table, f.Priority, f.Match.Canonical())
			now[k] = f.Packets
			n := f.Packets
			if was := last[k]; n >= was { // else it is a new flow
				n -= was
			}
			e.counters.add(dropReasons[reason], n)
			if at, ok := e.placeOf(b, f, reason); ok && n > 0 {
				e.counters.place[at] += n
			}
		}
	}
	e.counters.last[b.name] = now
	return nil
}

// placeOf says where frames had come in that a flow has dropped.
func (e *engine) placeOf(b *bridge, f *openflow.FlowStats, reason int) (at plane.PlaceDrops, ok bool) {
	in, ok := f.Match.InPort()
	if !ok {
		return at, false
	}
	at.Reason = dropReasons[reason]
	if b.physical {
		for _, ports := range []map[string]uint32{e.physical.ports, e.physical.closed} {
			for name, n := range ports {
				if n == in {
					at.Port, at.VLAN = name, plane.NoVLAN
					return at, true
				}
			}
		}
		return at, false
	}
	l := e.switches[b.ls]
	if l == nil {
		return at, false
	}
	if m, ok := l.member(in); ok {
		at.Port, at.VLAN = m.Port, int(m.VLAN)
		return at, true
	}
	src, ok := f.Match.Get(openflow.FieldTunSrc)
	if !ok {
		return at, false
	}
	for _, t := range l.tunnels {
		if t.port == in {
			at.Tunnel = intent.Tunnel{Peer: netip.AddrFrom4([4]byte(src)), VNI: t.vni}
			return at, true
		}
	}
	return at, false
}

// maxPlaces bounds what is remembered.
const maxPlaces = 4096

// dropsByPlace implements DropsByPlace.
func (e *engine) dropsByPlace(ctx context.Context) ([]plane.PlaceDrops, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	for name, b := range e.bridges {
		if b.conn == nil {
			continue
		}
		if err := e.readDrops(ctx, b); err != nil {
			return nil, fmt.Errorf("bridge %s: %w", name, err)
		}
	}
	list := make([]plane.PlaceDrops, 0, len(e.counters.place))
	for at, n := range e.counters.place {
		at.Count = n
		list = append(list, at)
	}
	if len(e.counters.place) > maxPlaces {
		clear(e.counters.place)
	}
	return list, nil
}

// audit reads all flows and compares them with what they should be.
func (e *engine) audit(ctx context.Context) ([]plane.Drift, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	var all []plane.Drift
	if e.pendingWhy != "" {
		all = append(all, plane.Drift{Kind: "plane", Key: e.names.ps, Want: "settled", Have: e.pendingWhy})
	}
	for _, b := range e.bridges {
		if b.conn == nil {
			continue
		}
		parts, err := b.conn.Query(ctx, &openflow.MultipartRequest{Part: openflow.PartFlows, Flows: &openflow.FlowFilter{Table: openflow.AllTables}})
		if err != nil {
			return nil, fmt.Errorf("bridge %s: %w", b.name, err)
		}
		have := flowSet{}
		for _, p := range parts {
			for i := range p.Flows {
				f := &p.Flows[i]
				have.add(intent.BindingKey{}, openflow.FlowMod{Cookie: f.Cookie, Table: f.Table, Priority: f.Priority,
					IdleTimeout: f.IdleTimeout, HardTimeout: f.HardTimeout, Match: f.Match, Instructions: f.Instructions})
			}
		}
		for k, want := range b.want {
			switch got := have[k]; {
			case got == nil:
				all = append(all, plane.Drift{Kind: "flow", Key: b.name, Want: want.mod.String()})
			case got.does != want.does:
				all = append(all, plane.Drift{Kind: "flow", Key: b.name, Want: want.mod.String(), Have: got.mod.String()})
			}
		}
		for k, got := range have {
			if b.want[k] == nil && b.ours(got) && !b.keep(got) {
				all = append(all, plane.Drift{Kind: "flow", Key: b.name, Have: got.mod.String()})
			}
		}
	}
	return all, nil
}
