package ovsdb

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// genAtom generates atoms of type t from a range small enough for collisions.
func genAtom(t AtomicType) *rapid.Generator[Atom] {
	switch t {
	case Integer:
		return rapid.Map(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64()), IntAtom)
	case Real:
		return rapid.Map(rapid.IntRange(-8, 8), func(i int) Atom { return RealAtom(float64(i) / 4) })
	case Boolean:
		return rapid.Map(rapid.Bool(), BoolAtom)
	case String:
		return rapid.Map(rapid.OneOf(
			rapid.SampledFrom([]string{"", "a", "b", "true", "a b", `"`, `\`, "a=b", "[", "é", "1", "-", "550e8400-e29b-41d4-a716-446655440000"}),
			rapid.StringMatching(`[\x01-\x{2fff}]{0,5}`)), StringAtom)
	}
	return rapid.Map(rapid.IntRange(0, 4), func(i int) Atom {
		if i == 0 {
			return Atom{} // the default: no storage
		}
		return UUIDAtom(UUID{15: byte(i)})
	})
}

// genType generates types with room for any datum that genDatum makes of them.
var genType = rapid.Custom(func(t *rapid.T) *Type {
	kinds := rapid.SampledFrom([]AtomicType{Integer, Real, Boolean, String, UUIDType})
	typ := SetType(kinds.Draw(t, "key"))
	if rapid.Bool().Draw(t, "map") {
		typ = MapType(typ.Key.Type, kinds.Draw(t, "value"))
	}
	return &typ
})

func genDatum(typ *Type) *rapid.Generator[Datum] {
	return rapid.Custom(func(t *rapid.T) Datum {
		n := rapid.IntRange(0, 6).Draw(t, "n")
		var atoms []Atom
		for range n {
			atoms = append(atoms, genAtom(typ.Key.Type).Draw(t, "key"))
			if typ.IsMap() {
				atoms = append(atoms, genAtom(typ.Value.Type).Draw(t, "value"))
			}
		}
		if typ.IsMap() {
			return NewMap(typ.Key.Type, typ.Value.Type, atoms...)
		}
		return NewSet(typ.Key.Type, atoms...)
	})
}

// asMap is the obvious form of a datum: from the text of the key to that of
// the value.
func asMap(d Datum, t *Type) map[string]string {
	m := make(map[string]string)
	for i := range d.Len() {
		m[FormatAtom(d.Key(i), t.Key.Type)] = FormatAtom(d.Value(i), t.Value.Type)
	}
	return m
}

// checkSorted fails if the keys of d are not distinct and in order.
func checkSorted(t *rapid.T, d Datum, typ *Type) {
	for i := 1; i < d.Len(); i++ {
		if CompareAtoms(typ.Key.Type, d.Key(i-1), d.Key(i)) >= 0 {
			t.Fatalf("%s is not sorted", FormatDatum(d, typ))
		}
	}
}

func TestDatumNotationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := genType.Draw(t, "type")
		d := genDatum(typ).Draw(t, "datum")
		checkSorted(t, d, typ)
		text := AppendDatum(nil, d, typ)
		v, err := wire.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got, err := ParseDatum(v, typ, nil)
		if err != nil || !got.Equal(d, typ) {
			t.Fatalf("%s became %s, %v", text, AppendDatum(nil, got, typ), err)
		}
		if again := v.String(); again != string(text) {
			t.Fatalf("%s is not compact: %s", text, again)
		}
	})
}

func TestDatumTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := genType.Draw(t, "type")
		d := genDatum(typ).Draw(t, "datum")
		text := FormatDatum(d, typ)
		got, err := ParseDatumString(text, typ, nil)
		if err != nil || !got.Equal(d, typ) {
			t.Fatalf("%s became %s, %v", text, FormatDatum(got, typ), err)
		}
	})
}

func TestDatumSetOperations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := genType.Draw(t, "type")
		a, b := genDatum(typ).Draw(t, "a"), genDatum(typ).Draw(t, "b")
		ma, mb := asMap(a, typ), asMap(b, typ)
		check := func(op string, got Datum, want map[string]string) {
			checkSorted(t, got, typ)
			if m := asMap(got, typ); !maps.Equal(m, want) {
				t.Fatalf("%s: got %v, want %v", op, m, want)
			}
		}

		union := maps.Clone(mb)
		maps.Copy(union, ma)
		check("union", a.Union(b, typ), union)

		rest := maps.Clone(ma)
		maps.DeleteFunc(rest, func(k, v string) bool { w, ok := mb[k]; return ok && v == w })
		check("subtract", a.Subtract(b, typ), rest)

		keys := NewSet(typ.Key.Type, slices.Collect(b.Keys())...)
		rest = maps.Clone(ma)
		maps.DeleteFunc(rest, func(k, _ string) bool { _, ok := mb[k]; return ok })
		check("subtract keys", a.Subtract(keys, typ), rest)

		if got, want := a.IncludesAll(b, typ), maps.Equal(asMap(b.Subtract(a, typ), typ), map[string]string{}); got != want {
			t.Fatalf("IncludesAll is %v", got)
		}
		if got, want := a.ExcludesAll(b, typ), b.Subtract(a, typ).Len() == b.Len(); got != want {
			t.Fatalf("ExcludesAll is %v", got)
		}
		if got, want := a.Equal(b, typ), maps.Equal(ma, mb); got != want {
			t.Fatalf("Equal is %v", got)
		}
		if got, want := a.Compare(b, typ) == 0, a.Equal(b, typ); got != want || a.Compare(b, typ) != -b.Compare(a, typ) {
			t.Fatalf("Compare is %d", a.Compare(b, typ))
		}
		if got, want := string(a.AppendKey(nil, typ)) == string(b.AppendKey(nil, typ)), a.Equal(b, typ); got != want {
			t.Fatalf("keys are equal: %v", got)
		}
	})
}

func TestDiffApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := genType.Draw(t, "type")
		a, b := genDatum(typ).Draw(t, "a"), genDatum(typ).Draw(t, "b")
		d := Diff(a, b, typ)
		checkSorted(t, d, typ)
		got, err := a.ApplyDiff(d, typ)
		if err != nil || !got.Equal(b, typ) {
			t.Fatalf("got %s, %v", FormatDatum(got, typ), err)
		}
		if d := Diff(a, a, typ); !d.IsEmpty() {
			t.Fatalf("a differs from itself by %s", FormatDatum(d, typ))
		}
		added, removed := AddedRemoved(a, b, typ)
		if got := a.Subtract(removed, typ).Union(added, typ); !got.Equal(b, typ) {
			t.Fatalf("added and removed lead to %s", FormatDatum(got, typ))
		}
		if !b.IncludesAll(added, typ) || !a.IncludesAll(removed, typ) || !a.ExcludesAll(added, typ) || !b.ExcludesAll(removed, typ) {
			t.Fatalf("added %s, removed %s", FormatDatum(added, typ), FormatDatum(removed, typ))
		}
	})
}

func TestCloneIsEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := genType.Draw(t, "type")
		d := genDatum(typ).Draw(t, "datum")
		c := d.Clone(typ)
		if !c.Equal(d, typ) || c.Len() > 0 && c.p == d.p && !c.isPlain() {
			t.Fatalf("got %s", FormatDatum(c, typ))
		}
	})
}

// TestArenaGivesWhatParseDatumGives parses whole rows with an Arena.
func TestArenaGivesWhatParseDatumGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte{'{'}
		var types []*Type
		for i := range rapid.IntRange(0, 6).Draw(t, "columns") {
			typ := *genType.Draw(t, "type")
			if !typ.IsMap() && rapid.Bool().Draw(t, "scalar") {
				typ = ScalarType(typ.Key.Type)
			}
			d := genDatum(&typ).Draw(t, "datum")
			if typ.IsScalar() {
				d = Scalar(genAtom(typ.Key.Type).Draw(t, "atom"))
			}
			types = append(types, &typ)
			if i > 0 {
				text = append(text, ',')
			}
			text = AppendDatum(fmt.Appendf(text, `"c%d":`, i), d, &typ)
		}
		text = append(text, '}')
		again := slices.Clone(text)
		v, err := wire.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var arena Arena
		var got []Datum
		for i, typ := range types {
			d, err := arena.ParseDatum(v.Get("c"+strconv.Itoa(i)), typ, nil)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d)
		}
		row := NewRow(NewUUID(), got)
		if row.Len() != len(got) {
			t.Fatalf("a row of %d values has %d", len(got), row.Len())
		}
		arena.Reset()
		clear(text)
		v, _ = wire.Parse(again)
		for i, typ := range types {
			got[i] = row.At(i)
			want, _ := ParseDatum(v.Get("c"+strconv.Itoa(i)), typ, nil)
			if !got[i].Equal(want, typ) {
				t.Fatalf("column %d: got %s, want %s", i, FormatDatum(got[i], typ), FormatDatum(want, typ))
			}
		}
	})
}
