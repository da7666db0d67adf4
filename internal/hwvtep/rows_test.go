package hwvtep_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"pgregory.net/rapid"
)

// records has one of each row struct.
func records() []hwvteptest.Record {
	return []hwvteptest.Record{
		&hwvtep.Global{}, &hwvtep.Manager{}, &hwvtep.PhysicalSwitch{}, &hwvtep.PhysicalPort{}, &hwvtep.Tunnel{},
		&hwvtep.LogicalSwitch{}, &hwvtep.UcastMACLocal{}, &hwvtep.UcastMACRemote{}, &hwvtep.McastMACLocal{},
		&hwvtep.McastMACRemote{}, &hwvtep.PhysicalLocatorSet{}, &hwvtep.PhysicalLocator{}, &hwvtep.LogicalRouter{},
		&hwvtep.ARPSourceLocal{}, &hwvtep.ARPSourceRemote{}, &hwvtep.ACL{}, &hwvtep.ACLEntry{}, &hwvtep.LogicalBindingStats{},
	}
}

func drawUUID(t *rapid.T) hwvtep.UUID {
	return hwvtep.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
}

// draw fills a field with a random value that its column accepts.
func draw(t *rapid.T, field string, f reflect.Value) {
	text := rapid.String().Filter(func(s string) bool { return !strings.Contains(s, "\x00") }) // which OVSDB refuses
	switch v := f.Addr().Interface().(type) {
	case *string:
		*v = text.Draw(t, field)
	case *int64:
		*v = rapid.Int64().Draw(t, field)
	case *bool:
		*v = rapid.Bool().Draw(t, field)
	case *hwvtep.UUID:
		*v = drawUUID(t)
	case *hwvtep.Optional[string]:
		if rapid.Bool().Draw(t, field+" set") {
			*v = hwvtep.Some(text.Draw(t, field))
		}
	case *hwvtep.Optional[int64]:
		if rapid.Bool().Draw(t, field+" set") {
			*v = hwvtep.Some(rapid.Int64Range(1000, 1<<62).Draw(t, field))
		}
	case *hwvtep.ReplicationMode:
		*v = rapid.SampledFrom([]hwvtep.ReplicationMode{"", "service_node", "source_node"}).Draw(t, field)
	case *hwvtep.EncapsulationType:
		*v = hwvtep.EncapsulationTypeVXLANOverIPv4
	case *hwvtep.ACLDirection:
		*v = rapid.SampledFrom([]hwvtep.ACLDirection{hwvtep.ACLDirectionIngress, hwvtep.ACLDirectionEgress}).Draw(t, field)
	case *hwvtep.ACLAction:
		*v = rapid.SampledFrom([]hwvtep.ACLAction{hwvtep.ACLActionPermit, hwvtep.ACLActionDeny}).Draw(t, field)
	case *[]string:
		*v = rapid.SliceOfNDistinct(text, 0, 5, rapid.ID[string]).Draw(t, field)
	case *[]hwvtep.UUID:
		*v = rapid.SliceOfNDistinct(rapid.Custom(drawUUID), 1, 5, rapid.ID[hwvtep.UUID]).Draw(t, field)
	case *map[string]string:
		*v = rapid.MapOfN(text, text, 0, 5).Draw(t, field)
	case *map[string]hwvtep.UUID:
		*v = rapid.MapOfN(text, rapid.Custom(drawUUID), 0, 5).Draw(t, field)
	case *map[int64]hwvtep.UUID:
		*v = rapid.MapOfN(rapid.Int64Range(0, 4095), rapid.Custom(drawUUID), 0, 5).Draw(t, field)
	default:
		t.Fatalf("field %s has type %T", field, v)
	}
}

// drawRecord returns a pointer to a random row of r's type.
func drawRecord(t *rapid.T, r hwvteptest.Record) hwvteptest.Record {
	row := reflect.New(reflect.TypeOf(r).Elem())
	for i := range row.Elem().NumField() {
		draw(t, row.Elem().Type().Field(i).Name, row.Elem().Field(i))
	}
	return row.Interface().(hwvteptest.Record)
}

// diff calls a.Diff(b).
func diff(a, b any) uint64 {
	return reflect.ValueOf(a).MethodByName("Diff").Call([]reflect.Value{reflect.ValueOf(b)})[0].Uint()
}

// decode decodes row as the type of r, and returns a pointer.
func decode(l *hwvtep.Layout, r hwvteptest.Record, row *hwvtep.Row) any {
	name := "Decode" + reflect.TypeOf(r).Elem().Name()
	out := reflect.ValueOf(l).MethodByName(name).Call([]reflect.Value{reflect.ValueOf(row)})[0]
	p := reflect.New(out.Type())
	p.Elem().Set(out)
	return p.Interface()
}

// What is written of a row reads back as the same row.
func TestRoundTrip(t *testing.T) {
	layout := hwvtep.NewLayout(nil)
	for _, r := range records() {
		t.Run(r.TableName(), func(t *testing.T) {
			ts := hwvtep.Schema().Tables[r.TableName()]
			rapid.Check(t, func(t *rapid.T) {
				in := drawRecord(t, r)
				row := rowOf(t, ts, in)
				if out := decode(layout, r, row); diff(in, out) != 0 || diff(out, in) != 0 {
					t.Errorf("wrote %+v, read %+v", in, out)
				}
				zero := reflect.New(reflect.TypeOf(r).Elem())
				if got, want := columns(in), diff(in, zero.Interface()); got != want {
					t.Errorf("Columns() = %b, Diff of zero = %b", got, want)
				}
			})
		})
	}
}

func columns(r any) uint64 {
	return reflect.ValueOf(r).MethodByName("Columns").Call(nil)[0].Uint()
}

