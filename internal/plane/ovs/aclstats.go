package ovs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
)

// counter names what flows count by: the number of an ACL, and the cookie of an entry of it.
type counter struct {
	acl    uint32
	cookie uint64
}

// counted is what a flow had counted when it was last read.
type counted struct {
	cookie uint64
	plane.Count
}

// aclFlows are the flows of ACLs in a bridge.
var aclFlows = openflow.FlowFilter{Table: openflow.AllTables, Cookie: cookieACL, CookieMask: cookieMask | cookieACL}

// ACLStats implements plane.ACLCounter.
func (p *Plane) ACLStats(ctx context.Context) (all map[plane.ACLEntryAt]plane.Count, err error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	var list []reading
	err = p.do(ctx, func() {
		list = p.engine.readings(func(b *bridge) bool { return b.guards })
	})
	if err != nil {
		return nil, fmt.Errorf("count by ACLs: %w", err)
	}
	asking, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	for i := range list {
		r := &list[i]
		r.flows, r.err = r.conn.Query(asking, &openflow.MultipartRequest{Part: openflow.PartFlows, Flows: &aclFlows})
	}
	if e := p.do(ctx, func() {
		for _, r := range list {
			if r.err != nil {
				err = fmt.Errorf("bridge %s: %w", r.bridge.name, r.err)
			} else if p.engine.bridges[r.bridge.name] == r.bridge && r.bridge.changes == r.changes {
				p.engine.access.count(r.bridge.name, r.asked, r.flows)
			}
		}
		all = p.engine.access.counts()
	}); e != nil {
		err = e
	}
	if err != nil {
		return nil, fmt.Errorf("count by ACLs: %w", err)
	}
	return all, nil
}

// counts returns what each entry of the ACLs in force has decided.
func (a *accessLists) counts() map[plane.ACLEntryAt]plane.Count {
	all := map[plane.ACLEntryAt]plane.Count{}
	for _, at := range a.entries {
		all[at] = a.totals[at]
	}
	return all
}

// count adds what the flows of a bridge have counted since they were last read.
func (a *accessLists) count(bridge string, asked time.Time, parts []*openflow.MultipartReply) {
	last, since := a.last[bridge], asked.Sub(a.read[bridge])
	now := map[flowKey]counted{}
	for _, p := range parts {
		for i := range p.Flows {
			f := &p.Flows[i]
			number, ok := f.Match.Get(openflow.FieldReg(regACL))
			if !ok || len(number) != 4 {
				continue
			}
			k := keyOf(f.Table, f.Priority, f.Match.Canonical())
			c := counted{f.Cookie, plane.Count{Packets: f.Packets, Bytes: f.Bytes}}
			now[k] = c
			if was := last[k]; was.cookie == c.cookie && was.Packets <= c.Packets && was.Bytes <= c.Bytes && !isNew(f, since) {
				c.Packets -= was.Packets
				c.Bytes -= was.Bytes
			}
			if at, ok := a.entries[counter{binary.BigEndian.Uint32(number), f.Cookie}]; ok && c.Packets > 0 {
				a.totals[at] = plus(a.totals[at], c.Count)
			}
		}
	}
	a.last[bridge], a.read[bridge] = now, time.Now()
}

func plus(a, b plane.Count) plane.Count {
	return plane.Count{Packets: a.Packets + b.Packets, Bytes: a.Bytes + b.Bytes}
}

// settle reads what flows of ACLs have counted that are about to change: their counters begin anew.
func (e *engine) settle(ctx context.Context, b *bridge, mods []*openflow.FlowMod, keys []flowKey) {
	some := false
	for i, m := range mods {
		some = some || m.Cookie&cookieACL == cookieACL && b.have[keys[i]] != nil
	}
	if !some {
		return
	}
	asked := time.Now()
	parts, err := b.conn.Query(ctx, &openflow.MultipartRequest{Part: openflow.PartFlows, Flows: &aclFlows})
	if errors.Is(err, openflow.ErrClosed) || ctx.Err() != nil {
		return
	}
	if err != nil {
		e.log.Warn("what entries of ACLs have counted is lost", "bridge", b.name, "err", err)
		return
	}
	b.changes++
	e.access.count(b.name, asked, parts)
	for i, m := range mods {
		if m.Cookie&cookieACL != cookieACL {
			continue
		}
		c := e.access.last[b.name][keys[i]]
		delete(e.access.last[b.name], keys[i])
		number, ok := m.Match.Get(openflow.FieldReg(regACL))
		if !ok || c.Packets == 0 {
			continue
		}
		if at, ok := e.access.entries[counter{binary.BigEndian.Uint32(number), c.cookie}]; ok {
			e.access.gone[at] = plus(e.access.gone[at], c.Count)
			e.renote = true
		}
	}
}

// bindingOf says whose frames asked an ACL, by the port that they are sent to.
func (p *physical) bindingOf(outer uint32) (at intent.BindingKey, ok bool) {
	if p.outers == nil {
		p.outers = make(map[uint32]intent.BindingKey, len(p.bindings))
		for _, b := range p.bindings {
			p.outers[b.outer] = b.at
		}
	}
	at, ok = p.outers[outer]
	return at, ok
}
