package ovs

import (
	"context"
	"fmt"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
)

// Sweep implements plane.Plane: a frame was seen since the last time if its flow's counter has
// moved. The plane's goroutine does not wait for what ovs-vswitchd answers.
func (p *Plane) Sweep(ctx context.Context) (all []plane.Sighting, err error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	var asked []reading
	err = p.do(ctx, func() { asked = p.engine.readings(func(b *bridge) bool { return len(p.engine.stations.of(b.ls)) > 0 }) })
	counts := map[intent.SwitchID]map[source]uint64{}
	now := time.Now()
	for _, r := range asked {
		if c, err := sourceCounts(ctx, r.conn); err == nil { // else what is known stays known
			counts[r.ls] = c
		}
	}
	if err == nil {
		err = p.do(ctx, func() { all = p.engine.sightings(now, counts) })
	}
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	return all, nil
}

// sightings takes how many frames each source had sent at now, and returns all that is learned.
func (e *engine) sightings(now time.Time, counts map[intent.SwitchID]map[source]uint64) []plane.Sighting {
	var all []plane.Sighting
	for id, macs := range e.stations.bySwitch {
		l := e.switches[id]
		for mac, st := range macs {
			if l != nil {
				if n, ok := counts[id][source{mac, l.number(st.at)}]; ok && n != st.count {
					if n > st.count && st.seen.Before(now) {
						st.seen = now
					}
					st.count = n
				}
			}
			s := plane.Sighting{Key: intent.MACKey{Switch: id, MAC: mac}, At: st.at, Idle: max(0, now.Sub(st.seen))}
			if st.static {
				s.Idle = 0
			}
			all = append(all, s)
		}
	}
	return all
}

type source struct {
	mac  intent.MAC
	port uint32
}

// sourceCounts returns how many frames each source has sent.
func sourceCounts(ctx context.Context, conn *openflow.Conn) (map[source]uint64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	parts, err := conn.Query(ctx, &openflow.MultipartRequest{Part: openflow.PartFlows,
		Flows: &openflow.FlowFilter{Table: openflow.AllTables, Cookie: cookieSource, CookieMask: ^uint64(0)}})
	if err != nil {
		return nil, err
	}
	counts := map[source]uint64{}
	for _, p := range parts {
		for i := range p.Flows {
			mac, ok := ethField(p.Flows[i].Match, openflow.FieldEthSrc)
			in, is := p.Flows[i].Match.InPort()
			if ok && is {
				counts[source{mac, in}] += p.Flows[i].Packets
			}
		}
	}
	return counts, nil
}
