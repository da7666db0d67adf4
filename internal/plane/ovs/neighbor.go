package ovs

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/ovsdb"
)

// used is what is known of packets to a neighbor.
type used struct {
	packets uint64
	last    time.Time
}

// UsedNeighbors implements plane.NeighborUser: a packet was handed on since the last time if the flow's counter has moved.
func (p *Plane) UsedNeighbors(ctx context.Context, keys []intent.IPKey, within time.Duration) []bool {
	all := make([]bool, len(keys))
	p.reading.Lock()
	defer p.reading.Unlock()
	var conn *openflow.Conn
	if err := p.do(ctx, func() {
		if b := p.engine.bridges[p.engine.names.router()]; b != nil {
			conn = b.conn
		}
	}); err != nil || conn == nil {
		return all
	}
	asking, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	parts, err := conn.Query(asking, &openflow.MultipartRequest{Part: openflow.PartFlows,
		Flows: &openflow.FlowFilter{Table: tableNeighbors, Cookie: cookieNeighbor, CookieMask: ^uint64(0)}})
	if err != nil {
		return all
	}
	_ = p.do(ctx, func() {
		now, e := time.Now(), p.engine
		switches := map[uint32]intent.SwitchID{}
		for id, port := range e.routing.ports {
			switches[port] = id
		}
		known := map[intent.IPKey]used{}
		for _, part := range parts {
			for i := range part.Flows {
				f := &part.Flows[i]
				ip, out := hopOf(f.Match, isIPv6(f.Match))
				key := intent.IPKey{Switch: switches[out], IP: ip}
				u := e.used[key]
				if f.Packets != u.packets {
					u = used{f.Packets, now}
				}
				known[key] = u
			}
		}
		e.used = known
		for i, key := range keys {
			u, ok := known[key]
			all[i] = ok && !u.last.IsZero() && now.Sub(u.last) <= within
		}
	})
	return all
}

func isIPv6(m openflow.Match) bool {
	v, ok := m.Get(openflow.FieldEthType)
	return ok && len(v) == 2 && binary.BigEndian.Uint16(v) == intent.EtherTypeIPv6
}

// routerNote is what is noted of routers for the next process. Who has which address the flows tell.
type routerNote struct {
	Routers  map[string]intent.Router
	Switches map[string]string // the router of each
}

// routersNumber is the number of that note. No ACL has it.
const routersNumber = 0

// noteRouters adds the note of routers, if there are any.
func (s *site) noteRouters(flows flowSet) {
	if len(s.routers) == 0 {
		return
	}
	n := routerNote{map[string]intent.Router{}, map[string]string{}}
	for id, r := range s.routers {
		n.Routers[id.String()] = r
	}
	for id, ls := range s.switches {
		if _, ok := s.routers[ls.router]; ok && ls.active {
			n.Switches[id.String()] = ls.router.String()
		}
	}
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // it is of plain values
	}
	note(flows, routersNumber, text)
}

// adoptedRouters adds to s what an earlier process has left of routers: by its note, and who has which address by the
// flows of their bridge.
func (p *Plane) adoptedRouters(ctx context.Context, s *intent.State, text []byte, v *vswitch) error {
	if text == nil {
		return nil
	}
	var n routerNote
	if err := json.Unmarshal(text, &n); err != nil {
		return fmt.Errorf("a note of routers: %w", err)
	}
	for id, r := range n.Routers {
		if u, ok := ovsdb.ParseUUID(id); ok {
			s.Routers[intent.RouterID(u)] = r
		}
	}
	for id, router := range n.Switches {
		u, ok := parseID(id)
		r, is := ovsdb.ParseUUID(router)
		if ls, there := s.Switches[u]; ok && is && there {
			ls.Router = intent.RouterID(r)
			s.Switches[u] = ls
		}
	}
	row := v.bridges[p.engine.names.router()]
	if row == nil {
		return nil
	}
	switches := map[uint32]intent.SwitchID{}
	for _, b := range v.bridges {
		if id, ok := parseID(b.externalIDs[markID]); ok {
			switches[row.ports[fromRouters(b.name)].number()] = id
		}
	}
	parts, err := p.flowsOf(ctx, row.name, tableNeighbors)
	if err != nil {
		return err
	}
	for _, f := range flowsIn(parts) {
		if ip, out, mac, ok := adoptedNeighbor(f.mod); ok {
			if id, ok := switches[out]; ok && out != 0 {
				s.Neighbours[intent.IPKey{Switch: id, IP: ip}] = mac
			}
		}
	}
	return nil
}

// adoptedNeighbor reads who has an address from a flow.
func adoptedNeighbor(f *openflow.FlowMod) (ip netip.Addr, out uint32, mac intent.MAC, ok bool) {
	if f.Cookie != cookieNeighbor || f.Table != tableNeighbors {
		return ip, 0, mac, false
	}
	ip, out = hopOf(f.Match, isIPv6(f.Match))
	for _, a := range f.Instructions.Actions() {
		if set, is := a.(openflow.SetFieldAction); is && set.Field.ID == openflow.FieldEthDst && len(set.Field.Value) == 6 {
			return ip, out, intent.MAC(set.Field.Value), true
		}
	}
	return ip, out, mac, false
}
