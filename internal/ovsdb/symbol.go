package ovsdb

import (
	"bytes"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Symbol is a name that stands for the UUID of a row within a transaction.
type Symbol struct {
	UUID      UUID
	Created   bool // a row was inserted under the name
	StrongRef bool // a strong reference was made by the name
	WeakRef   bool // a weak reference was made by the name
}

// SymbolTable holds the names of a transaction: those of named-uuid in JSON,
// or of @name (with the @) in the text notation. They share memory with what they were parsed from, as long as the table is
// there. The zero table is ready.
type SymbolTable struct {
	byName map[string]*Symbol
	spare  []Symbol // memory for more of them
	expect int
	last   parsed
	refs   []reference
}

// longValue is from how many bytes of text on it is worth while to look whether a value was parsed before.
const longValue = 128

// parsed is the long set or map of a row that was parsed last. Many rows of a transaction may have the same: switches that all
// flood to the same locators, each by a set of its own. They share its memory then.
type parsed struct {
	t     *Type // of a column
	text  []byte
	value Datum
}

// reference is the reference that a column of a row had last. Rows of a transaction mostly have the same as the row before:
// MACs of one switch, behind one locator.
type reference struct {
	t    *Type // of the column
	text []byte
	id   UUID
}

// mostRefs is of how many columns references are remembered.
const mostRefs = 8

// known returns the reference of a column, if its text is the one of the last.
func (st *SymbolTable) known(t *Type, text []byte) (id UUID, ok bool) {
	for i := range st.refs {
		if r := &st.refs[i]; r.t == t {
			return r.id, bytes.Equal(r.text, text)
		}
	}
	return UUID{}, false
}

// remember notes the reference of a column.
func (st *SymbolTable) remember(t *Type, text []byte, id UUID) {
	for i := range st.refs {
		if r := &st.refs[i]; r.t == t {
			r.text, r.id = text, id
			return
		}
	}
	if len(st.refs) < mostRefs {
		st.refs = append(st.refs, reference{t, text, id})
	}
}

// Expect says that there may be so many symbols: then the first takes the memory for all of them.
func (st *SymbolTable) Expect(n int) { st.expect = n }

// Get returns the symbol called name, or nil.
func (st *SymbolTable) Get(name string) *Symbol { return st.byName[name] }

// Insert returns the symbol called name, made with a new UUID if need be.
func (st *SymbolTable) Insert(name string) *Symbol {
	if s := st.byName[name]; s != nil {
		return s
	}
	return st.Put(name, NewUUID(), false)
}

// Rename has a name stand for another UUID from now on. What was parsed before refers to the one that it had.
func (st *SymbolTable) Rename(name string, u UUID) *Symbol {
	renamed := *st.byName[name]
	renamed.UUID = u
	st.byName[name] = &renamed
	st.last, st.refs = parsed{}, nil
	return &renamed
}

// parseMany is that function for a value of a column. What is long and was parsed last is not parsed again.
func (st *SymbolTable) parseMany(v wire.Value, t *Type) (Datum, error) {
	text := v.Raw()
	if len(text) < longValue {
		return parseMany(v, t, st)
	}
	if st.last.t == t && bytes.Equal(st.last.text, text) {
		return st.last.value, nil
	}
	d, err := parseMany(v, t, st)
	if err == nil {
		st.last = parsed{t, text, d}
	}
	return d, err
}

// symbolBlock is how many symbols have memory together at most: a set that refers to one of them keeps it.
const symbolBlock = 32

// Put adds the symbol called name, which must not exist, and returns it.
func (st *SymbolTable) Put(name string, u UUID, created bool) *Symbol {
	if st.byName == nil {
		st.byName = make(map[string]*Symbol, st.expect)
	}
	if len(st.spare) == 0 {
		st.spare = make([]Symbol, min(1+len(st.byName), symbolBlock))
	}
	s := &st.spare[0]
	st.spare = st.spare[1:]
	*s = Symbol{UUID: u, Created: created}
	st.byName[name] = s
	return s
}

// All returns the symbols by their names. The map must not be changed.
func (st *SymbolTable) All() map[string]*Symbol { return st.byName }

// refer notes that a reference of type b was made by the symbol.
func (s *Symbol) refer(b *BaseType) {
	if b.IsRef() {
		if b.Weak {
			s.WeakRef = true
		} else {
			s.StrongRef = true
		}
	}
}
