package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/format"
	"strings"
	"text/template"
)

// table and column are what the templates see.
type table struct {
	Name    string // as in the schema
	Row     string // Go name of one row
	Rows    string // Go name of all of them
	Doc     string
	File    string
	Columns []column
}

type column struct {
	Table *table
	Name  string // as in the schema
	Field string // Go name of the field
	Const string // Go name of its bit
	Type  string // Go type of the field
	Elem  string // Go type of an element, or of the value of a map
	Key   string // Go type of the key of a map
	Kind  string // Scalar, Optional, Set or Map
	Atoms string // the types of the column, as ovsdb constants
	Enum  []string
	EType string // Go name of the enumeration

	Mutable bool
}

// IsEnum reports whether the field's type is an enumeration, "" being unset.
func (c column) IsEnum() bool { return c.EType != "" }

// EnumConst returns the name of the constant for value.
func (c column) EnumConst(value string) string { return c.EType + goName(value) }

//go:embed table.tmpl
var tableTemplate string

//go:embed tables.tmpl
var tablesTemplate string

// Generate returns the files for a schema, by name.
func Generate(schema []byte) (map[string][]byte, error) {
	tables, err := parse(schema)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	one := template.Must(template.New("table").Parse(tableTemplate))
	for _, t := range tables {
		if files[t.File], err = render(one, t); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	all := template.Must(template.New("tables").Parse(tablesTemplate))
	files["tables_gen.go"], err = render(all, tables)
	return files, err
}

func render(t *template.Template, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, err
	}
	return format.Source(dropUnused(b.Bytes()))
}

// dropUnused removes those of the template's imports that this table does not need.
func dropUnused(source []byte) []byte {
	for _, pkg := range []struct{ line, use string }{
		{"\t\"cmp\"\n", "cmp."},
		{"\t\"maps\"\n", "maps."},
		{"\t\"github.com/vtep/vtep/internal/ovsdb/wire\"\n", "wire."},
	} {
		if !bytes.Contains(source, []byte(pkg.use)) {
			source = bytes.Replace(source, []byte(pkg.line), nil, 1)
		}
	}
	return source
}

func parse(schema []byte) ([]*table, error) {
	var database struct{ Tables json.RawMessage }
	if err := json.Unmarshal(schema, &database); err != nil {
		return nil, err
	}
	list, err := members(database.Tables)
	if err != nil {
		return nil, err
	}
	var tables []*table
	for _, m := range list {
		n, ok := tableNames[m.name]
		if !ok {
			return nil, fmt.Errorf("table %s has no Go name", m.name)
		}
		t := &table{Name: m.name, Row: n.row, Rows: n.rows, Doc: n.doc, File: strings.ToLower(m.name) + "_gen.go"}
		if err := t.parseColumns(m.raw); err != nil {
			return nil, fmt.Errorf("table %s: %w", m.name, err)
		}
		tables = append(tables, t)
	}
	return tables, nil
}

func (t *table) parseColumns(raw json.RawMessage) error {
	var object struct{ Columns json.RawMessage }
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	list, err := members(object.Columns)
	if err != nil {
		return err
	}
	for _, m := range list {
		var schema struct {
			Type    columnType
			Mutable *bool
		}
		if err := json.Unmarshal(m.raw, &schema); err != nil {
			return fmt.Errorf("column %s: %w", m.name, err)
		}
		c := newColumn(t, m.name, schema.Type)
		c.Mutable = schema.Mutable == nil || *schema.Mutable
		t.Columns = append(t.Columns, c)
	}
	return nil
}

var (
	goTypes    = map[string]string{"string": "string", "integer": "int64", "boolean": "bool", "uuid": "UUID", "real": "float64"}
	ovsdbTypes = map[string]string{
		"": "ovsdb.Void", "string": "ovsdb.String", "integer": "ovsdb.Integer", "boolean": "ovsdb.Boolean",
		"uuid": "ovsdb.UUIDType", "real": "ovsdb.Real",
	}
)

func newColumn(t *table, name string, typ columnType) column {
	c := column{
		Table: t,
		Name:  name,
		Field: goName(name),
		Elem:  goTypes[typ.Key.Type],
		Atoms: ovsdbTypes[typ.Key.Type] + ", " + ovsdbTypes[typ.Value.Type],
		Enum:  typ.Key.Enum,
	}
	if special, ok := columnNames[t.Name+"."+name]; ok {
		c.Field = special
	}
	c.Const = t.Row + c.Field
	switch {
	case typ.Value.Type != "":
		c.Kind, c.Key, c.Elem = "Map", goTypes[typ.Key.Type], goTypes[typ.Value.Type]
		c.Type = "map[" + c.Key + "]" + c.Elem
	case typ.Unlimited:
		c.Kind, c.Type = "Set", "[]"+c.Elem
	case len(typ.Key.Enum) > 0:
		c.EType = enumNames[t.Name+"."+name]
		c.Kind, c.Type, c.Elem = "Scalar", c.EType, c.EType
		if typ.Min == 0 {
			c.Kind = "Enum"
		}
	case typ.Min == 0:
		c.Kind, c.Type = "Optional", "Optional["+c.Elem+"]"
	default:
		c.Kind, c.Type = "Scalar", c.Elem
	}
	return c
}
