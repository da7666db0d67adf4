package ovsdb

import (
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Type is the type of a column: a scalar, a set, or a map. Value.Type is Void
// for all but maps.
type Type struct {
	Key, Value BaseType
	Min, Max   int // how many elements; Max may be Unlimited
}

// ScalarType returns the type of one t without constraints.
func ScalarType(t AtomicType) Type { return Type{Key: NewBaseType(t), Min: 1, Max: 1} }

// IsScalar reports whether t is exactly one atom.
func (t *Type) IsScalar() bool { return t.Value.Type == Void && t.Min == 1 && t.Max == 1 }

// IsOptional reports whether t may be empty.
func (t *Type) IsOptional() bool { return t.Min == 0 }

// IsOptionalScalar reports whether t is none or one atom.
func (t *Type) IsOptionalScalar() bool { return t.Value.Type == Void && t.Min == 0 && t.Max == 1 }

// IsComposite reports whether t may hold more than one element. A change of
// such a column is sent as the difference, that of others as the new value.
func (t *Type) IsComposite() bool { return t.Max > 1 }

// IsSet reports whether t is a set and not a scalar; an optional scalar is a set.
func (t *Type) IsSet() bool { return t.Value.Type == Void && (t.Min != 1 || t.Max != 1) }

// IsMap reports whether t is a map.
func (t *Type) IsMap() bool { return t.Value.Type != Void }

// HasWeakRefs reports whether keys or values are weak references.
func (t *Type) HasWeakRefs() bool { return t.Key.IsWeakRef() || t.Value.IsWeakRef() }

// Equal reports whether t and u are the same type.
func (t *Type) Equal(u *Type) bool {
	return t.Min == u.Min && t.Max == u.Max && t.Key.Equal(&u.Key) && t.Value.Equal(&u.Value)
}

// English describes t as error messages do: "set of up to 2 strings".
func (t *Type) English() string {
	if t.IsScalar() {
		return t.Key.Type.String()
	}
	s := "set"
	if t.IsMap() {
		s = "map"
	}
	switch {
	case t.Max == Unlimited && t.Min > 0:
		s += fmt.Sprintf(" of %d or more", t.Min)
	case t.Max == Unlimited:
		s += " of"
	case t.Min > 0:
		s += fmt.Sprintf(" of %d to %d", t.Min, t.Max)
	default:
		s += fmt.Sprintf(" of up to %d", t.Max)
	}
	if t.IsMap() {
		return s + fmt.Sprintf(" (%s, %s) pairs", t.Key.Type, t.Value.Type)
	}
	return s + fmt.Sprintf(" %ss", t.Key.Type)
}

// ParseType parses a <type>.
func ParseType(v wire.Value) (Type, error) {
	t := Type{Min: 1, Max: 1}
	var err error
	switch v.Kind() {
	case wire.String:
		t.Key, err = ParseBaseType(v)
		return t, err
	case wire.Object:
	default:
		return t, SyntaxError(v, "", "ovsdb type expected")
	}
	m := NewMembers(v, "ovsdb type")
	key := m.Get("key", OpString|OpObject)
	value := m.Get("value", OpString|OpObject|OpOptional)
	min := m.Get("min", OpInteger|OpOptional)
	max := m.Get("max", OpInteger|OpString|OpOptional)
	if err := m.Finish(); err != nil {
		return t, err
	}
	if t.Key, err = ParseBaseType(key); err != nil {
		return t, err
	}
	if value.Exists() {
		if t.Value, err = ParseBaseType(value); err != nil {
			return t, err
		}
	}
	if err := parseCount(min, &t.Min); err != nil {
		return t, err
	}
	if max.Str() == "unlimited" {
		t.Max = Unlimited
	} else if err := parseCount(max, &t.Max); err != nil {
		return t, err
	}
	if t.Min > 1 || t.Max < 1 {
		return t, SyntaxError(v, "", "ovsdb type fails constraint checks")
	}
	return t, nil
}

func parseCount(v wire.Value, n *int) error {
	if !v.Exists() {
		return nil
	}
	if v.Kind() != wire.Integer || v.Int() < 0 || v.Int() >= Unlimited {
		return SyntaxError(v, "", "bad min or max value")
	}
	*n = int(v.Int())
	return nil
}

// AppendJSON appends t as a <type>.
func (t *Type) AppendJSON(dst []byte) []byte {
	if t.IsScalar() && !t.Key.HasConstraints() {
		return t.Key.AppendJSON(dst)
	}
	dst = t.Key.AppendJSON(append(dst, `{"key":`...))
	if t.Max == Unlimited {
		dst = append(dst, `,"max":"unlimited"`...)
	} else if t.Max != 1 {
		dst = wire.AppendInt(append(dst, `,"max":`...), int64(t.Max))
	}
	if t.Min != 1 {
		dst = wire.AppendInt(append(dst, `,"min":`...), int64(t.Min))
	}
	if t.IsMap() {
		dst = t.Value.AppendJSON(append(dst, `,"value":`...))
	}
	return append(dst, '}')
}
