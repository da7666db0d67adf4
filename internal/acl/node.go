package acl

import "encoding/binary"

// nodes are those of all diagrams of a Program, as they are made: numbered from 0, with the leaves
// by their words from 0.
type nodes struct {
	all []node
}

// node is a branch, or a comparison.
type node struct {
	branches    *[16]reference // by nibble; nil: it is a comparison
	mask, value [windowLen]byte
	yes, no     reference
}

// branch adds a branch over a nibble of the key.
func (n *nodes) branch(nibble int, to [16]reference) reference {
	n.all = append(n.all, node{branches: &to})
	return branch(nibble, len(n.all)-1)
}

// compare adds a comparison with what t says of a window of the key.
func (n *nodes) compare(window int, mask, value [windowLen]byte, yes, no reference) reference {
	n.all = append(n.all, node{mask: mask, value: value, yes: yes, no: no})
	return compare(window, len(n.all)-1)
}

// placement says where in a Program nodes and words have come to be.
type placement struct {
	block int // of the first node
	word  int // the first word
}

func (p placement) of(r reference) uint32 {
	if r.kind() == kindLeaf {
		return uint32(r) + uint32(p.word)
	}
	return uint32(r) + uint32(p.block)
}

// bytes are the nodes, a block each.
func (n *nodes) bytes(p placement) []byte {
	b := make([]byte, 0, len(n.all)*BlockLen)
	for i := range n.all {
		node := &n.all[i]
		if node.branches != nil {
			for _, r := range node.branches {
				b = binary.NativeEndian.AppendUint32(b, p.of(r))
			}
			continue
		}
		b = append(append(b, node.mask[:]...), node.value[:]...)
		b = binary.NativeEndian.AppendUint32(b, p.of(node.yes))
		b = binary.NativeEndian.AppendUint32(b, p.of(node.no))
		b = fill(b)
	}
	return b
}
