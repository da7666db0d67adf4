package ovsdb

import (
	"unsafe"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Arena is memory for rows in the making, from the text of their values until NewRow or Seal
// has packed them. The zero Arena is ready. Reset has its memory used again: what was made with
// it, and is not sealed, is void then.
type Arena struct {
	uuids  chunks[UUID]
	values chunks[Datum]
	drafts chunks[wideRow]
}

// ParseDatum is the function of that name, but the strings of a set of one share memory with v,
// and the UUID with a.
func (a *Arena) ParseDatum(v wire.Value, t *Type, syms *SymbolTable) (Datum, error) {
	ref := t.Key.Type == UUIDType && a != nil && syms != nil
	if ref {
		if id, ok := syms.known(t, v.Raw()); ok {
			return Scalar(a.UUID(id)), nil
		}
	}
	if !t.IsMap() && (v.Kind() != wire.Array || v.Index(0).Str() != "set") {
		atom, err := a.parseAtom(v, &t.Key, syms)
		if err == nil {
			err = t.Key.Check(atom)
		}
		if err != nil {
			return Datum{}, err
		}
		if ref {
			syms.remember(t, v.Raw(), atom.UUID())
		}
		return Scalar(atom), nil
	}
	if a == nil || syms == nil {
		return parseMany(v, t, syms)
	}
	return syms.parseMany(v, t)
}

// Values returns a copy of values, for a Draft.
func (a *Arena) Values(values []Datum) []Datum {
	own := a.values.take(len(values))
	copy(own, values)
	return own
}

// Draft returns a row that can be read like any other, and changed: its values are those given,
// of the same memory. Seal makes the Row of it that stays.
func (a *Arena) Draft(id UUID, values []Datum) *Row {
	w := &a.drafts.take(1)[0]
	*w = wideRow{Row{UUID: id, n: isDraft}, values}
	return &w.Row
}

// Edit returns a Draft that has the values and the version of r.
func (a *Arena) Edit(r *Row) *Row {
	d := a.Draft(r.UUID, r.AppendValues(a.values.take(r.Len())[:0]))
	d.version = r.version
	return d
}

// IsDraft reports whether r is a Draft.
func (r *Row) IsDraft() bool { return r.n == isDraft }

// Draft returns the values of a Draft, to be changed.
func (r *Row) Draft() []Datum { return r.wide().fields }

// Seal returns the row that a Draft has become; others are what they are.
func (r *Row) Seal() *Row {
	if !r.IsDraft() {
		return r
	}
	s := NewRow(r.UUID, r.wide().fields)
	s.version = r.version
	return s
}

// Reset makes all memory of a free.
func (a *Arena) Reset() {
	a.uuids.reset()
	a.values.reset()
	a.drafts.reset()
}

// UUID returns a UUIDType atom whose memory is that of a.
func (a *Arena) UUID(u UUID) Atom {
	own := &a.uuids.take(1)[0]
	*own = u
	return RefTo(own)
}

// chunks gives out memory piece by piece.
type chunks[T any] struct {
	first []T  // the first chunk, which stays
	rest  []T  // of the present chunk, what is not given out
	more  bool // the present chunk is not the first
}

// Sizes of chunks, in bytes: of the first, and of others.
const (
	firstChunk = 1 << 10
	nextChunk  = 64 << 10
)

// take gives n elements, which are zero unless they were given before.
func (c *chunks[T]) take(n int) []T {
	if n > len(c.rest) {
		var zero T
		size := nextChunk
		if c.first == nil {
			size = firstChunk
		}
		c.rest = make([]T, max(n, size/int(unsafe.Sizeof(zero))))
		if c.more = c.first != nil; !c.more {
			c.first = c.rest
		}
	}
	taken := c.rest[:n:n]
	c.rest = c.rest[n:]
	return taken
}

// reset keeps the first chunk, with nothing in it that it would keep from being freed.
func (c *chunks[T]) reset() {
	given := c.first
	if !c.more {
		given = given[:len(given)-len(c.rest)]
	}
	clear(given)
	c.rest, c.more = c.first, false
}
