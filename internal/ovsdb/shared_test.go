package ovsdb_test

import (
	"runtime"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// TestSharedSchema wants one schema of texts that say the same, and another one of those that say something else.
func TestSharedSchema(t *testing.T) {
	parse := func(text string) *ovsdb.DatabaseSchema {
		v, err := wire.ParseString(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ovsdb.SharedSchema(v)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := parse(`{"name":"d","version":"1.0.0","tables":{"T":{"columns":{"c":{"type":"string"}}}}}`)
	if b := parse(`{"version":"1.0.0", "name":"d", "tables":{"T":{"columns":{"c":{"type":"string"}}}}}`); a != b {
		t.Error("two schemas that say the same")
	}
	if c := parse(`{"name":"d","version":"1.0.0","tables":{"T":{"columns":{"c":{"type":"integer"}}}}}`); a == c {
		t.Error("one schema of different texts")
	}
	runtime.KeepAlive(a)
	v, _ := wire.ParseString(`{"name":"d"}`)
	if _, err := ovsdb.SharedSchema(v); err == nil {
		t.Error("no error without tables")
	}
}
