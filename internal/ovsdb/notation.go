package ovsdb

import (
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// ParseDatum parses a <value> of type t and checks the constraints of t. With
// syms, a named-uuid stands for the symbol of that name. The Datum shares no
// memory with v.
func ParseDatum(v wire.Value, t *Type, syms *SymbolTable) (Datum, error) {
	var own *Arena
	return own.ParseDatum(v, t, syms)
}

// ParseTransient is ParseDatum without the check of the number of elements:
// for differences, which may have any.
func ParseTransient(v wire.Value, t *Type) (Datum, error) {
	relaxed := *t
	relaxed.Min, relaxed.Max = 0, Unlimited
	return ParseDatum(v, &relaxed, nil)
}

// ParseUnconstrained is ParseDatum without any check but that of the atomic
// types: for values that a server has checked.
func ParseUnconstrained(v wire.Value, t *Type) (Datum, error) {
	relaxed := Type{Key: NewBaseType(t.Key.Type), Value: NewBaseType(t.Value.Type), Max: Unlimited}
	return ParseDatum(v, &relaxed, nil)
}

// parseMany parses ["set", [...]] and ["map", [...]].
func parseMany(v wire.Value, t *Type, syms *SymbolTable) (Datum, error) {
	class := "set"
	if t.IsMap() {
		class = "map"
	}
	inner, err := unwrap(v, class, wire.Array)
	if err != nil {
		return Datum{}, err
	}
	n := inner.Len()
	if n < t.Min || n > t.Max {
		if t.Min == 1 && t.Max == 1 {
			return Datum{}, SyntaxError(v, "", "%s must have exactly one member but %d are present", class, n)
		}
		return Datum{}, SyntaxError(v, "", "%s must have %d to %d members but %d are present", class, t.Min, t.Max, n)
	}
	if n == 0 {
		return Datum{}, nil
	}
	stride := 1
	if t.IsMap() {
		stride = 2
	}
	atoms := make([]Atom, 0, stride*n)
	for e := range inner.Elems() {
		key, value := e, wire.Value{}
		if t.IsMap() {
			if e.Kind() != wire.Array || e.Len() != 2 {
				return Datum{}, SyntaxError(e, "", "expected 2-element array")
			}
			key, value = e.Index(0), e.Index(1)
		}
		if atoms, err = appendParsed(atoms, key, &t.Key, syms); err != nil {
			return Datum{}, err
		}
		if t.IsMap() {
			if atoms, err = appendParsed(atoms, value, &t.Value, syms); err != nil {
				return Datum{}, err
			}
		}
	}
	sortAtoms(atoms, stride, t.Key.Type)
	if len(dedup(atoms, stride, t.Key.Type)) < stride*n {
		if t.IsMap() {
			return Datum{}, NewError("", "map contains duplicate key")
		}
		return Datum{}, NewError("", "set contains duplicate")
	}
	return datumOf(atoms, t.IsMap()), nil
}

// unwrap returns the value of [name, value], which must be of the given kind.
func unwrap(v wire.Value, name string, kind wire.Kind) (wire.Value, error) {
	if v.Kind() == wire.Array && v.Len() == 2 && v.Index(0).Kind() == wire.String && v.Index(0).Str() == name {
		if inner := v.Index(1); inner.Kind() == kind {
			return inner, nil
		}
	}
	return wire.Value{}, SyntaxError(v, "", `expected ["%s", <%s>]`, name, kind)
}

// appendParsed parses an atom, checks it and appends it to atoms.
func appendParsed(atoms []Atom, v wire.Value, b *BaseType, syms *SymbolTable) ([]Atom, error) {
	var own *Arena
	atom, err := own.parseAtom(v, b, syms)
	if err == nil {
		err = b.Check(atom)
	}
	return append(atoms, atom), err
}

// parseAtom parses an atom, which has memory of its own if there is no Arena.
func (a *Arena) parseAtom(v wire.Value, b *BaseType, syms *SymbolTable) (Atom, error) {
	k := v.Kind()
	switch b.Type {
	case Integer:
		if k == wire.Integer {
			return IntAtom(v.Int()), nil
		}
	case Real:
		if k == wire.Integer || k == wire.Real {
			return RealAtom(v.Real()), nil
		}
	case Boolean:
		if k == wire.True || k == wire.False {
			return BoolAtom(k == wire.True), nil
		}
	case String:
		if k == wire.String {
			s := v.Str()
			if b.Enum != nil {
				if i, ok := b.Enum.Find(StringAtom(s), String); ok {
					return b.Enum.Key(i), nil
				}
			}
			if a == nil {
				s = clone(s)
			}
			return StringAtom(s), nil
		}
	case UUIDType:
		return a.parseUUID(v, b, syms)
	}
	return Atom{}, SyntaxError(v, "", "expected %s", b.Type)
}

func (a *Arena) parseUUID(v wire.Value, b *BaseType, syms *SymbolTable) (Atom, error) {
	if syms != nil && v.Len() == 2 && v.Index(0).Str() == "named-uuid" && v.Index(1).Kind() == wire.String {
		name := v.Index(1).Str()
		if !IsID(name) {
			return Atom{}, SyntaxError(v, "", "named-uuid string is not a valid <id>")
		}
		s := syms.Insert(name)
		s.refer(b)
		return RefTo(&s.UUID), nil
	}
	text, err := unwrap(v, "uuid", wire.String)
	if err != nil {
		return Atom{}, err
	}
	u, ok := ParseUUID(text.Str())
	if !ok {
		return Atom{}, SyntaxError(v, "", `"%s" is not a valid UUID`, text.Str())
	}
	if a == nil {
		return UUIDAtom(u), nil
	}
	return a.UUID(u), nil
}

// AppendDatum appends d, of type t, in the notation of RFC 7047: a set of one
// as a bare atom.
func AppendDatum(dst []byte, d Datum, t *Type) []byte {
	return appendDatum(dst, d, t, wire.AppendReal)
}

// AppendExactDatum is AppendDatum, but reals keep all their digits: what was
// different remains different when it is read again.
func AppendExactDatum(dst []byte, d Datum, t *Type) []byte {
	return appendDatum(dst, d, t, wire.AppendExactReal)
}

func appendDatum(dst []byte, d Datum, t *Type, appendReal realAppender) []byte {
	if t.IsMap() {
		dst = append(dst, `["map",[`...)
		for i := range d.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendAtom(append(dst, '['), d.Key(i), t.Key.Type, appendReal)
			dst = appendAtom(append(dst, ','), d.Value(i), t.Value.Type, appendReal)
			dst = append(dst, ']')
		}
		return append(dst, "]]"...)
	}
	if d.Len() == 1 {
		return appendAtom(dst, d.Key(0), t.Key.Type, appendReal)
	}
	dst = append(dst, `["set",[`...)
	for i := range d.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendAtom(dst, d.Key(i), t.Key.Type, appendReal)
	}
	return append(dst, "]]"...)
}

// AppendAtom appends a, of type t, in the notation of RFC 7047.
func AppendAtom(dst []byte, a Atom, t AtomicType) []byte {
	return appendAtom(dst, a, t, wire.AppendReal)
}

type realAppender func(dst []byte, f float64) []byte

func appendAtom(dst []byte, a Atom, t AtomicType, appendReal realAppender) []byte {
	switch t {
	case Integer:
		return wire.AppendInt(dst, a.Int())
	case Real:
		return appendReal(dst, a.Real())
	case Boolean:
		return wire.AppendBool(dst, a.Bool())
	case String:
		return wire.AppendString(dst, a.Str())
	case UUIDType:
		return AppendUUID(dst, a.UUID())
	}
	return append(dst, "null"...)
}

// AppendUUID appends ["uuid","..."].
func AppendUUID(dst []byte, u UUID) []byte {
	dst = u.AppendText(append(dst, `["uuid","`...))
	return append(dst, `"]`...)
}
