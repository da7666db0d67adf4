package ovsdb

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// ColumnSet is a list of distinct columns of one table.
type ColumnSet []*ColumnSchema

// ParseColumnSet parses an array of names of columns of ts. An absent v stands
// for all columns, _uuid and _version included.
func ParseColumnSet(v wire.Value, ts *TableSchema) (ColumnSet, error) {
	if !v.Exists() {
		return append(ColumnSet{UUIDColumn, VersionColumn}, ts.Columns...), nil
	}
	distinct := func() error { return SyntaxError(v, "", "array of distinct column names expected") }
	if v.Kind() != wire.Array {
		return nil, distinct()
	}
	set := make(ColumnSet, 0, v.Len())
	for e := range v.Elems() {
		if e.Kind() != wire.String {
			return nil, distinct()
		}
		c := ts.Column(e.Str())
		if c == nil {
			return nil, SyntaxError(v, "", "%s is not a valid column name", e.Str())
		}
		if slices.Contains(set, c) {
			return nil, distinct()
		}
		set = append(set, c)
	}
	return set, nil
}

// Contains reports whether c is in the set.
func (s ColumnSet) Contains(c *ColumnSchema) bool { return slices.Contains(s, c) }

// AppendJSON appends the names as an array.
func (s ColumnSet) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, c := range s {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, c.Name)
	}
	return append(dst, ']')
}

// English lists the set as error messages do: columns "a", "b", and "c".
func (s ColumnSet) English() string {
	if len(s) == 0 {
		return "no columns"
	}
	var b strings.Builder
	b.WriteString("column")
	if len(s) > 1 {
		b.WriteByte('s')
	}
	for i, c := range s {
		switch {
		case i == 0:
			b.WriteByte(' ')
		case i < len(s)-1:
			b.WriteString(", ")
		case len(s) == 2:
			b.WriteString(" and ")
		default:
			b.WriteString(", and ")
		}
		b.WriteString(`"` + c.Name + `"`)
	}
	return b.String()
}
