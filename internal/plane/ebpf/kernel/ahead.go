package kernel

import "slices"

// readAhead is how many parts, of some thousand entries each, are read of a map before they are compared.
const readAhead = 64

// ahead is what another goroutine reads of a map.
type ahead[K, V any] struct {
	parts chan part[K, V] // closed when all is read
	used  chan part[K, V]
	err   error // to be looked at when parts is closed
}

type part[K, V any] struct {
	keys   []K
	values []V
}

// ReadAhead begins to read the map for the Compare that follows, while what is wanted is still being said. Nobody may
// write to it until then.
func (t *Table[K, V]) ReadAhead() {
	a := &ahead[K, V]{parts: make(chan part[K, V], readAhead), used: make(chan part[K, V], readAhead)}
	t.ahead = a
	m := t.M
	go func() {
		defer close(a.parts)
		a.err = ScanBatches(m, func(keys []K, values []V) error {
			var p part[K, V]
			select {
			case p = <-a.used:
			default:
			}
			p.keys, p.values = append(slices.Grow(p.keys[:0], len(keys)), keys...), append(slices.Grow(p.values[:0], len(keys)), values...)
			a.parts <- p
			return nil
		})
	}()
}

// scan calls f for every entry of the map.
func (t *Table[K, V]) scan(f func(K, V)) error {
	a := t.ahead
	if a == nil {
		return Scan(t.M, f)
	}
	t.ahead = nil
	for p := range a.parts {
		for i := range p.keys {
			f(p.keys[i], p.values[i])
		}
		select {
		case a.used <- p:
		default:
		}
	}
	return a.err
}
