package db

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// vtepDatabase returns an empty database with the hardware_vtep schema.
func vtepDatabase(tb testing.TB) *Database {
	tb.Helper()
	return emptyDatabase(tb, "../../hwvtep/vtep.ovsschema")
}

func parseSchema(tb testing.TB, text string) *ovsdb.DatabaseSchema {
	tb.Helper()
	v, err := wire.ParseString(text)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := ovsdb.ParseSchema(v)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// macInserts is a request that inserts n Ucast_Macs_Remote, with one
// Logical_Switch and one Physical_Locator.
func macInserts(n, from int) string {
	var b strings.Builder
	b.WriteString(`["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"ls` + fmt.Sprint(from) + `"},"uuid-name":"ls"},` +
		`{"op":"insert","table":"Physical_Locator","row":{"dst_ip":"192.0.2.` + fmt.Sprint(from/10000) + `","encapsulation_type":"vxlan_over_ipv4"},"uuid-name":"loc"}`)
	for i := range n {
		k := from + i
		fmt.Fprintf(&b, `,{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"02:00:%02x:%02x:%02x:%02x","ipaddr":"10.%d.%d.%d",`+
			`"logical_switch":["named-uuid","ls"],"locator":["named-uuid","loc"]}}`,
			k>>24&255, k>>16&255, k>>8&255, k&255, k>>16&255, k>>8&255, k&255)
	}
	b.WriteString(`]`)
	return b.String()
}

func mustParse(tb testing.TB, s string) wire.Value {
	tb.Helper()
	v, err := wire.ParseString(s)
	if err != nil {
		tb.Fatalf("parse %.200s: %v", s, err)
	}
	return v
}

func BenchmarkInsert10k(b *testing.B) {
	request := []byte(macInserts(10000, 0))
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		d := vtepDatabase(b)
		v, err := wire.Parse(request)
		if err != nil {
			b.Fatal(err)
		}
		if out := d.Transact(v, &Env{}); out.Failed || out.Changes == nil {
			b.Fatalf("%.500s", out.Reply)
		}
	}
}

func BenchmarkInsertOne(b *testing.B) {
	d := vtepDatabase(b)
	d.Transact(mustParse(b, macInserts(10000, 0)), &Env{})
	ls, loc := theOne(d, "Logical_Switch"), theOne(d, "Physical_Locator")
	var record []byte
	now := time.Now()
	b.ReportAllocs()
	i := 1 << 20
	for b.Loop() {
		i++
		request := fmt.Appendf(nil, `["hardware_vtep",{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"02:00:%02x:%02x:%02x:%02x",`+
			`"ipaddr":"10.%d.%d.%d","logical_switch":["uuid","%s"],"locator":["uuid","%s"]}}]`,
			i>>24&255, i>>16&255, i>>8&255, i&255, i>>16&255, i>>8&255, i&255, ls, loc)
		v, err := wire.Parse(request)
		if err != nil {
			b.Fatal(err)
		}
		out := d.Transact(v, &Env{})
		if out.Changes == nil {
			b.Fatalf("%s", out.Reply)
		}
		record = out.Changes.AppendRecord(record[:0], now)
	}
}

func BenchmarkUpdateByUUID(b *testing.B) {
	d := vtepDatabase(b)
	d.Transact(mustParse(b, macInserts(10000, 0)), &Env{})
	var ids []ovsdb.UUID
	for row := range d.Table("Ucast_Macs_Remote").All() {
		ids = append(ids, row.UUID)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		request := fmt.Appendf(nil, `["hardware_vtep",{"op":"update","table":"Ucast_Macs_Remote","where":[["_uuid","==",["uuid","%s"]]],"row":{"ipaddr":"%d"}}]`,
			ids[i%len(ids)], i)
		v, _ := wire.Parse(request)
		if out := d.Transact(v, &Env{}); out.Changes == nil {
			b.Fatalf("%s", out.Reply)
		}
	}
}

func BenchmarkReplay100k(b *testing.B) {
	d := vtepDatabase(b)
	for i := range 10 {
		if out := d.Transact(mustParse(b, macInserts(10000, i*10000)), &Env{}); out.Failed {
			b.Fatalf("%.300s", out.Reply)
		}
	}
	record := d.Snapshot().AppendRecord(nil, "", time.Now())
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		to := vtepDatabase(b)
		v, err := wire.Parse(record)
		if err != nil {
			b.Fatal(err)
		}
		if err := to.ReplayRecord(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDelete100k(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		d := vtepDatabase(b)
		for i := range 10 {
			d.Transact(mustParse(b, macInserts(10000, i*10000)), &Env{})
		}
		v := mustParse(b, `["hardware_vtep",{"op":"delete","table":"Ucast_Macs_Remote","where":[]}]`)
		b.StartTimer()
		if out := d.Transact(v, &Env{}); string(out.Reply) != `[{"count":100000}]` {
			b.Fatalf("%s", out.Reply)
		}
	}
}

// theOne returns the UUID of a row of a table.
func theOne(d *Database, table string) ovsdb.UUID {
	for row := range d.Table(table).All() {
		return row.UUID
	}
	return ovsdb.UUID{}
}
