package fdb

import (
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// Expire drops the entries that have not been seen for Config.Age, and returns them, oldest
// first within a port.
func (t *Table) Expire(now time.Time) []intent.MACKey {
	if t.cfg.Age <= 0 {
		return nil
	}
	last := tick(now.Sub(t.epoch) - t.cfg.Age)
	var gone []intent.MACKey
	for {
		e := t.oldest()
		if e == nil || e.seen > last {
			return gone
		}
		gone = append(gone, e.key)
		t.counts.Aged++
		t.drop(e)
	}
}

// NextExpiry returns the time from which on Expire has something to drop, if nothing is seen
// again; false: never.
func (t *Table) NextExpiry() (time.Time, bool) {
	e := t.oldest()
	if e == nil || t.cfg.Age <= 0 {
		return time.Time{}, false
	}
	return t.epoch.Add(time.Duration(e.seen) + t.cfg.Age), true
}

func (t *Table) oldest() *entry {
	if p := t.byAge.first(); p != nil && len(p.aging) > 0 {
		return p.aging[0]
	}
	return nil
}

// SetConfig changes what t obeys, and returns the entries that a smaller limit evicts.
func (t *Table) SetConfig(cfg Config) []intent.MACKey {
	t.cfg = cfg
	var gone []intent.MACKey
	for cfg.Limit > 0 && len(t.entries) > cfg.Limit {
		e := t.victim()
		if e == nil {
			break
		}
		gone = append(gone, e.key)
		t.counts.Evicted++
		t.drop(e)
	}
	return gone
}

// SetPortLimit sets the most entries that a port may have, 0 for no limit, and returns the
// entries that this evicts.
func (t *Table) SetPortLimit(name string, limit int) []intent.MACKey {
	if limit <= 0 && t.ports[name] == nil {
		return nil
	}
	p := t.port(name)
	if p.limit = max(limit, 0); p.limit > 0 {
		t.limited[p] = struct{}{}
	} else {
		delete(t.limited, p)
	}
	var gone []intent.MACKey
	for p.limit > 0 && p.len() > p.limit && len(p.aging) > 0 {
		e := p.aging[0]
		gone = append(gone, e.key)
		t.counts.Evicted++
		t.drop(e)
	}
	t.forget(p)
	return gone
}
