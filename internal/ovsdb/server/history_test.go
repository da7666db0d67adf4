package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// fill makes the database n atoms larger, so that it may have as much of a history.
func (c *client) fill(n int) {
	c.t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(`"%d"`, i)
	}
	c.transact(`{"op":"insert","table":"Config","row":{"targets":["set",[` + strings.Join(names, ",") + `]]}}`)
}

func TestHistoryLimits(t *testing.T) {
	h := newHistory(3)
	ids := []ovsdb.UUID{h.last}
	add := func(size, atoms int) {
		cs := &db.ChangeSet{TxnID: ovsdb.NewUUID(), Atoms: size}
		h.add(cs, 0, atoms)
		ids = append(ids, cs.TxnID)
	}
	check := func(n, atoms int) {
		t.Helper()
		if h.len() != n || h.atoms != atoms {
			t.Errorf("%d transactions of %d atoms, want %d of %d", h.len(), h.atoms, n, atoms)
		}
		// Each state after which everything is remembered can be named, and no other.
		for i, id := range ids {
			if _, ok := h.since(id, &monitorSpec{}); ok != (i >= len(ids)-1-n) {
				t.Errorf("%d of %d: found %v", i, len(ids), ok)
			}
		}
	}
	check(0, 0)
	for range 5 {
		add(10, 100)
	}
	check(3, 30)
	add(60, 80) // more than the database: the oldest go
	check(3, 80)
	add(15, 80)
	check(2, 75)
	add(500, 80) // one is always kept
	check(1, 500)
	add(0, 0)
	check(1, 0)
}

// TestHistoryBytes has transactions hold memory: the oldest go when it is too much, and even
// the last when it is too much alone.
func TestHistoryBytes(t *testing.T) {
	h := newHistory(100)
	add := func(held int) { h.add(&db.ChangeSet{TxnID: ovsdb.NewUUID()}, held, 1000) }
	check := func(n, bytes int) {
		t.Helper()
		if h.len() != n || h.bytes != bytes || len(h.held) != n+1 {
			t.Errorf("%d transactions of %d bytes, want %d of %d", h.len(), h.bytes, n, bytes)
		}
		if after, ok := h.since(h.last, &monitorSpec{}); !ok || after.rows != 0 {
			t.Error("the present state cannot be named")
		}
	}
	limit := historyBytes(1000)
	add(limit / 2)
	add(limit / 2)
	check(2, limit/2*2)
	add(100)
	check(2, limit/2+100)
	add(limit + 1)
	check(0, 0)
	add(10)
	check(1, 10)
}