func rowOf(t *rapid.T, ts *ovsdb.TableSchema, r hwvteptest.Record) *hwvtep.Row {
	v, err := wire.Parse(r.AppendJSON(nil))
	if err != nil {
		t.Fatalf("%s: %v", r.AppendJSON(nil), err)
	}
	values := make([]ovsdb.Datum, len(ts.Columns))
	for i, c := range ts.Columns {
		values[i] = ovsdb.Default(&c.Type)
	}
	for name, value := range v.Members() {
		c := ts.Column(name)
		if values[c.Index], err = ovsdb.ParseDatum(value, &c.Type, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return ovsdb.NewRow(r.RowUUID(), values)
}

func TestView(t *testing.T) {
	db := hwvteptest.New()
	ls := db.Put(&hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](5), ReplicationMode: hwvtep.ReplicationModeSourceNode})
	port := db.Put(&hwvtep.PhysicalPort{Name: "p0", VLANBindings: map[int64]hwvtep.UUID{10: ls}})
	view := db.View()

	got, ok := view.LogicalSwitch(ls)
	if key, set := got.TunnelKey.Get(); !ok || got.Name != "ls0" || key != 5 || !set || got.ReplicationMode != "source_node" {
		t.Errorf("LogicalSwitch() = %+v, %v", got, ok)
	}
	if _, ok := view.LogicalSwitch(port); ok {
		t.Error("a port is no logical switch")
	}
	if _, ok := view.TheGlobal(); ok || view.Len(hwvtep.TablePhysicalPort) != 1 || view.Len("No_Such") != 0 {
		t.Error("TheGlobal or Len is wrong")
	}
	for p := range view.PhysicalPorts() {
		if p.UUID != port || p.VLANBindings[10] != ls {
			t.Errorf("PhysicalPorts() yields %+v", p)
		}
	}
}

func TestChanges(t *testing.T) {
	db := hwvteptest.New()
	a := db.Put(&hwvtep.LogicalSwitch{Name: "a"})
	b := db.Put(&hwvtep.LogicalSwitch{Name: "b"})
	db.Changes()
	db.Put(&hwvtep.LogicalSwitch{UUID: a, Name: "a", Description: "changed"})
	db.Delete(hwvtep.TableLogicalSwitch, b)
	db.Put(&hwvtep.LogicalSwitch{Name: "c"})

	got := map[string]string{}
	for before, after := range db.Changes().LogicalSwitches() {
		switch {
		case before == nil:
			got[after.Name] = "new"
		case after == nil:
			got[before.Name] = "gone"
		default:
			got[after.Name] = fmt.Sprint(before.Diff(after) == hwvtep.LogicalSwitchDescription)
		}
	}
	if want := map[string]string{"a": "true", "b": "gone", "c": "new"}; !maps.Equal(got, want) {
		t.Errorf("changes are %v, want %v", got, want)
	}
}

// oldSchema is as of version 1.0, with one column changed to another type.
const oldSchema = `{"name":"hardware_vtep","version":"1.0.0","tables":{
	"Logical_Switch":{"columns":{"name":{"type":"string"},"description":{"type":"integer"}}},
	"Physical_Switch":{"columns":{"name":{"type":"string"},"tunnel_ips":{"type":{"key":"string","min":0,"max":"unlimited"}}}}}}`

func TestOldSchema(t *testing.T) {
	v, err := wire.ParseString(oldSchema)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := ovsdb.ParseSchema(v)
	if err != nil {
		t.Fatal(err)
	}
	layout := hwvtep.NewLayout(schema)
	if layout.HasColumn(hwvtep.TableTunnel, "local") ||
		layout.HasColumn(hwvtep.TableLogicalSwitch, "description") || !layout.HasColumn(hwvtep.TableLogicalSwitch, "name") {
		t.Error("HasColumn is wrong")
	}

	ts := schema.Tables["Logical_Switch"]
	values := make([]ovsdb.Datum, 2)
	values[ts.Column("name").Index] = ovsdb.Scalar(ovsdb.StringAtom("x"))
	values[ts.Column("description").Index] = ovsdb.Scalar(ovsdb.IntAtom(77))
	row := ovsdb.NewRow(ovsdb.NewUUID(), values)
	if ls := layout.DecodeLogicalSwitch(row); ls.Name != "x" || ls.Description != "" || ls.TunnelKey.Present() {
		t.Errorf("decoded %+v", ls)
	}

	tx := hwvtep.NewTxn(layout)
	tunnel := tx.InsertTunnel(hwvtep.Tunnel{})
	tx.DeleteTunnel(hwvtep.UUID{1})
	tx.AddPhysicalSwitchTunnels(hwvtep.UUID{1}, tunnel)
	tx.UpdateLogicalSwitch(hwvtep.UUID{1}, hwvtep.LogicalSwitch{}, hwvtep.LogicalSwitchTunnelKey)
	tx.PutLogicalSwitchOtherConfig(hwvtep.UUID{1}, map[string]string{"a": "b"})
	if tx.Len() != 0 {
		t.Errorf("operations on what is not there: %s", tx.Ops())
	}
	if _, ok := tx.OpOf(tunnel); ok {
		t.Error("a row was inserted into a table that is not there")
	}
	tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "x", TunnelKey: hwvtep.Some[int64](1)})
	if want := `{"op":"insert","table":"Logical_Switch","uuid-name":"r1","row":{"name":"x"}}`; string(tx.Ops()) != want {
		t.Errorf("ops are %s, want %s", tx.Ops(), want)
	}
	if view := hwvteptest.NewWithSchema(schema).View(); len(slices.Collect(view.Tunnels())) != 0 {
		t.Error("a table that is not there has rows")
	}
}
