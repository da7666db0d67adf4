package ovsdb

import (
	"cmp"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// TableSchema describes a table.
type TableSchema struct {
	Name    string
	Columns ColumnSet // sorted by name; without _uuid and _version
	Mutable bool
	IsRoot  bool // rows need no strong reference to them
	MaxRows int  // Unlimited: no limit
	Indexes []ColumnSet

	byName map[string]*ColumnSchema // Columns, _uuid and _version
}

// Column returns the column called name, which may be _uuid or _version, or nil.
func (ts *TableSchema) Column(name string) *ColumnSchema { return ts.byName[name] }

// parseTable parses the <table-schema> of the table called name.
func parseTable(v wire.Value, name string) (*TableSchema, error) {
	m := NewMembers(v, "table schema for table "+name)
	columns := m.Get("columns", OpObject)
	mutable := m.Get("mutable", OpBoolean|OpOptional)
	maxRows := m.Get("maxRows", OpInteger|OpOptional)
	isRoot := m.Get("isRoot", OpBoolean|OpOptional)
	indexes := m.Get("indexes", OpArray|OpOptional)
	if err := m.Finish(); err != nil {
		return nil, err
	}
	ts := &TableSchema{
		Name:    clone(name),
		Mutable: !mutable.Exists() || mutable.Bool(),
		IsRoot:  isRoot.Bool(),
		MaxRows: Unlimited,
		byName:  map[string]*ColumnSchema{UUIDColumn.Name: UUIDColumn, VersionColumn.Name: VersionColumn},
	}
	if maxRows.Exists() {
		if maxRows.Int() <= 0 {
			return nil, SyntaxError(v, "", "maxRows must be at least 1")
		}
		ts.MaxRows = int(min(maxRows.Int(), Unlimited))
	}
	if columns.Len() == 0 {
		return nil, SyntaxError(v, "", "table must have at least one column")
	}
	for name, c := range columns.Members() {
		if err := checkName(v, name); err != nil {
			return nil, err
		}
		column, err := parseColumn(c, name)
		if err != nil {
			return nil, err
		}
		ts.Columns = append(ts.Columns, column)
		ts.byName[column.Name] = column
	}
	slices.SortFunc(ts.Columns, func(a, b *ColumnSchema) int { return cmp.Compare(a.Name, b.Name) })
	for i, c := range ts.Columns {
		c.Index = i
	}
	for i := range indexes.Elems() {
		if err := ts.parseIndex(i, v); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

// checkName checks the name of a table or column. v is what holds it.
func checkName(v wire.Value, name string) error {
	if strings.HasPrefix(name, "_") {
		return SyntaxError(v, "", `names beginning with "_" are reserved`)
	}
	if !IsID(name) {
		return SyntaxError(v, "", "name must be a valid id")
	}
	return nil
}

func (ts *TableSchema) parseIndex(v, table wire.Value) error {
	index, err := ParseColumnSet(v, ts)
	if err != nil {
		return err
	}
	if len(index) == 0 {
		return SyntaxError(table, "", "index must have at least one column")
	}
	for _, c := range index {
		if !c.Persistent {
			return SyntaxError(table, "", "ephemeral columns (such as %s) may not be indexed", c.Name)
		}
	}
	ts.Indexes = append(ts.Indexes, index)
	return nil
}

// AppendJSON appends ts as a <table-schema>. isRoot is printed only if it
// differs from defaultIsRoot.
func (ts *TableSchema) AppendJSON(dst []byte, defaultIsRoot bool) []byte {
	dst = append(dst, `{"columns":{`...)
	for i, c := range ts.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, c.Name), ':')
		dst = c.AppendJSON(dst)
	}
	dst = append(dst, '}')
	if len(ts.Indexes) > 0 {
		dst = append(dst, `,"indexes":[`...)
		for i, index := range ts.Indexes {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = index.AppendJSON(dst)
		}
		dst = append(dst, ']')
	}
	if ts.IsRoot != defaultIsRoot {
		dst = wire.AppendBool(append(dst, `,"isRoot":`...), ts.IsRoot)
	}
	if ts.MaxRows != Unlimited {
		dst = wire.AppendInt(append(dst, `,"maxRows":`...), int64(ts.MaxRows))
	}
	if !ts.Mutable {
		dst = append(dst, `,"mutable":false`...)
	}
	return append(dst, '}')
}
