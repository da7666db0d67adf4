package db

import (
	"iter"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Database is the content of a database.
type Database struct {
	schema *ovsdb.DatabaseSchema
	tables map[string]*Table
	sorted []*Table // the same, by name

	txn   *txn        // the one being executed, or nil
	arena ovsdb.Arena // its rows that are not sealed yet
	fresh ovsdb.Arena // the values of the row that is being inserted
	spare []*txnTable // memory for txn.tables
	seq   uint64
	atoms int
}

// New returns an empty database.
func New(schema *ovsdb.DatabaseSchema) *Database {
	d := &Database{schema: schema, tables: make(map[string]*Table, len(schema.Tables))}
	for _, ts := range schema.SortedTables() {
		t := newTable(ts)
		d.tables[ts.Name] = t
		d.sorted = append(d.sorted, t)
	}
	for _, t := range d.sorted {
		t.resolve(d)
	}
	return d
}

// Schema returns the schema of the database.
func (d *Database) Schema() *ovsdb.DatabaseSchema { return d.schema }

// Table returns the table called name, or nil.
func (d *Database) Table(name string) *Table { return d.tables[name] }

// Tables returns the tables in the order of their names. The slice must not be changed.
func (d *Database) Tables() []*Table { return d.sorted }

// Atoms returns the number of atoms in the database: a measure of its size.
func (d *Database) Atoms() int { return d.atoms }

// Table is the content of a table. What a database has not got is a nil *Table, which reads
// as an empty one.
type Table struct {
	schema   *ovsdb.TableSchema
	defaults []ovsdb.Datum         // by column index
	invalid  []*ovsdb.ColumnSchema // columns whose default violates their constraints

	rows    rowSet
	live    int                    // rows that are not deleted
	indexes []map[string]*rowState // by TableSchema.Indexes; of committed rows

	// referrers are the rows that refer weakly to a row of this table.
	referrers map[*rowState]map[*rowState]referrer

	strong []refColumn // columns with strong references
	weak   []refColumn // columns with weak references

	copying *tableCopy // the snapshot that is being taken, or nil

	part  *txnTable       // the table's part in the transaction being executed, or nil
	spare *txnTable       // memory for the next part
	named ovsdb.ColumnSet // those that an insertion named last
}

// refColumn is a column that holds references.
type refColumn struct {
	*ovsdb.ColumnSchema
	key   *Table // what the keys refer to with that strength, or nil
	value *Table // what the values refer to with that strength, or nil

	strong *refColumn // of a column with weak references: its strong ones, if it has both
}

// rowState is what a table knows of a row beside its content.
type rowState struct {
	row  *ovsdb.Row // the present version; nil: deleted by the transaction
	refs int32      // strong references from other rows, as committed
	t    int32      // its part in the transaction being executed: one more than the index in txnTable.rows; 0: it has none
}

// referrer tells how often a row, of a table, refers to another.
type referrer struct {
	table *Table
	n     int32
}

func newTable(ts *ovsdb.TableSchema) *Table {
	t := &Table{
		schema:   ts,
		defaults: make([]ovsdb.Datum, len(ts.Columns)),
		indexes:  make([]map[string]*rowState, len(ts.Indexes)),
	}
	for i, c := range ts.Columns {
		t.defaults[i] = ovsdb.Default(&c.Type)
		if t.defaults[i].Check(&c.Type) != nil {
			t.invalid = append(t.invalid, c)
		}
	}
	for i := range t.indexes {
		t.indexes[i] = make(map[string]*rowState)
	}
	return t
}

// resolve finds the tables that the columns refer to.
func (t *Table) resolve(d *Database) {
	for _, c := range t.schema.Columns {
		strong, weak := refColumn{ColumnSchema: c}, refColumn{ColumnSchema: c}
		for _, b := range []*ovsdb.BaseType{&c.Type.Key, &c.Type.Value} {
			col := &strong
			switch {
			case !b.IsRef():
				continue
			case b.Weak:
				col = &weak
			}
			if b == &c.Type.Key {
				col.key = d.tables[b.RefTable]
			} else {
				col.value = d.tables[b.RefTable]
			}
		}
		if strong.key != nil || strong.value != nil {
			t.strong = append(t.strong, strong)
		}
		if weak.key != nil || weak.value != nil {
			if strong.key != nil || strong.value != nil {
				weak.strong = &strong
			}
			t.weak = append(t.weak, weak)
		}
	}
}

// Schema returns the schema of the table.
func (t *Table) Schema() *ovsdb.TableSchema { return t.schema }

// Len returns the number of rows.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return t.live
}

// Get returns the row with the given UUID, or nil.
func (t *Table) Get(id ovsdb.UUID) *ovsdb.Row {
	if t == nil {
		return nil
	}
	if st := t.find(id); st != nil {
		return st.row
	}
	return nil
}

// find returns the row with the given UUID, which the transaction may have deleted, or nil.
func (t *Table) find(id ovsdb.UUID) *rowState {
	if pos := t.rows.find(t, &id, hash(&id)); pos >= 0 {
		return t.rows.all[pos]
	}
	return nil
}

// touched returns the part of st in the transaction, or nil.
func (t *Table) touched(st *rowState) *txnRow {
	if st.t == 0 {
		return nil
	}
	return t.part.rows[st.t-1]
}

// idOf returns the UUID of st.
func (t *Table) idOf(st *rowState) *ovsdb.UUID {
	if st.row == nil {
		return &t.touched(st).id
	}
	return &st.row.UUID
}

// All yields the rows, in any order. The table must not change meanwhile.
func (t *Table) All() iter.Seq[*ovsdb.Row] {
	return func(yield func(*ovsdb.Row) bool) {
		if t == nil {
			return
		}
		for _, st := range t.rows.all {
			if st.row != nil && !yield(st.row) {
				return
			}
		}
	}
}

// add puts st into the table.
func (t *Table) add(st *rowState) {
	t.rows.put(st)
	if st.row != nil {
		t.live++
	}
}

// remove takes st out of the table, whether it has a row or not.
func (t *Table) remove(st *rowState) {
	t.rows.take(t, st)
	if st.row != nil {
		t.live--
	}
}

// set gives st, which is in the table, another row, or nil.
func (t *Table) set(st *rowState, row *ovsdb.Row) {
	if st.row != nil {
		t.live--
	}
	if row != nil {
		t.live++
	}
	st.row = row
}
