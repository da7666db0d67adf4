package db

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
)

// rowSet is the rows of a table, in any order, which are found by their UUIDs. It is a table of
// slots with open addressing. A slot is 0, dead, or has in its low bits one more than the
// position of a row in all, and in the others a mark: bits of the hash of the UUID, so that
// rows of other UUIDs are rarely looked at.
type rowSet struct {
	all   []*rowState // also rows that the transaction has deleted
	slots []uint32    // a power of two of them, or none
	dead  int         // slots of rows that are gone
	room  int         // the most rows since shrink
}

// dead is what is in a slot whose row is gone: no position is that high.
const dead = 1<<32 - 1

// hashSeed keeps peers from choosing UUIDs that collide.
var hashSeed = [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}

func hash(id *ovsdb.UUID) uint64 {
	high, low := bits.Mul64(binary.LittleEndian.Uint64(id[:8])^hashSeed[0], binary.LittleEndian.Uint64(id[8:])^hashSeed[1])
	return (high ^ low) * 0x9e3779b97f4a7c15
}

// slotOf returns the slot of the row with the given UUID, below 0 if there is none; and its
// position in all.
func (s *rowSet) slotOf(t *Table, id *ovsdb.UUID) (slot, pos int) {
	if len(s.slots) == 0 {
		return -1, 0
	}
	h := hash(id)
	last := uint32(len(s.slots) - 1)
	mark := uint32(h) &^ last
	for i := uint32(h>>32) & last; ; i = (i + 1) & last {
		switch e := s.slots[i]; {
		case e == 0:
			return -1, 0
		case e&^last != mark || e == dead:
		default:
			pos := int(e&last) - 1
			if *t.idOf(s.all[pos]) == *id {
				return int(i), pos
			}
		}
	}
}

// put adds st, whose UUID is not there yet.
func (s *rowSet) put(t *Table, st *rowState) {
	s.all = append(s.all, st)
	s.room = max(s.room, len(s.all))
	if !s.fits(len(s.all) + s.dead) {
		s.rehash(t, len(s.all)+len(s.all)/8) // not again before as many have come or gone
		return
	}
	s.enter(t, len(s.all)-1)
}

// putNew is put unless there is a row with the UUID of st: then it is false. There are slots enough.
func (s *rowSet) putNew(t *Table, st *rowState) bool {
	id := &st.row.UUID
	h := hash(id)
	last := uint32(len(s.slots) - 1)
	mark := uint32(h) &^ last
	free := -1
	for i := uint32(h>>32) & last; ; i = (i + 1) & last {
		switch e := s.slots[i]; {
		case e == dead:
			if free < 0 {
				free = int(i)
			}
		case e == 0:
			if free < 0 {
				free = int(i)
			} else {
				s.dead--
			}
			s.all = append(s.all, st)
			s.room = max(s.room, len(s.all))
			s.slots[free] = mark | uint32(len(s.all))
			return true
		case e&^last == mark && *t.idOf(s.all[int(e&last)-1]) == *id:
			return false
		}
	}
}

// fits reports whether there are slots enough for n.
func (s *rowSet) fits(n int) bool { return 16*n <= 13*len(s.slots) }

// enter gives the row at a position of all a slot.
func (s *rowSet) enter(t *Table, pos int) {
	h := hash(t.idOf(s.all[pos]))
	last := uint32(len(s.slots) - 1)
	i := uint32(h>>32) & last
	for s.slots[i] != 0 && s.slots[i] != dead {
		i = (i + 1) & last
	}
	if s.slots[i] == dead {
		s.dead--
	}
	s.slots[i] = uint32(h)&^last | uint32(pos+1)
}

// rehash makes slots for n rows, and enters those there are.
func (s *rowSet) rehash(t *Table, n int) {
	slots := 16
	for 16*n > 13*slots {
		slots *= 2
	}
	s.slots, s.dead = make([]uint32, slots), 0
	for pos := range s.all {
		s.enter(t, pos)
	}
}

// take takes st out.
func (s *rowSet) take(t *Table, st *rowState) {
	slot, pos := s.slotOf(t, t.idOf(st))
	end := len(s.all) - 1
	if pos != end {
		moved := s.all[end]
		at, _ := s.slotOf(t, t.idOf(moved))
		last := uint32(len(s.slots) - 1)
		s.slots[at] = s.slots[at]&^last | uint32(pos+1)
		s.all[pos] = moved
		if t.copying != nil {
			t.copying.moves(moved.row, end, pos)
		}
	}
	s.all[end] = nil
	s.all = s.all[:end]
	if s.slots[(slot+1)&(len(s.slots)-1)] == 0 {
		s.slots[slot] = 0
	} else {
		s.slots[slot] = dead
		s.dead++
	}
}

// shrink gives back memory that was for many more rows than there are.
func (s *rowSet) shrink(t *Table) {
	s.room = len(s.all)
	s.all = slices.Clone(s.all)
	s.rehash(t, len(s.all))
}
