package ovs

import (
	"context"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// follow connects to the bridges whose flows are ours to see to, and lets go of others.
func (e *engine) follow() {
	wanted := map[string]bool{}
	if e.vs != nil {
		if e.vs.bridges[e.names.ps] != nil {
			wanted[e.names.ps] = true
		}
		for name, b := range e.vs.bridges {
			if e.names.ours(b) || isShared(b) {
				wanted[name] = true
			}
		}
	}
	for name, b := range e.bridges {
		if !wanted[name] {
			e.unfollow(b)
		}
	}
	byName := map[string]intent.SwitchID{}
	for id, name := range e.names.of {
		byName[name] = id
	}
	for name := range wanted {
		b := e.bridges[name]
		if b == nil {
			ctx, stop := context.WithCancel(e.plane.ctx)
			b = &bridge{
				name: name, path: e.plane.socket(name), log: e.log, mail: e.mail, stop: stop, kick: make(chan struct{}, 1),
				have: flowSet{}, want: flowSet{}, touched: map[flowKey]struct{}{}, refused: map[flowKey]error{},
				badACLs:  map[flowKey]error{},
				physical: name == e.names.ps,
			}
			b.settle = func(ctx context.Context, mods []*openflow.FlowMod, keys []flowKey, together bool) {
				e.stale = e.stale || together && (b.deep || b.wasDeep)
				e.settle(ctx, b, mods, keys)
				b.wasDeep = b.deep
			}
			b.takeOver = e.leftovers(b)
			b.keep = func(f *flow) bool { return name == bfdBridge || !b.physical && e.keptByHand(b, f) }
			e.bridges[name] = b
			e.plane.wait.Go(func() { b.connect(ctx) })
		}
		b.ls = byName[name]
	}
}

// adopt takes over what an earlier process has left in the flows of a bridge that has just been connected.
func (e *engine) adopt(b *bridge) {
	e.adoptFlows(b)
	e.adoptACLs(b)
	e.adoptLinks(b)
}

// leftovers says whether an emulator may have left flows in a bridge that has none of our marks.
func (e *engine) leftovers(b *bridge) bool {
	row := e.vs.bridges[b.name]
	if isShared(row) {
		return false
	}
	if !b.physical {
		return row.externalIDs[markOwner] == ""
	}
	for _, p := range row.ports {
		if i := p.single(); i != nil && isOuter(i) && p.externalIDs[markOwner] == "" {
			return true
		}
	}
	return false
}

// kick has the bridges tried at once that are not connected: ovs-vswitchd has made what it was told.
func (e *engine) kick() {
	for _, b := range e.bridges {
		if b.conn == nil {
			select {
			case b.kick <- struct{}{}:
			default:
			}
		}
	}
}

func (e *engine) unfollow(b *bridge) {
	b.stop()
	if b.conn != nil {
		b.conn.Close()
	}
	delete(e.bridges, b.name)
}

func (e *engine) closeBridges() {
	for _, b := range e.bridges {
		if b.conn != nil {
			b.conn.Close()
		}
	}
}
