package hwvtep

import "iter"

const (
	manyRows  = 1 << 13 // for fewer no goroutine is started
	aheadPart = 256     // rows that are handed over together
	mostAhead = 16      // parts
)

// Ahead yields what rows yields, about n of them. Where they are many another goroutine goes through rows, and is some
// ahead: to find a row in memory and to decode it takes about as long as what is then done with it. What rows reads must
// not change meanwhile. It has ended when the loop has.
func Ahead[T any](n int, rows iter.Seq[T]) iter.Seq[T] {
	if n < manyRows {
		return rows
	}
	return func(yield func(T) bool) {
		full, used := make(chan []T, mostAhead), make(chan []T, mostAhead+2)
		enough := make(chan struct{})
		go read(rows, full, used, enough)
		defer func() {
			close(enough)
			for range full { // until it has ended
			}
		}()
		for part := range full {
			for i := range part {
				if !yield(part[i]) {
					return
				}
			}
			clear(part)
			used <- part[:0]
		}
	}
}

// read hands rows over in parts, for which it takes those that are used, until they end or it is enough.
func read[T any](rows iter.Seq[T], full chan<- []T, used <-chan []T, enough <-chan struct{}) {
	defer close(full)
	part := make([]T, 0, aheadPart)
	hand := func() bool {
		select {
		case full <- part:
		case <-enough:
			return false
		}
		select {
		case part = <-used:
		default:
			part = make([]T, 0, aheadPart)
		}
		return true
	}
	for row := range rows {
		if part = append(part, row); len(part) == aheadPart && !hand() {
			return
		}
	}
	if len(part) > 0 {
		hand()
	}
}
