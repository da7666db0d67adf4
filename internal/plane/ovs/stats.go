package ovs

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
)

// counters are the frames that were dropped, by reason. Flows come and go, and their counters
// with them; these go on.
type counters struct {
	drops map[string]uint64
	last  map[string]map[flowKey]uint64 // of each flow that drops, as last read, by bridge
	read  map[string]time.Time          // when that was
	place map[plane.PlaceDrops]uint64   // of those whose flow tells where they had come in

	coverage map[string]uint64 // of ovs-vswitchd, as last read
}

func newCounters() counters {
	return counters{drops: map[string]uint64{}, last: map[string]map[flowKey]uint64{}, read: map[string]time.Time{}, place: map[plane.PlaceDrops]uint64{}}
}

func (c *counters) add(reason string, n uint64) { c.drops[reason] += n }

// bindingCounters are those of the binding's patch port in the bridge of its logical switch.
// Open vSwitch counts a frame everywhere with the length that it came in with; one that its userspace datapath
// sends into a tunnel, with the tunnel's headers (seen, 3.1.0).
func bindingCounters(at intent.BindingKey, s *openflow.PortStats) plane.Counters {
	c := plane.Counters{PacketsFromLocal: s.RxPackets, BytesFromLocal: s.RxBytes, PacketsToLocal: s.TxPackets, BytesToLocal: s.TxBytes}
	if at.VLAN != 0 {
		c.BytesFromLocal -= min(c.BytesFromLocal, tagLen*c.PacketsFromLocal)
	}
	return c
}

const tagLen = 4

// reading is a bridge that counters are read of, and what was read.
type reading struct {
	bridge   *bridge
	physical bool
	ls       intent.SwitchID
	conn     *openflow.Conn
	asked    time.Time                  // not later than that
	drops    []*openflow.MultipartReply // of its flows that drop
	ports    []*openflow.MultipartReply
	flows    []*openflow.MultipartReply // of ACLs
	changes  int                        // of these by then
	err      error
}

// readings returns the bridges that can be asked now and that are wanted.
func (e *engine) readings(want func(*bridge) bool) []reading {
	var list []reading
	for _, b := range e.bridges {
		if b.conn != nil && want(b) {
			list = append(list, reading{bridge: b, physical: b.physical, ls: b.ls, conn: b.conn, asked: time.Now(), changes: b.changes})
		}
	}
	return list
}

// readBridges reads the drops of all bridges, and with ports the counters of their ports. The
// plane's goroutine does not wait for what ovs-vswitchd answers; it runs take in the end.
func (p *Plane) readBridges(ctx context.Context, ports bool, take func([]reading)) error {
	p.reading.Lock()
	defer p.reading.Unlock()
	if ports {
		p.updateCoverage(ctx)
	}
	var list []reading
	if err := p.do(ctx, func() { list = p.engine.readings(func(*bridge) bool { return true }) }); err != nil {
		return err
	}
	asking, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	for i := range list {
		r := &list[i]
		r.drops, r.err = r.conn.Query(asking, &openflow.MultipartRequest{Part: openflow.PartFlows,
			Flows: &openflow.FlowFilter{Table: openflow.AllTables, Cookie: cookieDrop, CookieMask: ^uint64(0xff)}})
		if r.err == nil && ports && !r.physical {
			r.ports, r.err = r.conn.Query(asking, &openflow.MultipartRequest{Part: openflow.PartPortStats, Port: openflow.PortAny})
		}
	}
	return p.do(ctx, func() { take(list) })
}

// Stats implements plane.Plane.
func (p *Plane) Stats(ctx context.Context) (s plane.Stats, err error) {
	if e := p.readBridges(ctx, true, func(list []reading) { s, err = p.engine.stats(list) }); e != nil {
		err = e
	}
	if err != nil {
		return plane.Stats{}, fmt.Errorf("stats: %w", err)
	}
	return s, nil
}

