package hwvtep_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

func TestSchema(t *testing.T) {
	s := hwvtep.Schema()
	if s.Name != hwvtep.Database || s.Version != "1.7.0" || len(s.Tables) != 18 {
		t.Errorf("schema is %s %s with %d tables", s.Name, s.Version, len(s.Tables))
	}
}

// The schema is the one that the programs of Open vSwitch use, apart from the
// layout of the file.
func TestSchemaIsThePublicOne(t *testing.T) {
	// Beside the program, as its package installs them.
	prefix := filepath.Dir(filepath.Dir(testenv.Program(t, "vtep-ctl")))
	text, err := os.ReadFile(filepath.Join(prefix, "share", "openvswitch", "vtep.ovsschema"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := wire.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ovsdb.ParseSchema(v)
	if err != nil {
		t.Fatal(err)
	}
	if !hwvtep.Schema().Equal(public) {
		t.Errorf("schemas differ:\n%s\n%s", hwvtep.Schema().AppendJSON(nil), public.AppendJSON(nil))
	}
}
