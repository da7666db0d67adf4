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
		h.add(cs, atoms)
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
