package ovs

import "encoding/binary"

// numbering gives out numbers that the next process gives, too.
type numbering[K ~[16]byte] struct {
	of    map[K]uint32
	taken map[uint32]bool
}

func newNumbering[K ~[16]byte]() numbering[K] {
	return numbering[K]{map[K]uint32{}, map[uint32]bool{routersNumber: true, linksNumber: true}}
}

// get is of the first bytes of the UUID, or the next that is free.
func (n *numbering[K]) get(id K) uint32 {
	num, ok := n.of[id]
	if !ok {
		b := [16]byte(id)
		for num = binary.BigEndian.Uint32(b[:]); n.taken[num]; num++ {
		}
		n.of[id], n.taken[num] = num, true
	}
	return num
}

func (n *numbering[K]) drop(id K) {
	if num, ok := n.of[id]; ok { // 0 is nobody's
		delete(n.taken, num)
		delete(n.of, id)
	}
}
