package db

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/vtep/vtep/internal/compact"
	"github.com/vtep/vtep/internal/ovsdb"
)

// rowSet is the rows of a table, in any order, which are found by their UUIDs.
type rowSet struct {
	all   []*rowState   // also rows that the transaction has deleted
	slots compact.Slots // of the first ones in all
	found int           // how many these are: the others were put since the last look for any
	room  int           // the most rows since shrink
}

// hashSeed keeps peers from choosing UUIDs that collide.
var hashSeed = [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}

func hash(id *ovsdb.UUID) uint64 {
	high, low := bits.Mul64(binary.LittleEndian.Uint64(id[:8])^hashSeed[0], binary.LittleEndian.Uint64(id[8:])^hashSeed[1])
	return (high ^ low) * 0x9e3779b97f4a7c15
}

// find returns the position in all of the row with the given UUID, whose hash is h; below 0: there is none.
func (s *rowSet) find(t *Table, id *ovsdb.UUID, h uint64) int {
	s.settle(t)
	pos, next := s.slots.Next(h, 0)
	for pos >= 0 && *t.idOf(s.all[pos]) != *id {
		pos, next = s.slots.Next(h, next)
	}
	return pos
}

// put adds st, whose UUID is not there yet.
func (s *rowSet) put(st *rowState) {
	s.all = append(s.all, st)
	s.room = max(s.room, len(s.all))
}

// settle has those found that were put. Of many new rows each has its slot in another part of memory: the processor waits
// for several of them at once where they are looked at one after another, and for each where rows are made in between.
func (s *rowSet) settle(t *Table) {
	n := len(s.all)
	if s.found == n {
		return
	}
	if !s.slots.Fits(n) {
		s.rehash(t, n+n/8) // not again before as many have come or gone
		return
	}
	for pos := s.found; pos < n; pos++ {
		s.slots.Add(hash(t.idOf(s.all[pos])), pos)
	}
	s.found = n
}

// putNew is put unless there is a row with the UUID of st: then it is false. There are slots enough.
func (s *rowSet) putNew(t *Table, st *rowState) bool {
	h := hash(&st.row.UUID)
	if s.find(t, &st.row.UUID, h) >= 0 {
		return false
	}
	s.slots.Add(h, len(s.all))
	s.put(st)
	s.found = len(s.all)
	return true
}

// rehash makes slots for n rows, and has those found that there are.
func (s *rowSet) rehash(t *Table, n int) {
	s.slots.Make(n)
	for pos := range s.all {
		s.slots.Add(hash(t.idOf(s.all[pos])), pos)
	}
	s.found = len(s.all)
}

// take takes st out.
func (s *rowSet) take(t *Table, st *rowState) {
	id := t.idOf(st)
	h := hash(id)
	pos, end := s.find(t, id, h), len(s.all)-1
	s.slots.Remove(h, pos)
	if pos != end {
		moved := s.all[end]
		s.slots.Move(hash(t.idOf(moved)), end, pos)
		s.all[pos] = moved
		if t.copying != nil {
			t.copying.moves(moved.row, end, pos)
		}
	}
	s.all[end] = nil
	s.all = s.all[:end]
	s.found = end
}

// shrink gives back memory that was for many more rows than there are.
func (s *rowSet) shrink(t *Table) {
	s.room = len(s.all)
	s.all = slices.Clone(s.all)
	s.rehash(t, len(s.all))
}
