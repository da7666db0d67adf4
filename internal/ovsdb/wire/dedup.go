package wire

import "hash/maphash"

// seed keeps peers from choosing names that collide.
var seed = maphash.MakeSeed()

// dedup removes from the object at node at, which is the last on the tape and
// has count members, all but the last of the members with equal names.
func (p *parser) dedup(at uint32, count int) {
	doc := document{src: p.src, nodes: p.nodes, esc: p.esc}
	p.names = p.names[:0]
	for i := at + 1; i < uint32(len(p.nodes)); i = doc.next(i + 1) {
		p.names = append(p.names, i)
	}
	var gone map[uint32]bool // the names to remove
	drop := func(i uint32) {
		if gone == nil {
			gone = make(map[uint32]bool)
		}
		gone[i] = true
	}
	if count <= fewNames {
		p.pairwise(&doc, drop)
	} else {
		p.hashed(&doc, drop)
	}
	if gone == nil {
		return
	}
	out := at + 1
	for _, i := range p.names {
		if next := doc.next(i + 1); !gone[i] {
			copy(p.nodes[out:], p.nodes[i:next])
			out += next - i
		}
	}
	p.nodes = p.nodes[:out]
	p.nodes[at].x -= uint64(len(gone))
}

// fewNames is up to how many names are compared with each other.
const fewNames = 8

// pairwise compares each name with each.
func (p *parser) pairwise(doc *document, drop func(uint32)) {
	for k, i := range p.names {
		a := &doc.nodes[i]
		size, c := a.end-a.off, doc.src[a.off+1]
		for _, j := range p.names[k+1:] {
			b := &doc.nodes[j]
			if (a.end|b.end)&flag == 0 && (b.end-b.off != size || doc.src[b.off+1] != c) {
				continue
			}
			if doc.str(i) == doc.str(j) {
				drop(i)
				break
			}
		}
	}
}

// hashed looks each name up in an open-addressed table of those before it.
func (p *parser) hashed(doc *document, drop func(uint32)) {
	size := 16
	for size < 2*len(p.names) {
		size *= 2
	}
	if cap(p.table) < size {
		p.table = make([]uint32, size)
	} else {
		p.table = p.table[:size]
		clear(p.table)
	}
	mask := uint64(size - 1)
	for _, i := range p.names {
		name := doc.str(i)
		for slot := maphash.String(seed, name) & mask; ; slot = (slot + 1) & mask {
			j := p.table[slot]
			if j == 0 { // no name is at node 0
				p.table[slot] = i
				break
			}
			if doc.str(j) == name {
				drop(j)
				p.table[slot] = i
				break
			}
		}
	}
}
