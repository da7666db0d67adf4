package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// macEntry is a unicast MAC of a switch. There may be a million, so it has no pointers, and room for the one
// row that most of them have.
type macEntry struct {
	row    UUID    // the best one for the MAC
	to     ordinal // of the locator in row
	target ordinal // of the claim of its tunnel; 0: nothing places it
	rank   uint8   // of row
	has    bool    // there is a row
	more   bool    // there is something in lswitch.more
}

// moreRows is what few MACs have.
type moreRows struct {
	rows []candidate // all of them, best first, if there are several
	rest *rest       // of the rows that give way
}

// candidates returns the rows of a MAC, best first; one for an entry that has no more. They are not to be changed.
func (f *facts) candidates(ls *lswitch, mac intent.MAC, e *macEntry, one *[1]candidate) []candidate {
	if e.more {
		if m := ls.more[mac]; len(m.rows) > 0 {
			return m.rows
		}
	}
	if !e.has {
		return nil
	}
	one[0] = candidate{e.rank, e.row, f.numbers.at(e.to).id}
	return one[:]
}

// rowsOfMAC is candidates for when it need not be fast.
func (f *facts) rowsOfMAC(ls *lswitch, mac intent.MAC) []candidate {
	e, ok := ls.macs.Get(mac)
	if !ok {
		return nil
	}
	return f.candidates(ls, mac, &e, new([1]candidate))
}

// setCandidates gives e the rows, which may be none.
func (c *Compiler) setCandidates(ls *lswitch, mac intent.MAC, e *macEntry, rows []candidate) {
	e.has = len(rows) > 0
	e.row, e.to, e.rank = UUID{}, 0, 0
	if e.has {
		e.row, e.to, e.rank = rows[0].row, c.locator(rows[0].to).number, rows[0].rank
	}
	if len(rows) < 2 {
		rows = nil
	}
	if rows != nil || e.more {
		c.setMore(ls, mac, e, moreRows{rows, ls.restOf(mac, e)})
	}
}

func (ls *lswitch) restOf(mac intent.MAC, e *macEntry) *rest {
	if !e.more {
		return nil
	}
	return ls.more[mac].rest
}

func (c *Compiler) setMore(ls *lswitch, mac intent.MAC, e *macEntry, m moreRows) {
	if e.more = m.rows != nil || m.rest != nil; e.more {
		if ls.more == nil {
			ls.more = map[intent.MAC]moreRows{}
		}
		ls.more[mac] = m
	} else if delete(ls.more, mac); len(ls.more) == 0 {
		ls.more = nil
	}
}

// addCandidate adds a row for a MAC.
func (c *Compiler) addCandidate(ls *lswitch, mac intent.MAC, add candidate) {
	e, _ := ls.macs.Place(mac)
	l := c.locator(add.to)
	l.macs++
	if e.has {
		rows := slices.Clone(c.candidates(ls, mac, e, new([1]candidate)))
		c.setCandidates(ls, mac, e, insertCandidate(rows, add))
	} else {
		e.row, e.to, e.rank, e.has = add.row, l.number, add.rank, true
	}
}

// removeCandidate takes a row of a MAC away, if it is there.
func (c *Compiler) removeCandidate(ls *lswitch, mac intent.MAC, e *macEntry, gone candidate) {
	rows := c.candidates(ls, mac, e, new([1]candidate))
	left := removeCandidate(slices.Clone(rows), gone)
	if len(left) == len(rows) {
		return
	}
	c.setCandidates(ls, mac, e, left)
	c.locator(gone.to).macs--
	c.forgetLocator(gone.to)
}

// resolveLocators marks the MACs and groups behind locators that have changed under them, which they
// seldom do: to know at any time which these are would take more memory than all else of a MAC.
func (c *Compiler) resolveLocators() {
	if len(c.dirty.locators) == 0 {
		return
	}
	changed, macs, arps, sets := map[ordinal]bool{}, 0, 0, 0
	for id := range c.dirty.locators {
		if l := c.locators[id]; l != nil {
			changed[l.number] = true
			macs, arps, sets = macs+int(l.macs), arps+int(l.arps), sets+int(l.sets)
		}
	}
	leads := func(id UUID) bool { return changed[c.locators[id].number] }
	byRow := func(r candidate) bool { return leads(r.to) }
	if sets > 0 {
		for id, locators := range c.sets {
			if slices.ContainsFunc(locators, leads) {
				c.markSet(id)
			}
		}
	}
	if arps > 0 {
		for mac, rows := range c.arps {
			if slices.ContainsFunc(rows, byRow) {
				c.markARP(mac)
			}
		}
	}
	if macs > 0 {
		for _, ls := range c.switches {
			for mac, e := range ls.macs.All() {
				if e.has && changed[e.to] || e.more && slices.ContainsFunc(ls.more[mac].rows, byRow) {
					c.markEntry(ls, mac)
				}
			}
		}
	}
	clear(c.dirty.locators)
}
