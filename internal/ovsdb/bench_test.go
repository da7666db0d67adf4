package ovsdb

import (
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// macTable is like Ucast_Macs_Remote of hardware_vtep.
const macTable = `{"name":"d","tables":{"m":{"columns":{"MAC":{"type":"string"},"ipaddr":{"type":"string"},
	"locator":{"type":{"key":{"type":"uuid","refTable":"m"}}},"logical_switch":{"type":{"key":{"type":"uuid","refTable":"m"}}}}}}}`

const macRow = `{"MAC":"02:00:00:00:00:01","ipaddr":"192.0.2.17","locator":["uuid","3f2504e0-4f89-11d3-9a0c-0305e82c3301"],` +
	`"logical_switch":["uuid","3f2504e0-4f89-11d3-9a0c-0305e82c3302"]}`

func BenchmarkParseRow(b *testing.B) {
	s, err := ParseSchema(parse(b, macTable))
	if err != nil {
		b.Fatal(err)
	}
	ts, v := s.Tables["m"], parse(b, macRow)
	defaults := make([]Datum, len(ts.Columns))
	for _, bench := range []struct {
		name  string
		arena func() *Arena
	}{
		{"row", func() *Arena { return new(Arena) }},
		{"apart", func() *Arena { return nil }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			arena := bench.arena()
			for b.Loop() {
				var fields []Datum
				if arena != nil {
					arena.Reset()
					fields = arena.Values(defaults)
				} else {
					fields = make([]Datum, len(ts.Columns))
				}
				for name, m := range v.Members() {
					c := ts.Column(name)
					if fields[c.Index], err = arena.ParseDatum(m, &c.Type, nil); err != nil {
						b.Fatal(err)
					}
				}
				if arena != nil {
					arena.Draft(UUID{}, fields).Seal()
				}
			}
		})
	}
}

func BenchmarkAppendRow(b *testing.B) {
	s, err := ParseSchema(parse(b, macTable))
	if err != nil {
		b.Fatal(err)
	}
	ts := s.Tables["m"]
	fields := make([]Datum, len(ts.Columns))
	for name, m := range parse(b, macRow).Members() {
		c := ts.Column(name)
		if fields[c.Index], err = ParseDatum(m, &c.Type, nil); err != nil {
			b.Fatal(err)
		}
	}
	row := NewRow(NewUUID(), fields)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = dst[:0]
		for _, c := range ts.Columns {
			dst = append(wire.AppendString(dst, c.Name), ':')
			dst = append(row.AppendField(dst, c), ',')
		}
	}
}

func BenchmarkUnion(b *testing.B) {
	typ := SetType(Integer)
	set := func(n, step, offset int) Datum {
		var atoms []Atom
		for i := range n {
			atoms = append(atoms, IntAtom(int64(step*i+offset)))
		}
		return NewSet(Integer, atoms...)
	}
	d := set(1000, 2, 0)
	for _, bench := range []struct {
		name string
		e    Datum
	}{{"one", set(1, 1, 999)}, {"ten", set(10, 200, 1)}, {"interleaved", set(1000, 2, 1)}, {"nothing new", set(10, 200, 0)}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Union(bench.e, &typ)
			}
		})
	}
}
