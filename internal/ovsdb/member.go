package ovsdb

import (
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// MemberTypes is a set of kinds of JSON values that a member may have.
type MemberTypes uint16

// The members of a MemberTypes. ID is a string that is an <id> of RFC 7047.
const (
	OpNull MemberTypes = 1 << iota
	OpFalse
	OpTrue
	OpObject
	OpArray
	OpInteger
	OpReal
	OpString
	OpID
	OpOptional

	OpBoolean = OpFalse | OpTrue
	OpNumber  = OpInteger | OpReal
	OpAny     = OpNull | OpBoolean | OpObject | OpArray | OpNumber | OpString
)

func memberType(k wire.Kind) MemberTypes {
	switch k {
	case wire.Null:
		return OpNull
	case wire.False:
		return OpFalse
	case wire.True:
		return OpTrue
	case wire.Object:
		return OpObject
	case wire.Array:
		return OpArray
	case wire.Integer:
		return OpInteger
	case wire.Real:
		return OpReal
	case wire.String:
		return OpString
	}
	return 0
}

// Members checks the members of a JSON object: those wanted are there, have
// the right type, and no other is there. The first error is kept.
type Members struct {
	object wire.Value // absent if what was given is no object
	name   string
	number [2]int // that it is called by beside name: it is one of so many; 0: nothing
	used   []string
	err    *Error
}

// NewMembers begins to check v, which errors call name, as in "database schema".
func NewMembers(v wire.Value, name string) *Members {
	m := &Members{}
	m.Begin(v, name, 0, 0)
	return m
}

// Begin begins to check v, which errors call name, and "i of n" unless n is 0. What was checked
// before is forgotten.
func (m *Members) Begin(v wire.Value, name string, i, n int) {
	*m = Members{name: name, number: [2]int{i, n}, used: m.used[:0]}
	if v.Kind() != wire.Object {
		m.Raise("Object expected.")
		return
	}
	m.object = v
}

// Get returns the member called name. It is absent if it is missing, which is
// an error unless types has OpOptional, or of another type.
func (m *Members) Get(name string, types MemberTypes) wire.Value {
	if !m.object.Exists() {
		return wire.Value{}
	}
	v := m.object.Get(name)
	if !v.Exists() {
		if types&OpOptional == 0 {
			m.Raise("Required '%s' member is missing.", name)
		}
		return wire.Value{}
	}
	if types&memberType(v.Kind()) == 0 &&
		(types&OpID == 0 || v.Kind() != wire.String || !IsID(v.Str())) {
		m.Raise("Type mismatch for member '%s'.", name)
		return wire.Value{}
	}
	if !slices.Contains(m.used, name) {
		m.used = append(m.used, name)
	}
	return v
}

// Raise notes an error, unless there is one already.
func (m *Members) Raise(format string, args ...any) {
	if m.err != nil {
		return
	}
	name := m.name
	if m.number[1] != 0 {
		name = fmt.Sprintf("%s %d of %d", name, m.number[0], m.number[1])
	}
	m.err = SyntaxError(m.object, "", "Parsing %s failed: %s", name, fmt.Sprintf(format, args...))
}

// Failed reports whether there is an error so far.
func (m *Members) Failed() bool { return m.err != nil }

// Err returns the error so far, or nil.
func (m *Members) Err() error {
	if m.err == nil {
		return nil
	}
	return m.err
}

// Finish returns the error, if there is one: members that nobody asked for are one.
func (m *Members) Finish() error {
	if m.err != nil {
		return m.err
	}
	unused := m.object.Len() - len(m.used)
	if unused == 0 {
		return nil
	}
	for name := range m.object.Members() {
		if slices.Contains(m.used, name) {
			continue
		}
		switch unused {
		case 1:
			m.Raise("Member '%s' is present but not allowed here.", name)
		case 2:
			m.Raise("Member '%s' and 1 other member are present but not allowed here.", name)
		default:
			m.Raise("Member '%s' and %d other members are present but not allowed here.", name, unused-1)
		}
		break
	}
	return m.Err()
}

// IsID reports whether s is an <id>: a letter or underscore, then letters,
// digits and underscores.
func IsID(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}
