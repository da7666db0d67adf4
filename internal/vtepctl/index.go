package vtepctl

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Tables of addresses may have many rows, and "apply" looks for each: a txn has an index of
// such a table from the first look on, until something else changes what it is made of.

// index finds rows by what is in some of their columns.
type index struct {
	columns []*ovsdb.ColumnSchema
	byKey   map[string][]*record // in the order of all
}

// indexed returns the index of a table by columns, made if there is none.
func (x *txn) indexed(table string, columns ...string) *index {
	t := tableNamed(table)
	if ix := x.indexes[t]; ix != nil {
		return ix
	}
	all := x.all(t)
	ix := &index{byKey: make(map[string][]*record, len(all))}
	for _, name := range columns {
		ix.columns = append(ix.columns, t.Column(name))
	}
	for _, r := range all {
		ix.add(r)
	}
	x.indexes[t] = ix
	return ix
}

// add adds a row that has its values.
func (ix *index) add(r *record) {
	var key []byte
	for _, c := range ix.columns {
		key = r.get(c).AppendKey(key, &c.Type)
	}
	ix.byKey[string(key)] = append(ix.byKey[string(key)], r)
}

// find returns the rows with given values in the columns.
func (ix *index) find(values ...ovsdb.Datum) []*record {
	var key []byte
	for i, c := range ix.columns {
		key = values[i].AppendKey(key, &c.Type)
	}
	return ix.byKey[string(key)]
}

// stale forgets the index of a table when a row of it is not any more what it was. column is
// what changed, nil for all of it.
func (x *txn) stale(t *ovsdb.TableSchema, column *ovsdb.ColumnSchema) {
	if ix := x.indexes[t]; ix != nil && (column == nil || slices.Contains(ix.columns, column)) {
		delete(x.indexes, t)
	}
}

// insertIndexed adds a row whose columns fill sets, and keeps the index of its table up to date.
func (x *txn) insertIndexed(table string, columns []string, fill func(r *record)) *record {
	ix := x.indexed(table, columns...)
	r := x.insertNew(table)
	fill(r)
	ix.add(r)
	x.indexes[r.table] = ix
	return r
}
