package ovsdb

import (
	"strings"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// ColumnSchema describes a column.
type ColumnSchema struct {
	Name       string
	Index      int // position in TableSchema.Columns and in a Row; below 0 for _uuid and _version
	Type       Type
	Mutable    bool
	Persistent bool
}

// The columns that every table has. They are in no TableSchema.Columns and
// a Row, but TableSchema.Column finds them and Row.Field reads them.
var (
	UUIDColumn    = &ColumnSchema{Name: "_uuid", Index: -2, Type: ScalarType(UUIDType), Persistent: true}
	VersionColumn = &ColumnSchema{Name: "_version", Index: -1, Type: ScalarType(UUIDType)}
)

// parseColumn parses the <column-schema> of the column called name.
func parseColumn(v wire.Value, name string) (*ColumnSchema, error) {
	m := NewMembers(v, "schema for column "+name)
	mutable := m.Get("mutable", OpBoolean|OpOptional)
	ephemeral := m.Get("ephemeral", OpBoolean|OpOptional)
	typ := m.Get("type", OpString|OpObject)
	if err := m.Finish(); err != nil {
		return nil, err
	}
	t, err := ParseType(typ)
	if err != nil {
		return nil, err
	}
	return &ColumnSchema{
		Name: clone(name),
		Type: t,
		// A weak reference cannot be immutable: it has to change when its target goes.
		Mutable:    !mutable.Exists() || mutable.Bool() || t.HasWeakRefs(),
		Persistent: !ephemeral.Bool(),
	}, nil
}

// AppendJSON appends c as a <column-schema>.
func (c *ColumnSchema) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if !c.Persistent {
		dst = append(dst, `"ephemeral":true,`...)
	}
	if !c.Mutable {
		dst = append(dst, `"mutable":false,`...)
	}
	dst = c.Type.AppendJSON(append(dst, `"type":`...))
	return append(dst, '}')
}

// clone copies a string out of the message it was parsed from.
func clone(s string) string { return strings.Clone(s) }
