package ovsdb

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(Atom{}); size != 16 {
		t.Errorf("an Atom takes %d bytes", size)
	}
	if size := unsafe.Sizeof(Datum{}); size != 16 {
		t.Errorf("a Datum takes %d bytes", size)
	}
}

func TestDefault(t *testing.T) {
	for _, test := range []struct {
		name, want string
		typ        Type
	}{
		{"integer", "0", ScalarType(Integer)},
		{"real", "0", ScalarType(Real)},
		{"boolean", "false", ScalarType(Boolean)},
		{"string", `""`, ScalarType(String)},
		{"uuid", "00000000-0000-0000-0000-000000000000", ScalarType(UUIDType)},
		{"optional", "[]", OptionalType(Integer)},
		{"set", "[]", SetType(String)},
		{"map", "{}", MapType(String, String)},
		{"set of at least one", "[0]", Type{Key: NewBaseType(Integer), Min: 1, Max: 5}},
		{"map of one", `0=""`, Type{Key: NewBaseType(Integer), Value: NewBaseType(String), Min: 1, Max: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := Default(&test.typ)
			if got := FormatDatum(d, &test.typ); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if !d.IsDefault(&test.typ) {
				t.Error("the default is not the default")
			}
			other := NewSet(test.typ.Key.Type, IntAtom(1))
			if test.typ.Key.Type == Integer && !test.typ.IsMap() && other.IsDefault(&test.typ) {
				t.Error("1 is a default")
			}
		})
	}
}

func TestNegativeZeroIsZero(t *testing.T) {
	typ := SetType(Real)
	minus := RealAtom(math.Copysign(0, -1))
	if !minus.IsDefault(Real) || !EqualAtoms(Real, minus, RealAtom(0)) {
		t.Error("-0 is not 0")
	}
	d := NewSet(Real, RealAtom(0), minus)
	if d.Len() != 1 {
		t.Errorf("a set holds %s", FormatDatum(d, &typ))
	}
	if string(minus.AppendKey(nil, Real)) != string(RealAtom(0).AppendKey(nil, Real)) {
		t.Error("the keys of -0 and 0 differ")
	}
}

func TestNewMapKeepsTheFirst(t *testing.T) {
	typ := MapType(String, Integer)
	d := NewMap(String, Integer, StringAtom("b"), IntAtom(1), StringAtom("a"), IntAtom(2), StringAtom("b"), IntAtom(3))
	if got := FormatDatum(d, &typ); got != "{a=2, b=1}" {
		t.Errorf("got %s", got)
	}
}

func TestConstructorsCopyTheirArguments(t *testing.T) {
	atoms := []Atom{IntAtom(2), IntAtom(1)}
	typ := SetType(Integer)
	d := NewSet(Integer, atoms...)
	if atoms[0].Int() != 2 {
		t.Error("NewSet sorted its argument")
	}
	atoms[0] = IntAtom(9)
	if got := FormatDatum(d, &typ); got != "[1, 2]" {
		t.Errorf("got %s", got)
	}
}

// TestDatumsOutliveTheMessage parses, drops and overwrites the message.
func TestDatumsOutliveTheMessage(t *testing.T) {
	text := []byte(`{"s":"a long enough string","u":["uuid","550e8400-e29b-41d4-a716-446655440000"],"m":["map",[["key","value"]]]}`)
	v, err := wire.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]Type{"s": ScalarType(String), "u": ScalarType(UUIDType), "m": MapType(String, String)}
	got := make(map[string]Datum)
	packed := make(map[string]*Row)
	var arena Arena
	for name, m := range v.Members() {
		typ := types[name]
		if got[strings.Clone(name)], err = ParseDatum(m, &typ, nil); err != nil {
			t.Fatal(err)
		}
		d, err := arena.ParseDatum(m, &typ, nil)
		if err != nil {
			t.Fatal(err)
		}
		packed[strings.Clone(name)] = arena.Draft(NewUUID(), arena.Values([]Datum{d})).Seal()
	}
	arena.Reset()
	for i := range text {
		text[i] = 'X'
	}
	runtime.GC()
	for name, want := range map[string]string{"s": `"a long enough string"`, "u": "550e8400-e29b-41d4-a716-446655440000", "m": "{key=value}"} {
		typ := types[name]
		if text := FormatDatum(got[name], &typ); text != want {
			t.Errorf("%s: got %s, want %s", name, text, want)
		}
		if text := FormatDatum(packed[name].At(0), &typ); text != want {
			t.Errorf("%s of a row: got %s, want %s", name, text, want)
		}
	}
}

func TestApplyDiffChecksTheSize(t *testing.T) {
	typ := Type{Key: NewBaseType(Integer), Min: 1, Max: 2}
	d := NewSet(Integer, IntAtom(1))
	for _, test := range []struct {
		name string
		diff Datum
		ok   bool
	}{
		{"to two", NewSet(Integer, IntAtom(2)), true},
		{"to none", NewSet(Integer, IntAtom(1)), false},
		{"to three", NewSet(Integer, IntAtom(2), IntAtom(3)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := d.ApplyDiff(test.diff, &typ); (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
		})
	}
	optional := OptionalType(Integer)
	got, err := d.ApplyDiff(Datum{}, &optional)
	if err != nil || got.Len() != 0 {
		t.Errorf("of a column with at most one the diff is the new value; got %s, %v", FormatDatum(got, &optional), err)
	}
}

func TestFilter(t *testing.T) {
	typ := SetType(Integer)
	d := NewSet(Integer, IntAtom(1), IntAtom(2), IntAtom(3))
	odd := d.Filter(func(k, _ Atom) bool { return k.Int()%2 == 1 })
	if got := FormatDatum(odd, &typ); got != "[1, 3]" {
		t.Errorf("got %s", got)
	}
	if all := d.Filter(func(_, _ Atom) bool { return true }); all.p != d.p {
		t.Error("a copy was made for nothing")
	}
}

func TestEmptyDatumIsSetAndMap(t *testing.T) {
	var d Datum
	for range d.Keys() {
		t.Error("a key")
	}
	for range d.Pairs() {
		t.Error("a pair")
	}
	typ := MapType(String, String)
	if got := string(AppendDatum(nil, d, &typ)); got != `["map",[]]` {
		t.Errorf("got %s", got)
	}
	typ = SetType(String)
	if got := string(AppendDatum(nil, d, &typ)); got != `["set",[]]` {
		t.Errorf("got %s", got)
	}
}
