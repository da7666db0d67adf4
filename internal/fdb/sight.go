package fdb

import (
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// Sight takes note that key was last seen at a binding at the time seen. Sightings may come
// out of order: one that is older than what is known changes nothing.
func (t *Table) Sight(seen time.Time, key intent.MACKey, at intent.BindingKey) Result {
	if r := t.refuse(key.MAC); r != None {
		return Result{Verdict: Rejected, Reason: r}
	}
	when := tick(seen.Sub(t.epoch))
	e := t.entries[key]
	switch {
	case e == nil:
		return t.learn(when, key, at)
	case e.port.name == at.Port && e.vlan == at.VLAN:
		t.refresh(e, when)
		return Result{Verdict: Refreshed}
	case when < e.last():
		return Result{Verdict: Rejected, Reason: Stale}
	}
	return t.move(when, e, at)
}

func (t *Table) refuse(mac intent.MAC) Reason {
	switch {
	case mac.IsZero():
		return Zero
	case mac.IsGroup():
		return Group
	case slices.Contains(t.cfg.Ignore, mac):
		return Ignored
	}
	return None
}

func (t *Table) learn(when tick, key intent.MACKey, at intent.BindingKey) Result {
	if p := t.ports[at.Port]; p.full() {
		return Result{Verdict: Rejected, Reason: PortFull}
	}
	r := Result{Verdict: New}
	if t.cfg.Limit > 0 && len(t.entries) >= t.cfg.Limit {
		victim := t.victim()
		r.Evicted = &victim.key
		t.counts.Evicted++
		t.drop(victim)
	}
	e := &entry{key: key, vlan: at.VLAN, seen: when}
	t.add(e)
	t.counts.Learned++
	t.enter(e, t.port(at.Port))
	return r
}

func (t *Table) move(when tick, e *entry, at intent.BindingKey) Result {
	r := Result{Verdict: Moved, From: e.binding()}
	if e.port.name != at.Port {
		if p := t.ports[at.Port]; p.full() {
			return Result{Verdict: Rejected, Reason: PortFull}
		}
		t.leave(e)
		e.seen, e.spared = when, 0
		t.enter(e, t.port(at.Port))
	} else {
		t.refresh(e, when)
	}
	e.vlan = at.VLAN
	e.moves++
	t.counts.Moved++
	return r
}

func (t *Table) refresh(e *entry, when tick) {
	if when <= e.last() {
		return
	}
	e.seen, e.spared = when, 0
	e.port.aging.fix(int(e.at))
	t.byAge.fix(e.port)
}

// victim returns the entry to give up when the table is full: the oldest of the port that
// has most.
func (t *Table) victim() *entry { return t.bySize.first().aging[0] }

// Remove drops key and says whether it was there.
func (t *Table) Remove(key intent.MACKey) bool {
	e := t.entries[key]
	if e == nil {
		return false
	}
	t.drop(e)
	return true
}

// RemoveBinding drops the entries of a binding and returns them. The time that it takes grows
// with the entries of its port.
func (t *Table) RemoveBinding(at intent.BindingKey) []intent.MACKey {
	p := t.ports[at.Port]
	if p == nil {
		return nil
	}
	var gone []*entry
	for _, e := range p.aging {
		if e.vlan == at.VLAN {
			gone = append(gone, e)
		}
	}
	keys := make([]intent.MACKey, len(gone))
	for i, e := range gone {
		keys[i] = e.key
		t.drop(e)
	}
	return keys
}

func (t *Table) add(e *entry) {
	t.entries[e.key] = e
	t.switches[e.key.Switch]++
}

func (t *Table) drop(e *entry) {
	if t.Dropped != nil {
		t.Dropped(e.key, e.binding())
	}
	t.leave(e)
	t.loseAll(e)
	delete(t.entries, e.key)
	if t.switches[e.key.Switch]--; t.switches[e.key.Switch] == 0 {
		delete(t.switches, e.key.Switch)
	}
}
