package ebpf

import (
	"reflect"
	"testing"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// What is wanted has the keys and values of the maps, and the maps are declared with the sizes that they begin with.
func TestTables(t *testing.T) {
	spec, err := loadVtep()
	if err != nil {
		t.Fatal(err)
	}
	all := reflect.ValueOf(layout.NewTables())
	for i := range all.NumField() {
		if !all.Type().Field(i).IsExported() {
			continue
		}
		table := all.Field(i).Elem()
		name, want := table.FieldByName("Name").String(), table.FieldByName("Have").Type()
		m := spec.Maps[name]
		if m == nil {
			t.Errorf("there is no map %s", name)
			continue
		}
		if k, v := want.Key().Size(), want.Elem().Size(); k != uintptr(m.KeySize) || v != uintptr(m.ValueSize) {
			t.Errorf("map %s has %d bytes for %d, those wanted are %d for %d", name, m.ValueSize, m.KeySize, v, k)
		}
	}
	for name, n := range layout.Start {
		if m := spec.Maps[name]; m == nil || m.MaxEntries != n {
			t.Errorf("map %s is to begin with %d entries, and is declared otherwise", name, n)
		}
		if layout.Most[name] < n {
			t.Errorf("map %s stops before it begins", name)
		}
	}
}
