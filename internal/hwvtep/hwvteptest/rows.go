// Package hwvteptest gives tests a hardware_vtep database without a server: Rows holds
// whatever rows a test puts into it; DB executes transactions, by the rules of a server.
package hwvteptest

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Record is a pointer to any of the row structs of package hwvtep.
type Record interface {
	TableName() string
	RowUUID() hwvtep.UUID
	AppendJSON([]byte) []byte
}

// table has the rows of one table by UUID. It implements hwvtep.Table.
type table map[hwvtep.UUID]*hwvtep.Row

func (t table) Get(id hwvtep.UUID) *hwvtep.Row { return t[id] }
func (t table) Len() int                       { return len(t) }
func (t table) All() iter.Seq[*hwvtep.Row]     { return maps.Values(t) }

// Rows is the database. It checks that values fit their columns, but not
// references, indexes or the number of rows.
type Rows struct {
	schema *ovsdb.DatabaseSchema
	tables map[string]table
	taken  map[string]table // the tables at the last call of Changes
}

// New returns an empty database with the schema of package hwvtep.
func New() *Rows { return NewWithSchema(hwvtep.Schema()) }

// NewWithSchema returns an empty database.
func NewWithSchema(schema *ovsdb.DatabaseSchema) *Rows {
	r := &Rows{schema: schema, tables: map[string]table{}}
	for name := range schema.Tables {
		r.tables[name] = table{}
	}
	r.taken = r.copy()
	return r
}

func (r *Rows) copy() map[string]table {
	tables := make(map[string]table, len(r.tables))
	for name, t := range r.tables {
		tables[name] = maps.Clone(t)
	}
	return tables
}

// Put stores row in place of the one with its UUID, and returns that; for a row
// without UUID it makes one up. A row that does not fit the schema is a mistake
// in the test, and panics.
func (r *Rows) Put(row Record) hwvtep.UUID {
	id := row.RowUUID()
	if id.IsZero() {
		id = ovsdb.NewUUID()
	}
	ts := r.schema.Tables[row.TableName()]
	if ts == nil {
		panic("hwvteptest: no table " + row.TableName())
	}
	stored, err := parseRow(ts, id, row.AppendJSON(nil))
	if err != nil {
		panic(fmt.Sprintf("hwvteptest: table %s: %v", ts.Name, err))
	}
	r.tables[ts.Name][id] = stored
	return id
}

func parseRow(ts *ovsdb.TableSchema, id hwvtep.UUID, text []byte) (*ovsdb.Row, error) {
	members, err := wire.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	values := make([]ovsdb.Datum, len(ts.Columns))
	for i, c := range ts.Columns {
		values[i] = ovsdb.Default(&c.Type)
	}
	for name, v := range members.Members() {
		c := ts.Column(name)
		if c == nil {
			return nil, fmt.Errorf("no column %s", name)
		}
		if values[c.Index], err = ovsdb.ParseDatum(v, &c.Type, nil); err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
	}
	return ovsdb.NewRow(id, values).Renew(), nil
}

// Delete removes a row, if it is there.
func (r *Rows) Delete(tableName string, id hwvtep.UUID) { delete(r.tables[tableName], id) }

// View shows the rows as they are now: later changes do not show in it.
func (r *Rows) View() *hwvtep.View {
	return hwvtep.NewView(snapshot{r.schema, r.copy()})
}

type snapshot struct {
	schema *ovsdb.DatabaseSchema
	tables map[string]table
}

func (s snapshot) Schema() *ovsdb.DatabaseSchema { return s.schema }
func (s snapshot) Table(name string) table       { return s.tables[name] }

// Changes shows what changed since the call before, or since New.
func (r *Rows) Changes() hwvtep.Changes {
	now := r.copy()
	d := delta{before: r.taken, after: now}
	r.taken = now
	return hwvtep.NewChanges(hwvtep.NewLayout(r.schema), d)
}

type delta struct{ before, after map[string]table }

// Rows implements hwvtep.Delta. The rows are in the order of their UUIDs, as those of a client's comparison: what has come is not behind what has gone.
func (d delta) Rows(name string) (rows []ovsdb.RowDelta) {
	for id, before := range d.before[name] {
		if after := d.after[name][id]; after != before {
			rows = append(rows, ovsdb.RowDelta{UUID: id, Old: before, New: after})
		}
	}
	for id, after := range d.after[name] {
		if d.before[name][id] == nil {
			rows = append(rows, ovsdb.RowDelta{UUID: id, New: after})
		}
	}
	slices.SortFunc(rows, func(a, b ovsdb.RowDelta) int { return a.UUID.Compare(b.UUID) })
	return rows
}
