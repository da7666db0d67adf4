package idl

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"weak"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// plan is what of a database is replicated. It is constant.
type plan struct {
	schema *ovsdb.DatabaseSchema
	tables []*tablePlan   // sorted by name
	index  map[string]int // position in tables
}

// tablePlan is one table of a plan.
type tablePlan struct {
	schema   *ovsdb.TableSchema
	columns  map[string]*columnPlan
	defaults []ovsdb.Datum // by column index
	whole    bool          // all columns are replicated
}

// columnPlan is one column of a plan. Values come from a server, which has checked
// their constraints: only what a reader of the datum relies on is checked again.
type columnPlan struct {
	*ovsdb.ColumnSchema
	value ovsdb.Type // of a value: the type without constraints on atoms
	diff  ovsdb.Type // of a difference: it may have any number of elements
}

// sharedPlans are those that somebody still has.
var sharedPlans = struct {
	sync.Mutex
	of map[planKey]weak.Pointer[plan]
}{of: map[planKey]weak.Pointer[plan]{}}

type planKey struct {
	schema weak.Pointer[ovsdb.DatabaseSchema]
	wanted string
}

// sharedPlan is newPlan, but gives all who want the same of one schema the same plan.
func sharedPlan(schema *ovsdb.DatabaseSchema, wanted map[string][]string) *plan {
	key := planKey{weak.Make(schema), "everything"}
	if wanted != nil {
		key.wanted = ""
		for _, table := range slices.Sorted(maps.Keys(wanted)) {
			key.wanted += table + ":"
			if wanted[table] != nil {
				key.wanted += strings.Join(wanted[table], ",") + "."
			}
			key.wanted += ";"
		}
	}
	sharedPlans.Lock()
	defer sharedPlans.Unlock()
	if p := sharedPlans.of[key].Value(); p != nil {
		return p
	}
	p := newPlan(schema, wanted)
	sharedPlans.of[key] = weak.Make(p)
	runtime.AddCleanup(p, func(key planKey) {
		sharedPlans.Lock()
		defer sharedPlans.Unlock()
		if sharedPlans.of[key].Value() == nil {
			delete(sharedPlans.of, key)
		}
	}, key)
	return p
}

// newPlan plans to replicate the tables and columns that are wanted and that the
// schema has. wanted nil: everything; a table with nil columns: all its columns.
func newPlan(schema *ovsdb.DatabaseSchema, wanted map[string][]string) *plan {
	p := &plan{schema: schema, index: map[string]int{}}
	for _, ts := range schema.SortedTables() {
		columns, ok := wanted[ts.Name]
		if wanted != nil && !ok {
			continue
		}
		p.index[ts.Name] = len(p.tables)
		p.tables = append(p.tables, newTablePlan(ts, columns))
	}
	return p
}

func newTablePlan(ts *ovsdb.TableSchema, wanted []string) *tablePlan {
	t := &tablePlan{
		schema:   ts,
		columns:  map[string]*columnPlan{},
		defaults: make([]ovsdb.Datum, len(ts.Columns)),
	}
	for i, c := range ts.Columns {
		t.defaults[i] = ovsdb.Default(&c.Type)
		if wanted == nil {
			t.columns[c.Name] = newColumnPlan(c)
		}
	}
	for _, name := range wanted {
		if c := ts.Column(name); c != nil && c.Index >= 0 {
			t.columns[c.Name] = newColumnPlan(c)
		}
	}
	t.whole = len(t.columns) == len(ts.Columns)
	return t
}

func newColumnPlan(c *ovsdb.ColumnSchema) *columnPlan {
	value := c.Type
	value.Key, value.Value = ovsdb.NewBaseType(c.Type.Key.Type), ovsdb.NewBaseType(c.Type.Value.Type)
	diff := value
	diff.Min, diff.Max = 0, ovsdb.Unlimited
	return &columnPlan{ColumnSchema: c, value: value, diff: diff}
}

// appendRequests appends the <monitor-requests> of the plan.
func (p *plan) appendRequests(dst []byte) []byte {
	dst = append(dst, '{')
	for i, t := range p.tables {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, t.schema.Name)
		dst = append(dst, `:[{"columns":[`...)
		comma := false
		for _, c := range t.schema.Columns {
			if t.columns[c.Name] == nil {
				continue
			}
			if comma {
				dst = append(dst, ',')
			}
			comma = true
			dst = wire.AppendString(dst, c.Name)
		}
		dst = append(dst, "]}]"...)
	}
	return append(dst, '}')
}

// equalRows reports whether a and b, rows of the table, have the same values.
func (t *tablePlan) equalRows(a, b *ovsdb.Row) bool {
	return a.SameValues(b, t.schema.Columns)
}

// show returns what is replicated of a row that has all columns.
func (t *tablePlan) show(row *ovsdb.Row) *ovsdb.Row {
	values := append([]ovsdb.Datum(nil), t.defaults...)
	for _, c := range t.columns {
		values[c.Index] = row.At(c.Index)
	}
	return ovsdb.NewRow(row.UUID, values)
}
