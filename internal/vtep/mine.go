package vtep

import "github.com/vtep/vtep/internal/intent"

// mine is what this process has wanted to be in the database since another switch has had the
// same tunnel IP. That is a mistake, or the row of a switch that is no more; either way a Local
// row does not say whose it is. Only what is in mine may be taken away then: if both switches
// took away what they don't know, both would put it back for ever.
type mine struct {
	shared bool
	macs   map[intent.MACKey]struct{}
	floods map[intent.MACKey]struct{}
}

func newMine() mine {
	return mine{macs: map[intent.MACKey]struct{}{}, floods: map[intent.MACKey]struct{}{}}
}

// note takes note of whether there should be a row, and is one. It says whether the row may be
// changed.
func note[K comparable](m map[K]struct{}, k K, want, have bool) bool {
	if want {
		m[k] = struct{}{}
		return true
	}
	_, ours := m[k]
	if !have {
		delete(m, k)
	}
	return ours
}
