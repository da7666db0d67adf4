package vtep

import "slices"

// The ranks of rows that place a MAC behind a tunnel; the lower one is taken.
const (
	rankRemote = iota // Ucast_Macs_Remote, Mcast_Macs_Remote
	rankLocal         // ..._Local, of other switches in the database
)

// candidate is a row that places a MAC: a unicast one by its locator, a group by its set.
type candidate struct {
	rank uint8
	row  UUID
	to   UUID // the locator, or the locator set
}

func compareCandidates(a, b candidate) int {
	if a.rank != b.rank {
		return int(a.rank) - int(b.rank)
	}
	return compareUUIDs(a.row, b.row)
}

// insertCandidate and removeCandidate keep lists in the order of preference: of rows that say
// the same thing, the one with the lowest UUID counts.
func insertCandidate(list []candidate, c candidate) []candidate {
	i, _ := slices.BinarySearchFunc(list, c, compareCandidates)
	return slices.Insert(list, i, c)
}

func removeCandidate(list []candidate, c candidate) []candidate {
	if i, ok := slices.BinarySearchFunc(list, c, compareCandidates); ok {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func leadTo(list []candidate, to UUID) bool {
	return slices.ContainsFunc(list, func(c candidate) bool { return c.to == to })
}

// weak says whether a MAC that was learned on a port of ours counts more than the row. What
// another switch of the database has learned does not: a host that came here is known there
// until that switch hears of it.
func (c candidate) weak() bool { return c.rank == rankLocal }
