package vtepctl

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

// txn is a working copy of a replica, and what the commands of a run did to it. The replica
// does not change while it lives.
type txn struct {
	base    *replica
	records map[ovsdb.UUID]*record // those that were asked for, and the inserted
	added   map[*ovsdb.TableSchema][]*record
	indexes map[*ovsdb.TableSchema]*index // up to date while they are here
	touched []*record                     // written, verified, inserted or deleted, in this order
	symbols ovsdb.SymbolTable
	comment string
	dryRun  bool // the server is to check it, but not to commit
	abandon bool // it is not even sent
}

func newTxn(base *replica) *txn {
	return &txn{
		base:    base,
		records: map[ovsdb.UUID]*record{},
		added:   map[*ovsdb.TableSchema][]*record{},
		indexes: map[*ovsdb.TableSchema]*index{},
	}
}

// tableNamed returns the schema of a table by its exact name.
func tableNamed(name string) *ovsdb.TableSchema { return hwvtep.Schema().Tables[name] }

// wrap returns the record of a row of the server.
func (x *txn) wrap(t *ovsdb.TableSchema, row *ovsdb.Row) *record {
	r := x.records[row.UUID]
	if r == nil {
		r = &record{table: t, uuid: row.UUID, old: row}
		x.records[row.UUID] = r
	}
	return r
}

// find returns the record with a UUID, or nil.
func (x *txn) find(t *ovsdb.TableSchema, u ovsdb.UUID) *record {
	if r := x.findAny(t, u); r != nil && !r.deleted {
		return r
	}
	return nil
}

// findAny is find of a record that may be one that goes.
func (x *txn) findAny(t *ovsdb.TableSchema, u ovsdb.UUID) *record {
	if r := x.records[u]; r != nil {
		if r.table != t {
			return nil
		}
		return r
	}
	if row := x.base.tables[t][u]; row != nil {
		return x.wrap(t, row)
	}
	return nil
}

// all returns the records of a table in the order of their UUIDs, then the inserted ones in
// the order of insertion.
func (x *txn) all(t *ovsdb.TableSchema) []*record {
	rows := x.base.sorted(t)
	records := make([]*record, 0, len(rows)+len(x.added[t]))
	for _, row := range rows {
		if r := x.wrap(t, row); !r.deleted {
			records = append(records, r)
		}
	}
	for _, r := range x.added[t] {
		if !r.deleted {
			records = append(records, r)
		}
	}
	return records
}

// listed returns the records of a table in the order in which people want to see them: by
// name where they have one.
func (x *txn) listed(t *ovsdb.TableSchema) []*record {
	return sortByName(x.all(t))
}

// sortByName sorts records of a table by name, if they have one.
func sortByName(records []*record) []*record {
	if len(records) == 0 {
		return records
	}
	if c := nameColumn(records[0].table); c != nil {
		slices.SortStableFunc(records, func(a, b *record) int {
			return strings.Compare(a.str(c.Name), b.str(c.Name))
		})
	}
	return records
}

func (x *txn) touch(r *record) {
	if !r.touched {
		r.touched = true
		x.touched = append(x.touched, r)
	}
}

// insert adds a row to a table.
func (x *txn) insert(t *ovsdb.TableSchema, u ovsdb.UUID, keep bool) *record {
	r := &record{table: t, uuid: u, keep: keep}
	x.records[u] = r
	x.added[t] = append(x.added[t], r)
	x.stale(t, nil)
	x.touch(r)
	return r
}

// insertNew adds a row whose UUID does not matter.
func (x *txn) insertNew(table string) *record {
	return x.insert(tableNamed(table), ovsdb.NewUUID(), false)
}

// write sets a column.
func (x *txn) write(r *record, c *ovsdb.ColumnSchema, d ovsdb.Datum) {
	if r.written == nil {
		r.written = map[*ovsdb.ColumnSchema]ovsdb.Datum{}
	}
	r.written[c] = d
	x.stale(r.table, c)
	x.touch(r)
}

// set is write by name.
func (x *txn) set(r *record, column string, d ovsdb.Datum) { x.write(r, r.table.Column(column), d) }

// setString writes a column of one string.
func (x *txn) setString(r *record, column, s string) {
	x.set(r, column, ovsdb.Scalar(ovsdb.StringAtom(s)))
}

// setRef writes a column of one reference.
func (x *txn) setRef(r *record, column string, to *record) {
	x.set(r, column, ovsdb.Scalar(ovsdb.RefTo(&to.uuid)))
}

// put has the server put a pair into a map, without a look at what else is there.
func (x *txn) put(r *record, c *ovsdb.ColumnSchema, key, value ovsdb.Atom) {
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

// verify makes the transaction depend on the value of a column, which a decision of a
// command was based on. It has to come before a write of the column.
func (x *txn) verify(r *record, c *ovsdb.ColumnSchema) {
	if _, ok := r.written[c]; ok || r.old == nil {
		return
	}
	if r.verified == nil {
		r.verified = map[*ovsdb.ColumnSchema]bool{}
	}
	r.verified[c] = true
	x.touch(r)
}

// verifyNamed is verify by name.
func (x *txn) verifyNamed(r *record, column string) { x.verify(r, r.table.Column(column)) }

// remove deletes a row.
func (x *txn) remove(r *record) {
	if r.deleted {
		return
	}
	r.deleted = true
	x.stale(r.table, nil)
	x.touch(r)
}

// addRef adds a reference to a set of them, which is verified.
func (x *txn) addRef(r *record, column string, to *record) {
	c := r.table.Column(column)
	x.verify(r, c)
	x.write(r, c, r.get(c).Union(ovsdb.Scalar(ovsdb.RefTo(&to.uuid)), &c.Type))
}

// dropRef takes a reference out of a set of them, which is verified.
func (x *txn) dropRef(r *record, column string, to *record) {
	c := r.table.Column(column)
	x.verify(r, c)
	x.write(r, c, r.get(c).Subtract(ovsdb.Scalar(ovsdb.RefTo(&to.uuid)), &c.Type))
}

// global returns the Global row, made if there is none.
func (x *txn) global() *record {
	t := tableNamed(hwvtep.TableGlobal)
	if all := x.all(t); len(all) > 0 {
		return all[0]
	}
	return x.insertNew(hwvtep.TableGlobal)
}

// follow returns the records that a set of references names.
func (x *txn) follow(table string, refs ovsdb.Datum) []*record {
	t := tableNamed(table)
	var all []*record
	for u := range refs.Keys() {
		if r := x.find(t, u.UUID()); r != nil {
			all = append(all, r)
		}
	}
	return all
}
