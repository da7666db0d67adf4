package db

import (
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
)

// appendKey appends the key of row in an index.
func appendKey(dst []byte, row *ovsdb.Row, index ovsdb.ColumnSet) []byte {
	for _, c := range index {
		dst = appendField(dst, row, c)
	}
	return dst
}

// appendField appends a binary form of a field, to build keys from.
func appendField(dst []byte, row *ovsdb.Row, c *ovsdb.ColumnSchema) []byte {
	switch c.Index {
	case ovsdb.UUIDColumn.Index:
		return append(dst, row.UUID[:]...)
	case ovsdb.VersionColumn.Index:
		version := row.Version()
		return append(dst, version[:]...)
	}
	return row.At(c.Index).AppendKey(dst, &c.Type)
}

// index enters st with the content row, which may be nil, into the indexes.
func (t *Table) index(st *rowState, row *ovsdb.Row) {
	if row == nil {
		return
	}
	for i, index := range t.schema.Indexes {
		t.indexes[i][string(appendKey(nil, row, index))] = st
	}
}

// unindex takes st, which was entered with the content row, which may be nil,
// out of the indexes.
func (t *Table) unindex(st *rowState, row *ovsdb.Row) {
	if row == nil {
		return
	}
	for i, index := range t.schema.Indexes {
		key := appendKey(nil, row, index)
		if t.indexes[i][string(key)] == st {
			delete(t.indexes[i], string(key))
		}
	}
}

// updateIndexes enters the rows as they are now into the indexes, and checks
// that no two have the same key.
func (x *txn) updateIndexes() error {
	for _, tt := range x.tables {
		if len(tt.schema.Indexes) > 0 {
			if err := tt.updateIndexes(); err != nil {
				x.restoreIndexes()
				return err
			}
		}
	}
	return nil
}

func (tt *txnTable) updateIndexes() error {
	for _, r := range tt.rows {
		if tt.reindexes(r) {
			tt.unindex(r.st, r.old)
		}
	}
	for _, r := range tt.rows {
		if !tt.reindexes(r) || r.st.row == nil {
			continue
		}
		for i, index := range tt.schema.Indexes {
			key := appendKey(nil, r.st.row, index)
			if other := tt.indexes[i][string(key)]; other != nil && other != r.st {
				return duplicateError(tt.Table, index, other, r.st)
			}
			tt.indexes[i][string(key)] = r.st
		}
	}
	return nil
}

// reindexes reports whether the keys of r may have changed.
func (tt *txnTable) reindexes(r *txnRow) bool {
	switch {
	case r.gone || r.old == r.st.row:
		return false
	case r.old == nil || r.st.row == nil:
		return true
	}
	for _, index := range tt.schema.Indexes {
		for _, c := range index {
			if c.Index < 0 || r.changed.Has(c.Index) {
				return true
			}
		}
	}
	return false
}

// restoreIndexes brings the indexes back to what they were.
func (x *txn) restoreIndexes() {
	for _, tt := range x.tables {
		for _, r := range tt.rows {
			if tt.reindexes(r) {
				tt.unindex(r.st, r.st.row)
			}
		}
		for _, r := range tt.rows {
			if tt.reindexes(r) {
				tt.index(r.st, r.old)
			}
		}
	}
}

// duplicateError tells that a and b have the same key in index.
func duplicateError(t *Table, index ovsdb.ColumnSet, a, b *rowState) error {
	// A predictable order makes the message reproducible.
	for _, c := range t.schema.Columns {
		if c.Type.Key.Type == ovsdb.UUIDType || c.Type.Value.Type == ovsdb.UUIDType {
			continue
		}
		if order := a.row.At(c.Index).Compare(b.row.At(c.Index), &c.Type); order != 0 {
			if order < 0 {
				a, b = b, a
			}
			break
		}
	}
	return ovsdb.ConstraintError(`Transaction causes multiple rows in "%s" table to have identical values (%s) for index on %s.  %s  %s`,
		t.schema.Name, columnsText(a.row, index), index.English(), t.describe("First", a, index), t.describe("Second", b, index))
}

// describe tells what the transaction did to st.
func (t *Table) describe(title string, st *rowState, index ovsdb.ColumnSet) string {
	s := title + " row, with UUID " + st.row.UUID.String() + ", "
	r := t.touched(st)
	switch {
	case r == nil || r.old == st.row:
		return s + "existed in the database before this transaction and was not modified by the transaction."
	case r.old == nil:
		return s + "was inserted by this transaction."
	case string(appendKey(nil, r.old, index)) == string(appendKey(nil, st.row, index)):
		return s + "existed in the database before this transaction, which modified some of the row's columns " +
			"but not any columns in this index."
	}
	return s + "had the following index values before the transaction: " + columnsText(r.old, index) + "."
}

// columnsText lists the values of columns: 1, "a", and [].
func columnsText(row *ovsdb.Row, columns ovsdb.ColumnSet) string {
	var b strings.Builder
	for i, c := range columns {
		switch {
		case i == 0:
		case i < len(columns)-1:
			b.WriteString(", ")
		case len(columns) == 2:
			b.WriteString(" and ")
		default:
			b.WriteString(", and ")
		}
		b.WriteString(ovsdb.FormatDatum(row.Field(c), &c.Type))
	}
	return b.String()
}
