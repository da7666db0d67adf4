package ovsdb

import (
	"unsafe"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Arena is memory for the scalars of one row, which live and die together: two
// allocations in place of two for each column. When it is used up, or was never
// filled, atoms get memory of their own.
//
// An Arena is for one row only. If several shared one, the last of them to go
// would hold the memory of all.
type Arena struct {
	atoms []Atom // not given out yet
	bytes []byte // not given out yet: strings and UUIDs
}

// NewArena returns an Arena for the scalars of row, a <row> of RFC 7047.
func NewArena(row wire.Value) Arena {
	atoms, bytes := 0, 0
	for _, v := range row.Members() {
		switch v.Kind() {
		case wire.String:
			bytes += len(v.Str())
		case wire.Array:
			if v.Index(1).Kind() != wire.String {
				continue // not a scalar
			}
			bytes += len(UUID{})
		}
		atoms++
	}
	return Arena{atoms: make([]Atom, atoms), bytes: make([]byte, bytes)}
}

// ParseDatum is the function of that name with the memory of a.
func (a *Arena) ParseDatum(v wire.Value, t *Type, syms *SymbolTable) (Datum, error) {
	if !t.IsMap() && (v.Kind() != wire.Array || v.Index(0).Str() != "set") {
		atom, err := a.parseAtom(v, &t.Key, syms)
		if err == nil {
			err = t.Key.Check(atom)
		}
		if err != nil {
			return Datum{}, err
		}
		return a.scalar(atom), nil
	}
	return a.parseMany(v, t, syms)
}

func (a *Arena) scalar(atom Atom) Datum {
	if len(a.atoms) == 0 {
		return Scalar(atom)
	}
	a.atoms[0] = atom
	d := datumOf(a.atoms[:1:1], false)
	a.atoms = a.atoms[1:]
	return d
}

func (a *Arena) string(s string) Atom {
	if len(s) > len(a.bytes) {
		return StringAtom(clone(s))
	}
	n := copy(a.bytes, s)
	own := unsafe.String(unsafe.SliceData(a.bytes), n)
	a.bytes = a.bytes[n:]
	return StringAtom(own)
}

func (a *Arena) uuid(u UUID) Atom {
	if len(u) > len(a.bytes) {
		return UUIDAtom(u)
	}
	own := (*UUID)(a.bytes)
	*own = u
	a.bytes = a.bytes[len(u):]
	return RefTo(own)
}
