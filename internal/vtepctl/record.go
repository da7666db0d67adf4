package vtepctl

import "github.com/vtep/vtep/internal/ovsdb"

// record is a row as the commands of a run see it: what the server has, and what they did to
// it. It belongs to a txn.
//
//	old   deleted
//	nil   false    inserted by a command
//	set   false    of the server; changed where written says so
//	set   true     to be deleted; commands do not find it any more
type record struct {
	table   *ovsdb.TableSchema
	uuid    ovsdb.UUID // of an inserted row: provisional, unless keep is set
	old     *ovsdb.Row
	deleted bool
	keep    bool // the server is to use uuid for the new row

	written  map[*ovsdb.ColumnSchema]ovsdb.Datum
	verified map[*ovsdb.ColumnSchema]bool     // the transaction must fail if the server's value is no more old's
	puts     map[*ovsdb.ColumnSchema][]mapPut // applied by the server after written; not visible here
	touched  bool                             // is in txn.touched
}

// mapPut is a pair to be put into a map, whatever else is in it.
type mapPut struct{ key, value ovsdb.Atom }

// get returns the value of a column, as the commands so far made it.
func (r *record) get(c *ovsdb.ColumnSchema) ovsdb.Datum {
	if c.Index == ovsdb.UUIDColumn.Index {
		return ovsdb.Scalar(ovsdb.UUIDAtom(r.uuid))
	}
	if d, ok := r.written[c]; ok {
		return d
	}
	if r.old != nil {
		return r.old.Fields[c.Index]
	}
	return ovsdb.Default(&c.Type)
}

// field is get by name.
func (r *record) field(name string) ovsdb.Datum { return r.get(r.table.Column(name)) }

// str returns the string in a column of at most one, "" if there is none.
func (r *record) str(name string) string {
	if d := r.field(name); d.Len() > 0 {
		return d.Key(0).Str()
	}
	return ""
}

// ref returns the reference in a column of one.
func (r *record) ref(name string) ovsdb.UUID {
	if d := r.field(name); d.Len() > 0 {
		return d.Key(0).UUID()
	}
	return ovsdb.UUID{}
}

// mutable says whether a column may be written: an immutable one only before the row is in
// the database.
func (r *record) mutable(c *ovsdb.ColumnSchema) bool { return c.Mutable || r.old == nil }
