package idl

import (
	"strconv"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// A row among 100,000: what each change of a large database costs.
func BenchmarkUpdateOneRow(b *testing.B) {
	p := testPlan(b)
	d := newDraft(newSnapshot(p))
	ids := make([]ovsdb.UUID, 100_000)
	for i := range ids {
		ids[i] = ovsdb.NewUUID()
		d.set(0, ovsdb.NewRow(ids[i], p.tables[0].defaults))
	}
	s := d.publish()
	updates := make([]wire.Value, 1000)
	for i := range updates {
		updates[i] = mustParse(b, `{"A":{"`+ids[i*97].String()+`":{"modify":{"i":`+strconv.Itoa(i+1)+`}}}}`)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		d := newDraft(s)
		if err := d.apply(updates[i%len(updates)], 2); err != nil {
			b.Fatal(err)
		}
		next := d.publish()
		if rows := difference(s, next)["A"]; i < len(updates) && len(rows) != 1 {
			b.Fatalf("%d rows differ", len(rows))
		}
		s = next
		i++
	}
}

func BenchmarkInitial100k(b *testing.B) {
	p := testPlan(b)
	text := []byte(`{"A":{`)
	for i := range 100_000 {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(wire.AppendString(text, ovsdb.NewUUID().String()), `:{"initial":{"i":`...)
		text = strconv.AppendInt(text, int64(i), 10)
		text = append(text, `,"opt":"some text","min":3,"set":["set",[1,2]]}}`...)
	}
	text = append(text, "}}"...)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := wire.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		d := newDraftAfresh(newSnapshot(p))
		if err := d.apply(v, 2); err != nil {
			b.Fatal(err)
		}
		if n := len(difference(newSnapshot(p), d.publish())["A"]); n != 100_000 {
			b.Fatalf("%d rows", n)
		}
	}
}
