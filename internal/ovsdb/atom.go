package ovsdb

import (
	"cmp"
	"encoding/binary"
	"math"
	"strings"
	"unsafe"
)

// AtomicType is the type of an atom.
type AtomicType uint8

// The atomic types. Void is the type of the values of a set.
const (
	Void AtomicType = iota
	Integer
	Real
	Boolean
	String
	UUIDType
)

var atomicTypeNames = [...]string{"void", "integer", "real", "boolean", "string", "uuid"}

// String returns the name of t in schemas.
func (t AtomicType) String() string {
	if int(t) < len(atomicTypeNames) {
		return atomicTypeNames[t]
	}
	return "<invalid>"
}

// ParseAtomicType returns the type named name; "void" is none.
func ParseAtomicType(name string) (AtomicType, bool) {
	for t := Integer; t <= UUIDType; t++ {
		if atomicTypeNames[t] == name {
			return t, true
		}
	}
	return Void, false
}

// Atom is one value of an atomic type. It does not know its type: the column
// it belongs to does. The zero Atom is the default of every type. Atoms must
// not be compared with ==; use CompareAtoms.
type Atom struct {
	p unsafe.Pointer // String: the bytes; UUIDType: a *UUID; otherwise nil
	n uint64         // Integer, Real, Boolean: the bits; String: the length
}

// IntAtom returns an Integer.
func IntAtom(i int64) Atom { return Atom{n: uint64(i)} }

// RealAtom returns a Real.
func RealAtom(f float64) Atom { return Atom{n: math.Float64bits(f)} }

// BoolAtom returns a Boolean.
func BoolAtom(b bool) Atom {
	if b {
		return Atom{n: 1}
	}
	return Atom{}
}

// StringAtom returns a String that shares memory with s.
func StringAtom(s string) Atom {
	if s == "" {
		return Atom{}
	}
	return Atom{p: unsafe.Pointer(unsafe.StringData(s)), n: uint64(len(s))}
}

// UUIDAtom returns a UUIDType atom with storage of its own.
func UUIDAtom(u UUID) Atom { return RefTo(&u) }

// RefTo returns a UUIDType atom that shares *u, which must not change
// afterwards. Many references to one row so cost no memory.
func RefTo(u *UUID) Atom { return Atom{p: unsafe.Pointer(u)} }

// Int returns the value of an Integer.
func (a Atom) Int() int64 { return int64(a.n) }

// Real returns the value of a Real.
func (a Atom) Real() float64 { return math.Float64frombits(a.n) }

// Bool returns the value of a Boolean.
func (a Atom) Bool() bool { return a.n != 0 }

// Str returns the value of a String.
func (a Atom) Str() string { return unsafe.String((*byte)(a.p), int(a.n)) }

// UUID returns the value of a UUIDType atom.
func (a Atom) UUID() UUID {
	if a.p == nil {
		return UUID{}
	}
	return *(*UUID)(a.p)
}

// IsDefault reports whether a is the default of type t: 0, false, "" or the
// zero UUID.
func (a Atom) IsDefault(t AtomicType) bool {
	switch t {
	case Real:
		return a.Real() == 0
	case UUIDType:
		return a.UUID().IsZero()
	}
	return a.n == 0
}

// CompareAtoms orders two atoms of type t: it returns -1, 0 or 1. Strings are
// compared byte by byte.
func CompareAtoms(t AtomicType, a, b Atom) int {
	switch t {
	case Integer:
		return cmp.Compare(int64(a.n), int64(b.n))
	case Real:
		x, y := a.Real(), b.Real()
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	case Boolean:
		return cmp.Compare(a.n, b.n)
	case String:
		return strings.Compare(a.Str(), b.Str())
	case UUIDType:
		if a.p == b.p {
			return 0
		}
		return a.UUID().Compare(b.UUID())
	}
	return 0
}

// EqualAtoms reports whether two atoms of type t are equal.
func EqualAtoms(t AtomicType, a, b Atom) bool {
	switch t {
	case String:
		return a.n == b.n && (a.p == b.p || a.Str() == b.Str())
	case Integer, Boolean:
		return a.n == b.n
	}
	return CompareAtoms(t, a, b) == 0
}

// AppendKey appends a binary form of a, of type t, that is equal exactly for
// equal atoms and is no prefix of another: to build map keys from. The order of
// the forms means nothing.
func (a Atom) AppendKey(dst []byte, t AtomicType) []byte {
	switch t {
	case Boolean:
		return append(dst, byte(a.n))
	case String:
		dst = binary.AppendUvarint(dst, a.n)
		return append(dst, a.Str()...)
	case UUIDType:
		u := a.UUID()
		return append(dst, u[:]...)
	case Real:
		if a.Real() == 0 {
			a = Atom{} // -0 equals 0
		}
	}
	return binary.BigEndian.AppendUint64(dst, a.n)
}
