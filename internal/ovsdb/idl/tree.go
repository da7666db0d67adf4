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
// copied again, so loading many rows costs what it costs in a tree of its own.
type node struct {
	edit *edit
	kids *[fanout]*node // nil: a leaf
	keys []uint64       // the beginnings of the UUIDs of rows, to search without touching them
	rows []*ovsdb.Row
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
				return n.rows[i]
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
	begin, end := 0, len(n.keys)
	for begin < end {
		at := int(uint(begin+end) >> 1)
		c := cmp.Compare(n.keys[at], key)
		if c == 0 {
			c = n.rows[at].UUID.Compare(*id)
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
		return int(n.keys[i] >> (60 - 4*depth) & 15)
	}
	return nibble(&n.rows[i].UUID, depth)
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
	// Room for one more, which is what the copy is for most of the time.
	m.keys = append(make([]uint64, 0, len(n.keys)+1), n.keys...)
	m.rows = append(make([]*ovsdb.Row, 0, len(n.rows)+1), n.rows...)
	return m
}

// set returns n, at depth, with row in place of the one with its UUID, and whether
// there was none.
func (n *node) set(e *edit, depth int, row *ovsdb.Row) (_ *node, added bool) {
	if n == nil {
		return &node{edit: e, keys: []uint64{keyOf(&row.UUID)}, rows: []*ovsdb.Row{row}}, true
	}
	n = n.own(e)
	if n.kids == nil {
		i, found := n.find(&row.UUID)
		if found {
			n.rows[i] = row
			return n, false
		}
		if len(n.rows) < leafMax {
			n.keys = slices.Insert(n.keys, i, keyOf(&row.UUID))
			n.rows = slices.Insert(n.rows, i, row)
			return n, true
		}
		n.split(depth)
	}
	kid := &n.kids[nibble(&row.UUID, depth)]
	*kid, added = (*kid).set(e, depth+1, row)
	return n, added
}

// split gives the rows of a leaf to kids.
func (n *node) split(depth int) {
	var kids [fanout]*node
	for i := range kids {
		if part := n.part(i, depth); part != nil {
			// Copied, since the kids will grow on their own.
			kids[i] = &node{edit: n.edit, keys: slices.Clone(part.keys), rows: slices.Clone(part.rows)}
		}
	}
	n.kids, n.keys, n.rows = &kids, nil, nil
}

// part returns what kid i would be if n, at depth, had kids: for a leaf, a leaf
// that shares its memory.
func (n *node) part(i, depth int) *node {
	if n.kids != nil {
		return n.kids[i]
	}
	begin := 0
	for begin < len(n.keys) && n.nibbleAt(begin, depth) < i {
		begin++
	}
	end := begin
	for end < len(n.keys) && n.nibbleAt(end, depth) == i {
		end++
	}
	if begin == end {
		return nil
	}
	return &node{keys: n.keys[begin:end], rows: n.rows[begin:end]}
}

// remove returns n, at depth, without the row called id, and whether it was there.
func (n *node) remove(e *edit, depth int, id ovsdb.UUID) (_ *node, removed bool) {
	if n == nil {
		return nil, false
	}
	if n.kids == nil {
		i, found := n.find(&id)
		switch {
		case !found:
			return n, false
		case len(n.rows) == 1:
			return nil, true
		}
		n = n.own(e)
		n.keys = slices.Delete(n.keys, i, i+1)
		n.rows = slices.Delete(n.rows, i, i+1)
		return n, true
	}
	k := nibble(&id, depth)
	kid, removed := n.kids[k].remove(e, depth+1, id)
	if !removed {
		return n, false
	}
	n = n.own(e)
	n.kids[k] = kid
	if *n.kids == ([fanout]*node{}) {
		return nil, true
	}
	return n, true
}

// each calls visit for the rows in the order of their UUIDs, until it returns false.
func (n *node) each(visit func(*ovsdb.Row) bool) bool {
	if n == nil {
		return true
	}
	for _, row := range n.rows {
		if !visit(row) {
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
		c := cmp.Compare(a.keys[i], b.keys[j])
		if c == 0 && a.rows[i] != b.rows[j] {
			c = a.rows[i].UUID.Compare(b.rows[j].UUID)
		}
		switch {
		case c < 0:
			visit(a.rows[i], nil)
			i++
		case c > 0:
			visit(nil, b.rows[j])
			j++
		default:
			if a.rows[i] != b.rows[j] {
				visit(a.rows[i], b.rows[j])
			}
			i++
			j++
		}
	}
	for ; i < len(a.rows); i++ {
		visit(a.rows[i], nil)
	}
	for ; j < len(b.rows); j++ {
		visit(nil, b.rows[j])
	}
}
