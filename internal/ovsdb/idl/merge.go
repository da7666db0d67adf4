package idl

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
)

// merge is rows on their way into a tree, all at once: each node on the way is copied once, and each leaf is made with
// the room that it needs. UUIDs are random, so that of ten thousand rows among a million nearly each is in another leaf.
type merge struct {
	edit  *edit
	rows  []*ovsdb.Row
	added int                            // rows that the tree did not have
	one   [1]entry                       // memory for as many
	tell  func(before, after *ovsdb.Row) // is called for each row, in the order of their UUIDs; may be nil
}

// entry is a row of a merge. There is no pointer in it: to sort entries costs the collector nothing.
type entry struct {
	key uint64 // the beginning of the UUID
	row uint32 // its place in rows
}

// entries returns those of all rows, in the order of their UUIDs; of those with the same the last one.
func (m *merge) entries() []entry {
	all := m.one[:]
	if len(m.rows) != len(all) {
		all = make([]entry, len(m.rows))
	}
	for i, row := range m.rows {
		all[i] = entry{keyOf(&row.UUID), uint32(i)}
	}
	var scratch []entry
	if len(all) > fewEntries {
		scratch = make([]entry, len(all))
	}
	m.sort(all, scratch, 56)
	return m.unique(all)
}

// unique drops all but the last of those with the same UUID.
func (m *merge) unique(all []entry) []entry {
	n := 0
	for i, e := range all {
		if i+1 < len(all) && all[i+1].key == e.key && m.rows[all[i+1].row].UUID == m.rows[e.row].UUID {
			continue
		}
		all[n] = e
		n++
	}
	return all[:n]
}

// fewEntries is up to how many are sorted one by one.
const fewEntries = 24

// sort sorts entries, which stay in their order where UUIDs are the same, by the byte of their keys at shift and those
// below: what is above is the same in all.
func (m *merge) sort(all, scratch []entry, shift int) {
	if len(all) <= fewEntries {
		for i := 1; i < len(all); i++ {
			e, at := all[i], i
			for at > 0 && m.compare(all[at-1], e) > 0 {
				all[at] = all[at-1]
				at--
			}
			all[at] = e
		}
		return
	}
	if shift < 0 {
		slices.SortStableFunc(all, m.compare)
		return
	}
	var ends [256]int
	for _, e := range all {
		ends[byte(e.key>>shift)]++
	}
	at := 0
	for i, n := range ends {
		ends[i] = at
		at += n
	}
	for _, e := range all {
		i := byte(e.key >> shift)
		scratch[ends[i]] = e
		ends[i]++
	}
	copy(all, scratch)
	begin := 0
	for _, end := range ends {
		if end-begin > 1 {
			m.sort(all[begin:end], scratch[begin:end], shift-8)
		}
		begin = end
	}
}

func (m *merge) compare(a, b entry) int {
	switch {
	case a.key < b.key:
		return -1
	case a.key > b.key:
		return 1
	}
	return m.rows[a.row].UUID.Compare(m.rows[b.row].UUID)
}

// nibble is that of an entry: see nibble.
func (m *merge) nibble(e entry, depth int) int {
	if depth < 16 {
		return int(e.key >> (60 - 4*depth) & 15)
	}
	return nibble(&m.rows[e.row].UUID, depth)
}

// into returns n, at depth, with the entries in place of those with their UUIDs.
func (m *merge) into(n *node, depth int, entries []entry) *node {
	switch {
	case len(entries) == 0:
		return n
	case n == nil && len(entries) <= leafMax, n != nil && n.kids == nil && m.fits(n, entries):
		return m.leaf(n, entries)
	}
	kids := new([fanout]*node)
	if n != nil && n.kids != nil {
		n = n.own(m.edit)
		kids = n.kids
	}
	for i := range kids {
		var kid *node
		if n != nil {
			kid = n.part(i, depth)
		}
		end := 0
		for end < len(entries) && m.nibble(entries[end], depth) == i {
			end++
		}
		if end == 0 && kid != nil && n.kids == nil {
			kid = &node{edit: m.edit, rows: slices.Clone(kid.rows)} // not to keep all of n
		}
		kids[i] = m.into(kid, depth+1, entries[:end])
		entries = entries[end:]
	}
	if n != nil && n.kids != nil {
		return n
	}
	return &node{edit: m.edit, kids: kids}
}

// fits says whether a leaf has room for the entries.
func (m *merge) fits(n *node, entries []entry) bool {
	size := len(n.rows) + len(entries)
	if size <= leafMax {
		return true
	}
	if len(entries) > leafMax {
		return false
	}
	for _, e := range entries {
		if _, found := n.find(&m.rows[e.row].UUID); found {
			size--
		}
	}
	return size <= leafMax
}

// leaf makes one of the rows of n, which is a leaf or nil, and the entries.
func (m *merge) leaf(n *node, entries []entry) *node {
	var old []slot
	if n != nil {
		old = n.rows
	}
	rows := make([]slot, 0, len(old)+len(entries))
	for _, e := range entries {
		row := m.rows[e.row]
		at := 0
		for at < len(old) && (old[at].key < e.key || old[at].key == e.key && old[at].row.UUID.Compare(row.UUID) < 0) {
			at++
		}
		rows, old = append(rows, old[:at]...), old[at:]
		var before *ovsdb.Row
		if len(old) > 0 && old[0].key == e.key && old[0].row.UUID == row.UUID {
			before, old = old[0].row, old[1:]
		} else {
			m.added++
		}
		rows = append(rows, slot{e.key, row})
		if m.tell != nil {
			m.tell(before, row)
		}
	}
	return &node{edit: m.edit, rows: append(rows, old...)}
}