func (e *engine) stats(list []reading) (plane.Stats, error) {
	s := plane.Stats{Bindings: map[intent.BindingKey]plane.Counters{}, Drops: map[string]uint64{}}
	failed := e.takeDrops(list)
	for _, r := range list {
		l := e.switches[r.ls]
		if r.physical || l == nil {
			continue
		}
		for _, p := range r.ports {
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

// takeDrops adds what the flows of bridges have dropped since they were last read.
func (e *engine) takeDrops(list []reading) (failed error) {
	for _, r := range list {
		if r.err != nil {
			failed = fmt.Errorf("bridge %s: %w", r.bridge.name, r.err)
		} else if e.bridges[r.bridge.name] == r.bridge { // else it has gone meanwhile
			e.addDrops(r.bridge, r.asked, r.drops)
		}
	}
	return failed
}

func (e *engine) addDrops(b *bridge, asked time.Time, parts []*openflow.MultipartReply) {
	last, since := e.counters.last[b.name], asked.Sub(e.counters.read[b.name])
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
			if was := last[k]; n >= was && !isNew(f, since) {
				n -= was
			}
			e.counters.add(dropReasons[reason], n)
			if n == 0 {
				continue
			}
			if at, ok := e.placeOf(b, f, reason); ok {
				e.counters.place[at] += n
			}
		}
	}
	e.counters.last[b.name], e.counters.read[b.name] = now, time.Now()
}

// isNew says whether a flow was not there a time ago, as after a restart of ovs-vswitchd: what another had counted is not
// in what it has.
func isNew(f *openflow.FlowStats, since time.Duration) bool {
	return time.Duration(f.Seconds)*time.Second+time.Duration(f.Nanoseconds) < since
}

// placeOf says where frames had come in that a flow has dropped.
func (e *engine) placeOf(b *bridge, f *openflow.FlowStats, reason int) (at plane.PlaceDrops, ok bool) {
	in, ok := f.Match.InPort()
	if !ok {
		return at, false
	}
	at.Reason = dropReasons[reason]
	if b.physical {
		name, ok := e.physical.portOf(in)
		if to, guarded := f.Match.Get(openflow.FieldReg(regTo)); ok && guarded && len(to) == 4 {
			key, ok := e.physical.bindingOf(binary.BigEndian.Uint32(to))
			at.Port, at.VLAN = key.Port, int(key.VLAN)
			return at, ok
		}
		at.Port, at.VLAN = name, plane.NoVLAN
		if reason == dropNotDesignated {
			at.VLAN = int(barred(f.Match))
		}
		return at, ok
	}
	if mark, ok := f.Match.Get(openflow.FieldMark); ok && len(mark) == 4 && b.name == e.names.router() {
		for id, port := range e.routing.ports {
			if l := e.switches[id]; port == in && l != nil {
				m, ok := l.member(binary.BigEndian.Uint32(mark))
				at.Port, at.VLAN = m.Port, int(m.VLAN)
				return at, ok
			}
		}
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

// DropsByPlace implements plane.Plane.
func (p *Plane) DropsByPlace(ctx context.Context) (list []plane.PlaceDrops, err error) {
	if e := p.readBridges(ctx, false, func(read []reading) {
		if err = p.engine.takeDrops(read); err == nil {
			list = p.engine.dropsByPlace()
		}
	}); e != nil {
		err = e
	}
	if err != nil {
		return nil, fmt.Errorf("drops by place: %w", err)
	}
	return list, nil
}

func (e *engine) dropsByPlace() []plane.PlaceDrops {
	list := make([]plane.PlaceDrops, 0, len(e.counters.place))
	for at, n := range e.counters.place {
		at.Count = n
		list = append(list, at)
	}
	if len(e.counters.place) > maxPlaces {
		clear(e.counters.place)
	}
	return list
}

// audit reads all flows and compares them with what they should be.
func (e *engine) audit(ctx context.Context) ([]plane.Drift, error) {
	var all []plane.Drift
	if e.pendingWhy != "" {
		all = append(all, plane.Drift{Kind: "plane", Key: e.names.ps, Want: "settled", Have: e.pendingWhy})
	}
	for _, b := range e.bridges {
		if b.conn == nil {
			continue
		}
		asking, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled) // each: one may have many
		parts, err := b.conn.Query(asking, &openflow.MultipartRequest{Part: openflow.PartFlows, Flows: &openflow.FlowFilter{Table: openflow.AllTables}})
		cancel()
		if err != nil {
			return nil, fmt.Errorf("bridge %s: %w", b.name, err)
		}
		have := flowsIn(parts)
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
