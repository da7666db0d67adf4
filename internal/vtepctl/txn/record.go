package txn

import "github.com/vtep/vtep/internal/ovsdb"

// Record is a row as the commands of a run see it: what the server has, and what they did to
// it. It belongs to a txn.
//
//	Old   Deleted
//	nil   false    inserted by a command
//	set   false    of the server; changed where Written says so
//	set   true     to be deleted; commands do not find it any more
type Record struct {
	Table   *ovsdb.TableSchema
	UUID    ovsdb.UUID // of an inserted row: provisional, unless keep is set
	Old     *ovsdb.Row
	Deleted bool
	keep    bool // the server is to use UUID for the new row

	Written  map[*ovsdb.ColumnSchema]ovsdb.Datum
	verified map[*ovsdb.ColumnSchema]bool     // the transaction must fail if the server's value is no more Old's
	puts     map[*ovsdb.ColumnSchema][]mapPut // applied by the server after Written; not visible here
	touched  bool                             // is in txn.touched
}

// mapPut is a pair to be put into a map, whatever else is in it.
type mapPut struct{ key, value ovsdb.Atom }

// Get returns the value of a column, as the commands so far made it.
func (r *Record) Get(c *ovsdb.ColumnSchema) ovsdb.Datum {
	if c.Index == ovsdb.UUIDColumn.Index {
		return ovsdb.Scalar(ovsdb.UUIDAtom(r.UUID))
	}
	if d, ok := r.Written[c]; ok {
		return d
	}
	if r.Old != nil {
		return r.Old.At(c.Index)
	}
	return ovsdb.Default(&c.Type)
}

// Field is Get by name.
func (r *Record) Field(name string) ovsdb.Datum { return r.Get(r.Table.Column(name)) }

// Str returns the string in a column of at most one, "" if there is none.
func (r *Record) Str(name string) string {
	if d := r.Field(name); d.Len() > 0 {
		return d.Key(0).Str()
	}
	return ""
}

// Ref returns the reference in a column of one.
func (r *Record) Ref(name string) ovsdb.UUID {
	if d := r.Field(name); d.Len() > 0 {
		return d.Key(0).UUID()
	}
	return ovsdb.UUID{}
}

// Mutable says whether a column may be written: an immutable one only before the row is in
// the database.
func (r *Record) Mutable(c *ovsdb.ColumnSchema) bool { return c.Mutable || r.Old == nil }
