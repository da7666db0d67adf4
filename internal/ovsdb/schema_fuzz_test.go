package ovsdb_test

import (
	"os"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// FuzzParseSchema parses any schema: what is accepted must print as a schema that is equal,
// and its default values must be printable.
func FuzzParseSchema(f *testing.F) {
	for _, test := range interopSchemas {
		f.Add([]byte(test.schema))
	}
	for _, file := range []string{"../hwvtep/vtep.ovsschema", "db/testdata/mixed.ovsschema", "db/testdata/synthetic.ovsschema"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := wire.Parse(text)
		if err != nil {
			return
		}
		schema, err := ovsdb.ParseSchema(v)
		if err != nil {
			if _, err := wire.Parse(ovsdb.AsError(err).AppendJSON(nil)); err != nil {
				t.Fatalf("the error is no JSON: %v", err)
			}
			return
		}
		printed := schema.AppendJSON(nil)
		v, err = wire.Parse(printed)
		if err != nil {
			t.Fatalf("%s: %v", printed, err)
		}
		again, err := ovsdb.ParseSchema(v)
		if err != nil {
			t.Fatalf("%s: %v", printed, err)
		}
		if !again.Equal(schema) {
			t.Fatalf("%s\nis read as\n%s", printed, again.AppendJSON(nil))
		}
		for _, table := range schema.Tables {
			for _, c := range table.Columns {
				if _, err := wire.Parse(ovsdb.AppendDatum(nil, ovsdb.Default(&c.Type), &c.Type)); err != nil {
					t.Fatalf("default of %s.%s: %v", table.Name, c.Name, err)
				}
			}
		}
	})
}
