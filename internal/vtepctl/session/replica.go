package session

import (
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Replica is what the server said that it has, as far as it was asked.
type Replica struct {
	Tables map[*ovsdb.TableSchema]map[ovsdb.UUID]*ovsdb.Row
	// Version counts the updates. A transaction that lost a race is worth another try when it
	// has changed.
	Version int
}

func newReplica() *Replica {
	return &Replica{Tables: map[*ovsdb.TableSchema]map[ovsdb.UUID]*ovsdb.Row{}}
}

// update takes over <table-updates> of RFC 7047. observe, if not nil, is told of each change.
func (r *Replica) update(updates wire.Value, observe func(t *ovsdb.TableSchema, old, new *ovsdb.Row)) error {
	for name, rows := range updates.Members() {
		t := hwvtep.Schema().Tables[name]
		if t == nil {
			return fmt.Errorf("update of unknown table %s", name)
		}
		have := r.Tables[t]
		if have == nil {
			have = make(map[ovsdb.UUID]*ovsdb.Row, rows.Len())
			r.Tables[t] = have
		}
		for id, change := range rows.Members() {
			u, ok := ovsdb.ParseUUID(id)
			if !ok {
				return fmt.Errorf("update of table %s has bad UUID %q", name, id)
			}
			old := have[u]
			values := change.Get("new")
			if values.Kind() != wire.Object {
				delete(have, u)
				if observe != nil {
					observe(t, old, nil)
				}
				continue
			}
			row, err := parseRow(t, u, old, values)
			if err != nil {
				return err
			}
			have[u] = row
			if observe != nil {
				observe(t, old, row)
			}
		}
	}
	r.Version++
	return nil
}

// parseRow makes the row that old becomes with new values. Columns that are not there keep
// what they had, or their default.
func parseRow(t *ovsdb.TableSchema, u ovsdb.UUID, old *ovsdb.Row, values wire.Value) (*ovsdb.Row, error) {
	fields := make([]ovsdb.Datum, len(t.Columns))
	for i, c := range t.Columns {
		if old != nil {
			fields[i] = old.At(i)
		} else {
			fields[i] = ovsdb.Default(&c.Type)
		}
	}
	for name, v := range values.Members() {
		c := t.Column(name)
		if c == nil || c.Index < 0 {
			continue
		}
		d, err := ovsdb.ParseUnconstrained(v, &c.Type)
		if err != nil {
			return nil, fmt.Errorf("update of table %s column %s: %w", t.Name, name, err)
		}
		fields[c.Index] = d
	}
	return ovsdb.NewRow(u, fields), nil
}

// Sorted returns the rows of a table in the order of their UUIDs.
func (r *Replica) Sorted(t *ovsdb.TableSchema) []*ovsdb.Row {
	rows := make([]*ovsdb.Row, 0, len(r.Tables[t]))
	for _, row := range r.Tables[t] {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b *ovsdb.Row) int { return a.UUID.Compare(b.UUID) })
	return rows
}
