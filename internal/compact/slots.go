package compact

// Slots find the entries of a list by the hashes of their keys: they tell at which positions the entry of a key may be, and
// who has the list compares. The zero Slots are none, in which nothing is found.
//
// It is open addressing. A slot is 0, dead, or one more than the position of an entry in its low bits, and a part of the
// hash of its key in the others, so that entries of other keys are rarely looked at.
type Slots struct {
	slots []uint32 // a power of two of them, or none
	dead  int      // those of entries that are gone
}

const dead = 1<<32 - 1 // no position is that high

// None says whether there are no slots.
func (s *Slots) None() bool { return len(s.slots) == 0 }

// Make makes slots for n entries, of which none is found before Add.
func (s *Slots) Make(n int) {
	slots := 16
	for !fits(n, slots) {
		slots *= 2
	}
	s.slots, s.dead = make([]uint32, slots), 0
}

// Fits says whether there are slots enough for n entries in all, with those of entries that are gone.
func (s *Slots) Fits(n int) bool { return fits(n+s.dead, len(s.slots)) }

// fits says whether so many slots are enough for n entries: then one is found after few looks.
func fits(n, slots int) bool { return 16*n <= 13*slots }

// Used returns how many entries are found.
func (s *Slots) Used() int {
	n := 0
	for _, e := range s.slots {
		if e != 0 && e != dead {
			n++
		}
	}
	return n
}

// Next returns the position of an entry whose key may have the hash h, and where the search goes on for the next such;
// it begins at 0. Below 0 there is no more.
func (s *Slots) Next(h uint64, from uint32) (pos int, next uint32) {
	if len(s.slots) == 0 {
		return -1, 0
	}
	last := uint32(len(s.slots) - 1)
	mark := uint32(h) &^ last
	for home := uint32(h >> 32); ; from++ {
		switch e := s.slots[(home+from)&last]; {
		case e == 0:
			return -1, 0
		case e&^last == mark && e != dead:
			return int(e&last) - 1, from + 1
		}
	}
}

// Add has the entry at pos found, whose key has the hash h. There are slots enough: see Fits.
func (s *Slots) Add(h uint64, pos int) {
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

// Remove has the entry at pos, whose key has the hash h, not found any more.
func (s *Slots) Remove(h uint64, pos int) {
	i := s.slot(h, pos)
	if s.slots[(i+1)&(len(s.slots)-1)] == 0 {
		s.slots[i] = 0
	} else {
		s.slots[i] = dead
		s.dead++
	}
}

// Move has an entry, whose key has the hash h, found at another position, at which none is.
func (s *Slots) Move(h uint64, from, to int) {
	last := uint32(len(s.slots) - 1)
	s.slots[s.slot(h, from)] = uint32(h)&^last | uint32(to+1)
}

// slot is that of the entry at pos, whose key has the hash h.
func (s *Slots) slot(h uint64, pos int) int {
	last := uint32(len(s.slots) - 1)
	e := uint32(h)&^last | uint32(pos+1)
	i := uint32(h>>32) & last
	for s.slots[i] != e {
		i = (i + 1) & last
	}
	return int(i)
}

// Clone returns a copy.
func (s *Slots) Clone() Slots { return Slots{append([]uint32(nil), s.slots...), s.dead} }
