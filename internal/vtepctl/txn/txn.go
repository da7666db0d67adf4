// Package txn is a working copy of a database, what commands do to it, and the "transact" that makes
// the same of the database itself, unless that has changed under them.
package txn

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/session"
)

// Txn is a working copy of a replica, and what the commands of a run did to it. The replica
// does not change while it lives.
type Txn struct {
	base    *session.Replica
	records map[ovsdb.UUID]*Record // those that were asked for, and the inserted
	added   map[*ovsdb.TableSchema][]*Record
	indexes map[*ovsdb.TableSchema]*index // up to date while they are here
	Touched []*Record                     // written, verified, inserted or deleted, in this order
	Symbols ovsdb.SymbolTable
	Comment string
	DryRun  bool // the server is to check it, but not to commit
	Abandon bool // it is not even sent
}

// New begins a transaction on what a replica holds.
func New(base *session.Replica) *Txn {
	return &Txn{
		base:    base,
		records: map[ovsdb.UUID]*Record{},
		added:   map[*ovsdb.TableSchema][]*Record{},
		indexes: map[*ovsdb.TableSchema]*index{},
	}
}

// TableNamed returns the schema of a table by its exact name.
func TableNamed(name string) *ovsdb.TableSchema { return hwvtep.Schema().Tables[name] }

// wrap returns the record of a row of the server.
func (x *Txn) wrap(t *ovsdb.TableSchema, row *ovsdb.Row) *Record {
	r := x.records[row.UUID]
	if r == nil {
		r = &Record{Table: t, UUID: row.UUID, Old: row}
		x.records[row.UUID] = r
	}
	return r
}

// Find returns the record with a UUID, or nil.
func (x *Txn) Find(t *ovsdb.TableSchema, u ovsdb.UUID) *Record {
	if r := x.FindAny(t, u); r != nil && !r.Deleted {
		return r
	}
	return nil
}

// FindAny is Find of a record that may be one that goes.
func (x *Txn) FindAny(t *ovsdb.TableSchema, u ovsdb.UUID) *Record {
	if r := x.records[u]; r != nil {
		if r.Table != t {
			return nil
		}
		return r
	}
	if row := x.base.Tables[t][u]; row != nil {
		return x.wrap(t, row)
	}
	return nil
}

// All returns the records of a table in the order of their UUIDs, then the inserted ones in
// the order of insertion.
func (x *Txn) All(t *ovsdb.TableSchema) []*Record {
	rows := x.base.Sorted(t)
	records := make([]*Record, 0, len(rows)+len(x.added[t]))
	for _, row := range rows {
		if r := x.wrap(t, row); !r.Deleted {
			records = append(records, r)
		}
	}
	for _, r := range x.added[t] {
		if !r.Deleted {
			records = append(records, r)
		}
	}
	return records
}

// Listed returns the records of a table in the order in which people want to see them: by
// name where they have one.
func (x *Txn) Listed(t *ovsdb.TableSchema) []*Record {
	return SortByName(x.All(t))
}

// SortByName sorts records of a table by name, if they have one.
func SortByName(records []*Record) []*Record {
	if len(records) == 0 {
		return records
	}
	if c := argument.NameColumn(records[0].Table); c != nil {
		slices.SortStableFunc(records, func(a, b *Record) int {
			return strings.Compare(a.Str(c.Name), b.Str(c.Name))
		})
	}
	return records
}

func (x *Txn) touch(r *Record) {
	if !r.touched {
		r.touched = true
		x.Touched = append(x.Touched, r)
	}
}

// Insert adds a row to a table.
func (x *Txn) Insert(t *ovsdb.TableSchema, u ovsdb.UUID, keep bool) *Record {
	r := &Record{Table: t, UUID: u, keep: keep}
	x.records[u] = r
	x.added[t] = append(x.added[t], r)
	x.stale(t, nil)
	x.touch(r)
	return r
}

// InsertNew adds a row whose UUID does not matter.
func (x *Txn) InsertNew(table string) *Record {
	return x.Insert(TableNamed(table), ovsdb.NewUUID(), false)
}

// Write sets a column.
func (x *Txn) Write(r *Record, c *ovsdb.ColumnSchema, d ovsdb.Datum) {
	if r.Written == nil {
		r.Written = map[*ovsdb.ColumnSchema]ovsdb.Datum{}
	}
	r.Written[c] = d
	x.stale(r.Table, c)
	x.touch(r)
}

// Set is Write by name.
func (x *Txn) Set(r *Record, column string, d ovsdb.Datum) { x.Write(r, r.Table.Column(column), d) }

// SetString writes a column of one string.
func (x *Txn) SetString(r *Record, column, s string) {
	x.Set(r, column, ovsdb.Scalar(ovsdb.StringAtom(s)))
}

// SetRef writes a column of one reference.
func (x *Txn) SetRef(r *Record, column string, to *Record) {
	x.Set(r, column, ovsdb.Scalar(ovsdb.RefTo(&to.UUID)))
}

// Put has the server put a pair into a map, without a look at what else is there.
func (x *Txn) Put(r *Record, c *ovsdb.ColumnSchema, key, value ovsdb.Atom) {
	if r.puts == nil {
		r.puts = map[*ovsdb.ColumnSchema][]mapPut{}
	}
	for i, p := range r.puts[c] {
		if ovsdb.EqualAtoms(c.Type.Key.Type, p.key, key) {
			r.puts[c][i].value = value
			return
		}
	}
	r.puts[c] = append(r.puts[c], mapPut{key, value})
	x.touch(r)
}

// Verify makes the transaction depend on the value of a column, which a decision of a
// command was based on. It has to come before a write of the column.
func (x *Txn) Verify(r *Record, c *ovsdb.ColumnSchema) {
	if _, ok := r.Written[c]; ok || r.Old == nil {
		return
	}
	if r.verified == nil {
		r.verified = map[*ovsdb.ColumnSchema]bool{}
	}
	r.verified[c] = true
	x.touch(r)
}

// VerifyNamed is Verify by name.
func (x *Txn) VerifyNamed(r *Record, column string) { x.Verify(r, r.Table.Column(column)) }

// Remove deletes a row.
func (x *Txn) Remove(r *Record) {
	if r.Deleted {
		return
	}
	r.Deleted = true
	x.stale(r.Table, nil)
	x.touch(r)
}

// AddRef adds a reference to a set of them, which is verified.
func (x *Txn) AddRef(r *Record, column string, to *Record) {
	c := r.Table.Column(column)
	x.Verify(r, c)
	x.Write(r, c, r.Get(c).Union(ovsdb.Scalar(ovsdb.RefTo(&to.UUID)), &c.Type))
}

// DropRef takes a reference out of a set of them, which is verified.
func (x *Txn) DropRef(r *Record, column string, to *Record) {
	c := r.Table.Column(column)
	x.Verify(r, c)
	x.Write(r, c, r.Get(c).Subtract(ovsdb.Scalar(ovsdb.RefTo(&to.UUID)), &c.Type))
}

// Global returns the Global row, made if there is none.
func (x *Txn) Global() *Record {
	t := TableNamed(hwvtep.TableGlobal)
	if all := x.All(t); len(all) > 0 {
		return all[0]
	}
	return x.InsertNew(hwvtep.TableGlobal)
}

// Follow returns the records that a set of references names.
func (x *Txn) Follow(table string, refs ovsdb.Datum) []*Record {
	t := TableNamed(table)
	var all []*Record
	for u := range refs.Keys() {
		if r := x.Find(t, u.UUID()); r != nil {
			all = append(all, r)
		}
	}
	return all
}
