package idl

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
)

// node is a node of a radix tree that has the rows of a table by UUID, four bits
// a level. A leaf has up to leafMax rows, in the order of their UUIDs; a node with
// more has kids instead. A tree without rows is nil.
//
// Trees are persistent: a change copies the nodes on the way to the leaf, and the
// rest is shared with the tree before. Nodes made under the same edit are not
// copied again. Rows are put into a tree by a merge, many at a time.
type node struct {
	edit *edit
	kids *[fanout]*node // nil: a leaf
	rows []slot
}

// slot is a row in a leaf.
type slot struct {
	key uint64 // the beginning of its UUID, to search without touching rows
	row *ovsdb.Row
}

const (
	fanout  = 16
	leafMax = 32
)

// edit marks the nodes that one draft made and nobody else can see yet.
type edit struct{ _ byte }

// nibble returns the four bits of id that choose the kid of a node at depth.
func nibble(id *ovsdb.UUID, depth int) int {
	b := id[depth>>1]
	if depth&1 == 0 {
		return int(b >> 4)
	}
	return int(b & 15)
}

// get returns the row called id, or nil.
func (n *node) get(id ovsdb.UUID) *ovsdb.Row {
	for depth := 0; n != nil; depth++ {
		if n.kids == nil {
			if i, ok := n.find(&id); ok {
				return n.rows[i].row
			}
			return nil
		}
		n = n.kids[nibble(&id, depth)]
	}
	return nil
}

// find returns where id is, or would be, in a leaf.
func (n *node) find(id *ovsdb.UUID) (int, bool) {
	key := keyOf(id)
	begin, end := 0, len(n.rows)
	for begin < end {
		at := int(uint(begin+end) >> 1)
		c := cmp.Compare(n.rows[at].key, key)
		if c == 0 {
			c = n.rows[at].row.UUID.Compare(*id)
		}
		switch {
		case c < 0:
			begin = at + 1
		case c > 0:
			end = at
		default:
			return at, true
		}
	}
	return begin, false
}

func keyOf(id *ovsdb.UUID) uint64 { return binary.BigEndian.Uint64(id[:]) }

// nibbleAt is nibble of row i of a leaf.
func (n *node) nibbleAt(i, depth int) int {
	if depth < 16 {
		return int(n.rows[i].key >> (60 - 4*depth) & 15)
	}
	return nibble(&n.rows[i].row.UUID, depth)
}

// own returns n, or a copy if n is not of e.
func (n *node) own(e *edit) *node {
	if n.edit == e {
		return n
	}
	m := &node{edit: e}
	if n.kids != nil {
		kids := *n.kids
		m.kids = &kids
		return m
	}
	m.rows = slices.Clone(n.rows)
	return m
}

// part returns what kid i would be if n, at depth, had kids: for a leaf, a leaf
// that shares its memory.
func (n *node) part(i, depth int) *node {
	if n.kids != nil {
		return n.kids[i]
	}
	begin := 0
	for begin < len(n.rows) && n.nibbleAt(begin, depth) < i {
		begin++
	}
	end := begin
	for end < len(n.rows) && n.nibbleAt(end, depth) == i {
		end++
	}
	if begin == end {
		return nil
	}
	return &node{rows: n.rows[begin:end]}
}

// remove returns n, at depth, without the row called id, and that row; nil: it was not there.
func (n *node) remove(e *edit, depth int, id ovsdb.UUID) (_ *node, removed *ovsdb.Row) {
	if n == nil {
		return nil, nil
	}
	if n.kids == nil {
		i, found := n.find(&id)
		if !found {
			return n, nil
		}
		if removed = n.rows[i].row; len(n.rows) == 1 {
			return nil, removed
		}
		n = n.own(e)
		n.rows = slices.Delete(n.rows, i, i+1)
		return n, removed
	}
	k := nibble(&id, depth)
	kid, removed := n.kids[k].remove(e, depth+1, id)
	if removed == nil {
		return n, nil
	}
	n = n.own(e)
	n.kids[k] = kid
	if *n.kids == ([fanout]*node{}) {
		return nil, removed
	}
	return n, removed
}

// each calls visit for the rows in the order of their UUIDs, until it returns false.
func (n *node) each(visit func(*ovsdb.Row) bool) bool {
	if n == nil {
		return true
	}
	for _, s := range n.rows {
		if !visit(s.row) {
			return false
		}
	}
	if n.kids != nil {
		for _, kid := range n.kids {
			if !kid.each(visit) {
				return false
			}
		}
	}
	return true
}

// compare calls visit for the rows in which the trees a and b, at depth, differ:
// with nil for a row that one of them lacks. What they share is not looked at.
func compare(a, b *node, depth int, visit func(before, after *ovsdb.Row)) {
	switch {
	case a == b:
	case a == nil:
		b.each(func(row *ovsdb.Row) bool { visit(nil, row); return true })
	case b == nil:
		a.each(func(row *ovsdb.Row) bool { visit(row, nil); return true })
	case a.kids == nil && b.kids == nil:
		compareLeaves(a, b, visit)
	default:
		for i := range fanout {
			compare(a.part(i, depth), b.part(i, depth), depth+1, visit)
		}
	}
}

func compareLeaves(a, b *node, visit func(before, after *ovsdb.Row)) {
	i, j := 0, 0
	for i < len(a.rows) && j < len(b.rows) {
		before, after := a.rows[i].row, b.rows[j].row
		c := cmp.Compare(a.rows[i].key, b.rows[j].key)
		if c == 0 && before != after {
			c = before.UUID.Compare(after.UUID)
		}
		switch {
		case c < 0:
			visit(before, nil)
			i++
		case c > 0:
			visit(nil, after)
			j++
		default:
			if before != after {
				visit(before, after)
			}
			i++
			j++
		}
	}
	for _, s := range a.rows[i:] {
		visit(s.row, nil)
	}
	for _, s := range b.rows[j:] {
		visit(nil, s.row)
	}
}
