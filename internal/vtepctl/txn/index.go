package txn

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Tables of addresses may have many rows, and "apply" looks for each: a txn has an index of
// such a table from the first look on, until something else changes what it is made of.

// index finds rows by what is in some of their columns.
type index struct {
	columns []*ovsdb.ColumnSchema
	byKey   map[string][]*Record // in the order of all
}

// Indexed returns the index of a table by columns, made if there is none.
func (x *Txn) Indexed(table string, columns ...string) *index {
	t := TableNamed(table)
	if ix := x.indexes[t]; ix != nil {
		return ix
	}
	all := x.All(t)
	ix := &index{byKey: make(map[string][]*Record, len(all))}
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
func (ix *index) add(r *Record) {
	var key []byte
	for _, c := range ix.columns {
		key = r.Get(c).AppendKey(key, &c.Type)
	}
	ix.byKey[string(key)] = append(ix.byKey[string(key)], r)
}

// Find returns the rows with given values in the columns.
func (ix *index) Find(values ...ovsdb.Datum) []*Record {
	var key []byte
	for i, c := range ix.columns {
		key = values[i].AppendKey(key, &c.Type)
	}
	return ix.byKey[string(key)]
}

// stale forgets the index of a table when a row of it is not any more what it was. column is
// what changed, nil for all of it.
func (x *Txn) stale(t *ovsdb.TableSchema, column *ovsdb.ColumnSchema) {
	if ix := x.indexes[t]; ix != nil && (column == nil || slices.Contains(ix.columns, column)) {
		delete(x.indexes, t)
	}
}

// InsertIndexed adds a row whose columns fill sets, and keeps the index of its table up to date.
func (x *Txn) InsertIndexed(table string, columns []string, fill func(r *Record)) *Record {
	ix := x.Indexed(table, columns...)
	r := x.InsertNew(table)
	fill(r)
	ix.add(r)
	x.indexes[r.Table] = ix
	return r
}
