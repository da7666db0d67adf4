package ovsdb

import (
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRowHasItsValues makes rows of any values, packed and not, and reads them back, also when
// what they were made of is gone.
func TestRowHasItsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var types []*Type
		var values, copies []Datum
		for range rapid.IntRange(0, 9).Draw(t, "columns") {
			typ := genType.Draw(t, "type")
			if rapid.Bool().Draw(t, "scalar") {
				scalar := ScalarType(typ.Key.Type)
				typ = &scalar
			}
			d := genDatum(typ).Draw(t, "datum")
			if typ.IsScalar() {
				d = Scalar(genAtom(typ.Key.Type).Draw(t, "atom"))
			}
			types, values, copies = append(types, typ), append(values, d), append(copies, d.Clone(typ))
		}
		var arena Arena
		id := NewUUID()
		row := NewRow(id, values)
		draft := arena.Draft(id, arena.Values(values)).Renew()
		edited := arena.Edit(row)
		check := func(r *Row) {
			t.Helper()
			if r.UUID != id || r.Len() != len(values) || !r.At(len(values)).IsEmpty() {
				t.Fatalf("row %v has %d values of %d", r.UUID, r.Len(), len(values))
			}
			for i, want := range copies {
				if got := r.At(i); !got.Equal(want, types[i]) || got.Len() != want.Len() || got.IsDefault(types[i]) != want.IsDefault(types[i]) {
					t.Fatalf("column %d: got %s, want %s", i, FormatDatum(got, types[i]), FormatDatum(want, types[i]))
				}
			}
		}
		for _, r := range []*Row{row, draft, edited} {
			check(r)
		}
		sealed, again := draft.Seal(), edited.Seal()
		if sealed.Version() != draft.Version() || sealed.Version().IsZero() || !again.Version().IsZero() || sealed.Seal() != sealed {
			t.Fatal("versions are not kept")
		}
		arena.Reset()
		for _, r := range []*Row{row, sealed, again} {
			check(r)
		}
	})
}

// TestRowsThatAreNotPacked have too long a string, or too many columns.
func TestRowsThatAreNotPacked(t *testing.T) {
	for _, n := range []int{1, maxEnd - headSize - slotSize, maxEnd - headSize - slotSize + 1, 1 << 20} {
		text := strings.Repeat("x", n)
		row := NewRow(NewUUID(), []Datum{Scalar(StringAtom(text))})
		if got := row.At(0).Key(0).Str(); got != text {
			t.Errorf("a string of %d bytes has become one of %d", n, len(got))
		}
		if packed := row.n == 1; packed != (headSize+slotSize+n <= maxEnd) {
			t.Errorf("a string of %d bytes: packed is %v", n, packed)
		}
	}
	for _, n := range []int{1, isDraft - 1, isDraft, 1000} {
		values := make([]Datum, n)
		for i := range values {
			values[i] = Scalar(IntAtom(int64(i) << (i % 56)))
		}
		row := NewRow(NewUUID(), values)
		for i := range values {
			if got, want := row.At(i).Key(0).Int(), int64(i)<<(i%56); got != want {
				t.Errorf("column %d of %d: got %d, want %d", i, n, got, want)
			}
		}
	}
}

func TestVersionsDiffer(t *testing.T) {
	seen := map[UUID]bool{}
	row := NewRow(NewUUID(), nil)
	for range 10_000 {
		before := NewRow(row.UUID, nil)
		before.version = row.version
		v := row.Renew().Version()
		if seen[v] || v[6]>>4 != 4 || row.SameVersion(before) {
			t.Fatalf("version %v", v)
		}
		seen[v] = true
	}
}

// TestRowMemory holds what a remote MAC is to cost.
func TestRowMemory(t *testing.T) {
	const n = 10_000
	rows := make([]*Row, n)
	values := []Datum{Scalar(StringAtom("02:00:00:00:00:01")), Scalar(StringAtom("")), Scalar(UUIDAtom(NewUUID())), Scalar(UUIDAtom(NewUUID()))}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range rows {
		rows[i] = NewRow(UUID{byte(i)}, values)
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / n; per > 80 {
		t.Errorf("a row has %d bytes", per)
	}
	runtime.KeepAlive(rows)
}
