package fdb

import (
	"math"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// Expire drops the entries that have not been seen for Config.Age, and returns them, oldest
// first within a port. An entry for which spare, if not nil, gives a later time than now stays until
// then, or as long as it is seen again.
func (t *Table) Expire(now time.Time, spare func(intent.MACKey) time.Time) []intent.MACKey {
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
		if spare != nil && t.spare(now, e, spare(e.key)) {
			continue
		}
		gone = append(gone, e.key)
		t.counts.Aged++
		t.drop(e)
	}
}

// spare has e live until then, and says whether that is after now.
func (t *Table) spare(now time.Time, e *entry, until time.Time) bool {
	if !until.After(now) {
		return false
	}
	last := e.last()
	more := (tick(until.Sub(t.epoch)-t.cfg.Age) - last) / tick(time.Millisecond)
	e.spared = uint32(min(more+1, math.MaxUint32))
	e.seen = last + tick(e.spared)*tick(time.Millisecond)
	e.port.aging.fix(int(e.at))
	t.byAge.fix(e.port)
	return true
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
