package hwvtep

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Database is the name of the database.
const Database = "hardware_vtep"

// SchemaText is the schema, version 1.7.0, as a schema file.
//
//go:embed vtep.ovsschema
var SchemaText string

// Schema returns the schema that this package was generated from.
var Schema = sync.OnceValue(func() *ovsdb.DatabaseSchema {
	text, err := wire.ParseString(SchemaText)
	if err != nil {
		panic(fmt.Sprintf("hwvtep: embedded schema: %v", err))
	}
	schema, err := ovsdb.ParseSchema(text)
	if err != nil {
		panic(fmt.Sprintf("hwvtep: embedded schema: %v", err))
	}
	return schema
})

// UUID names a row; Row is a row as the replica holds it. They are here for
// packages that must not know package ovsdb.
type (
	UUID = ovsdb.UUID
	Row  = ovsdb.Row
)
