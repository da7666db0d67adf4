package ovsdb

import (
	"math"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// BaseType is an atomic type with its constraints. Only the constraints of its
// Type mean something, and the zero of them is not "none": use NewBaseType.
type BaseType struct {
	Type AtomicType

	Enum *Datum // the set of valid values; nil: no enumeration

	MinInt, MaxInt   int64   // Integer
	MinReal, MaxReal float64 // Real
	MinLen, MaxLen   int     // String; in characters
	RefTable         string  // UUIDType: the table referred to; "": not a reference
	Weak             bool    // UUIDType: the reference is weak
}

// NewBaseType returns the type t without constraints.
func NewBaseType(t AtomicType) BaseType {
	b := BaseType{Type: t}
	switch t {
	case Integer:
		b.MinInt, b.MaxInt = math.MinInt64, math.MaxInt64
	case Real:
		b.MinReal, b.MaxReal = -math.MaxFloat64, math.MaxFloat64
	case String:
		b.MaxLen = Unlimited
	}
	return b
}

// enumType returns the type of the Enum of a BaseType of type t.
func enumType(t AtomicType) *Type {
	return &Type{Key: NewBaseType(t), Min: 1, Max: Unlimited}
}

// IsRef reports whether b is a reference to a table.
func (b *BaseType) IsRef() bool { return b.Type == UUIDType && b.RefTable != "" }

// IsStrongRef reports whether b is a strong reference.
func (b *BaseType) IsStrongRef() bool { return b.IsRef() && !b.Weak }

// IsWeakRef reports whether b is a weak reference.
func (b *BaseType) IsWeakRef() bool { return b.IsRef() && b.Weak }

// HasConstraints reports whether b allows less than its atomic type does.
func (b *BaseType) HasConstraints() bool {
	if b.Enum != nil {
		return true
	}
	switch b.Type {
	case Integer:
		return b.MinInt != math.MinInt64 || b.MaxInt != math.MaxInt64
	case Real:
		return b.MinReal != -math.MaxFloat64 || b.MaxReal != math.MaxFloat64
	case String:
		return b.MinLen != 0 || b.MaxLen != Unlimited
	case UUIDType:
		return b.RefTable != ""
	}
	return false
}

// Equal reports whether b and c are the same type.
func (b *BaseType) Equal(c *BaseType) bool {
	if b.Type != c.Type || (b.Enum == nil) != (c.Enum == nil) {
		return false
	}
	if b.Enum != nil && !b.Enum.Equal(*c.Enum, enumType(b.Type)) {
		return false
	}
	switch b.Type {
	case Integer:
		return b.MinInt == c.MinInt && b.MaxInt == c.MaxInt
	case Real:
		return b.MinReal == c.MinReal && b.MaxReal == c.MaxReal
	case String:
		return b.MinLen == c.MinLen && b.MaxLen == c.MaxLen
	case UUIDType:
		return b.Weak == c.Weak && b.RefTable == c.RefTable
	}
	return true
}

// ParseBaseType parses a <base-type>.
func ParseBaseType(v wire.Value) (BaseType, error) {
	if v.Kind() == wire.String {
		t, err := parseAtomicType(v)
		return NewBaseType(t), err
	}
	m := NewMembers(v, "ovsdb type")
	name := m.Get("type", OpString)
	if m.Failed() {
		return BaseType{}, m.Finish()
	}
	t, err := parseAtomicType(name)
	if err != nil {
		return BaseType{}, err
	}
	b := NewBaseType(t)
	if enum := m.Get("enum", OpAny|OpOptional); enum.Exists() {
		d, err := ParseDatum(enum, enumType(t), nil)
		if err != nil {
			return BaseType{}, err
		}
		d = d.Clone(enumType(t))
		b.Enum = &d
	} else if err := b.parseConstraints(m, v); err != nil {
		return BaseType{}, err
	}
	if err := m.Finish(); err != nil {
		return BaseType{}, err
	}
	return b, nil
}

func parseAtomicType(v wire.Value) (AtomicType, error) {
	if v.Kind() != wire.String {
		return Void, SyntaxError(v, "", "atomic-type expected")
	}
	t, ok := ParseAtomicType(v.Str())
	if !ok {
		return Void, SyntaxError(v, "", `"%s" is not an atomic-type`, v.Str())
	}
	return t, nil
}

// parseConstraints reads the members that go with b.Type. v is the whole type.
func (b *BaseType) parseConstraints(m *Members, v wire.Value) error {
	switch b.Type {
	case Integer:
		if min := m.Get("minInteger", OpInteger|OpOptional); min.Exists() {
			b.MinInt = min.Int()
		}
		if max := m.Get("maxInteger", OpInteger|OpOptional); max.Exists() {
			b.MaxInt = max.Int()
		}
		if b.MinInt > b.MaxInt {
			return SyntaxError(v, "", "minInteger exceeds maxInteger")
		}
	case Real:
		if min := m.Get("minReal", OpNumber|OpOptional); min.Exists() {
			b.MinReal = min.Real()
		}
		if max := m.Get("maxReal", OpNumber|OpOptional); max.Exists() {
			b.MaxReal = max.Real()
		}
		if b.MinReal > b.MaxReal {
			return SyntaxError(v, "", "minReal exceeds maxReal")
		}
	case String:
		if err := parseLength(m, "minLength", &b.MinLen); err != nil {
			return err
		}
		if err := parseLength(m, "maxLength", &b.MaxLen); err != nil {
			return err
		}
		if b.MinLen > b.MaxLen {
			return SyntaxError(v, "", "minLength exceeds maxLength")
		}
	case UUIDType:
		return b.parseRef(m)
	}
	return nil
}

func parseLength(m *Members, name string, n *int) error {
	v := m.Get(name, OpInteger|OpOptional)
	if !v.Exists() {
		return nil
	}
	if v.Int() < 0 || v.Int() > Unlimited {
		return SyntaxError(v, "", "%s out of valid range 0 to %d", name, Unlimited)
	}
	*n = int(v.Int())
	return nil
}

func (b *BaseType) parseRef(m *Members) error {
	table := m.Get("refTable", OpID|OpOptional)
	if !table.Exists() {
		return nil
	}
	b.RefTable = clone(table.Str())
	kind := m.Get("refType", OpID|OpOptional)
	if !kind.Exists() {
		return nil
	}
	switch kind.Str() {
	case "strong":
	case "weak":
		b.Weak = true
	default:
		return SyntaxError(m.object, "", `refType must be "strong" or "weak" (not "%s")`, kind.Str())
	}
	return nil
}

// AppendJSON appends b as a <base-type>.
func (b *BaseType) AppendJSON(dst []byte) []byte {
	if !b.HasConstraints() {
		return wire.AppendString(dst, b.Type.String())
	}
	dst = append(dst, '{')
	if b.Enum != nil {
		dst = AppendDatum(append(dst, `"enum":`...), *b.Enum, enumType(b.Type))
		dst = append(dst, ',')
	}
	switch b.Type {
	case Integer:
		if b.MaxInt != math.MaxInt64 {
			dst = append(wire.AppendInt(append(dst, `"maxInteger":`...), b.MaxInt), ',')
		}
		if b.MinInt != math.MinInt64 {
			dst = append(wire.AppendInt(append(dst, `"minInteger":`...), b.MinInt), ',')
		}
	case Real:
		if b.MaxReal != math.MaxFloat64 {
			dst = append(wire.AppendReal(append(dst, `"maxReal":`...), b.MaxReal), ',')
		}
		if b.MinReal != -math.MaxFloat64 {
			dst = append(wire.AppendReal(append(dst, `"minReal":`...), b.MinReal), ',')
		}
	case String:
		if b.MaxLen != Unlimited {
			dst = append(wire.AppendInt(append(dst, `"maxLength":`...), int64(b.MaxLen)), ',')
		}
		if b.MinLen != 0 {
			dst = append(wire.AppendInt(append(dst, `"minLength":`...), int64(b.MinLen)), ',')
		}
	case UUIDType:
		if b.RefTable != "" {
			dst = append(wire.AppendString(append(dst, `"refTable":`...), b.RefTable), ',')
			if b.Weak {
				dst = append(dst, `"refType":"weak",`...)
			}
		}
	}
	dst = wire.AppendString(append(dst, `"type":`...), b.Type.String())
	return append(dst, '}')
}
