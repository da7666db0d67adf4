package db

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
)

// A transaction often puts many elements into one large set, one operation for each: every
// tunnel into Physical_Switch.tunnels, every binding into vlan_bindings. To build the set
// anew each time would take time that grows with the square. So what such operations add, or
// take away, is gathered, and applied when something looks at the column: at the latest
// before any operation that is no such mutation, no insertion, and none of those that look
// at no row.

// gathered is what is to be done with one column of a row.
type gathered struct {
	row  *ovsdb.Row // belongs to the transaction
	m    ovsdb.Mutation
	args []ovsdb.Datum // of the mutations like m, in order
}

// largeColumn is the number of elements from which changes of a column are gathered. Tests
// change it.
var largeColumn = 128

// gather takes mutations to be applied later; false if they have to be applied now. It does
// so only if that cannot fail, and rows are not chosen by their content.
func (o *operation) gather(t *Table, cond ovsdb.Condition, mutations ovsdb.Mutations) bool {
	if len(mutations) != 1 || len(cond) != 1 || cond[0].Column != ovsdb.UUIDColumn || cond[0].Function != ovsdb.FuncEqual {
		return false
	}
	m := &mutations[0]
	c := m.Column
	if c.Type.Max != ovsdb.Unlimited || c.Type.Min != 0 || m.ArgType.IsMap() && m.Mutator == ovsdb.MutateDelete ||
		m.Mutator != ovsdb.MutateInsert && m.Mutator != ovsdb.MutateDelete || t.isIndexed(c) {
		return false
	}
	st := t.find(cond[0].Arg.Key(0).UUID())
	if st == nil || st.row == nil || st.row.At(c.Index).Len() < largeColumn {
		return false
	}
	g := &o.gathered
	if g.row != nil && (g.row != st.row || g.m.Column != c || g.m.Mutator != m.Mutator) {
		o.settle()
	}
	if g.row == nil {
		o.modifyRow(t, st)
		*g = gathered{row: st.row, m: *m}
	}
	g.args = append(g.args, m.Arg)
	return true
}

// settle applies what was gathered.
func (x *execution) settle() {
	g := x.gathered
	if g.row == nil {
		return
	}
	x.gathered = gathered{}
	g.m.Arg = ovsdb.UnionAll(g.args, &g.m.ArgType)
	values := g.row.Draft()
	d, err := g.m.Result(values[g.m.Column.Index])
	if err != nil {
		panic("db: " + err.Error()) // nothing that could fail is gathered
	}
	values[g.m.Column.Index] = d
}

// isIndexed reports whether c is in a unique index.
func (t *Table) isIndexed(c *ovsdb.ColumnSchema) bool {
	return slices.ContainsFunc(t.schema.Indexes, func(index ovsdb.ColumnSet) bool { return index.Contains(c) })
}
