package hwvtep

import "github.com/vtep/vtep/internal/ovsdb"

// fields reads the known columns of a row, by their number in knownTable. A
// column that is absent, or empty, reads as the zero of its Go type.
type fields struct {
	at  []int16
	row *Row
}

func (l *Layout) fields(table int, row *Row) fields { return fields{l.tables[table].at, row} }

func (f fields) datum(i int) ovsdb.Datum {
	if at := int(f.at[i]); at >= 0 {
		return f.row.At(at)
	}
	return ovsdb.Datum{}
}

// first returns the first element, and whether there is one.
func (f fields) first(i int) (ovsdb.Atom, bool) {
	d := f.datum(i)
	if d.IsEmpty() {
		return ovsdb.Atom{}, false
	}
	return d.Key(0), true
}

func (f fields) string(i int) string {
	atom, _ := f.first(i)
	return atom.Str()
}

func (f fields) int(i int) int64 {
	atom, _ := f.first(i)
	return atom.Int()
}

func (f fields) bool(i int) bool {
	atom, _ := f.first(i)
	return atom.Bool()
}

func (f fields) uuid(i int) UUID {
	atom, _ := f.first(i)
	return atom.UUID()
}

func (f fields) optionalInt(i int) Optional[int64] {
	atom, ok := f.first(i)
	return Optional[int64]{atom.Int(), ok}
}

func (f fields) optionalString(i int) Optional[string] {
	atom, ok := f.first(i)
	return Optional[string]{atom.Str(), ok}
}

func (f fields) strings(i int) []string { return set(f.datum(i), ovsdb.Atom.Str) }
func (f fields) uuids(i int) []UUID     { return set(f.datum(i), ovsdb.Atom.UUID) }

func (f fields) stringMap(i int) map[string]string {
	return pairs(f.datum(i), ovsdb.Atom.Str, ovsdb.Atom.Str)
}

func (f fields) stringUUIDs(i int) map[string]UUID {
	return pairs(f.datum(i), ovsdb.Atom.Str, ovsdb.Atom.UUID)
}

func (f fields) intUUIDs(i int) map[int64]UUID {
	return pairs(f.datum(i), ovsdb.Atom.Int, ovsdb.Atom.UUID)
}

func set[T any](d ovsdb.Datum, get func(ovsdb.Atom) T) []T {
	if d.IsEmpty() {
		return nil
	}
	elems := make([]T, d.Len())
	for i := range elems {
		elems[i] = get(d.Key(i))
	}
	return elems
}

func pairs[K comparable, V any](d ovsdb.Datum, key func(ovsdb.Atom) K, value func(ovsdb.Atom) V) map[K]V {
	if d.IsEmpty() {
		return nil
	}
	m := make(map[K]V, d.Len())
	for i := range d.Len() {
		m[key(d.Key(i))] = value(d.Value(i))
	}
	return m
}
