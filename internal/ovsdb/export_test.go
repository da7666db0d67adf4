package ovsdb

import "github.com/vtep/vtep/internal/ovsdb/wire"

// Only tests want a type without constraints, or an atom by itself.

// SetType returns the type of a set of any number of t.
func SetType(t AtomicType) Type { return Type{Key: NewBaseType(t), Max: Unlimited} }

// OptionalType returns the type of none or one t.
func OptionalType(t AtomicType) Type { return Type{Key: NewBaseType(t), Max: 1} }

// MapType returns the type of a map of any size from k to v.
func MapType(k, v AtomicType) Type {
	return Type{Key: NewBaseType(k), Value: NewBaseType(v), Max: Unlimited}
}

// ParseAtom parses an <atom> of type b and checks the constraints of b.
func ParseAtom(v wire.Value, b *BaseType, syms *SymbolTable) (Atom, error) {
	var own *Arena
	atom, err := own.parseAtom(v, b, syms)
	if err == nil {
		err = b.Check(atom)
	}
	return atom, err
}
