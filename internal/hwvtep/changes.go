package hwvtep

import "iter"

// Delta is what Changes needs of a delta of a replica: the old and the new form
// of each row of a table that changed, nil where there is none.
type Delta interface {
	Rows(table string) iter.Seq2[*Row, *Row]
}

// Changes shows a delta in typed rows.
type Changes struct {
	layout *Layout
	delta  Delta
}

// NewChanges returns the changes of delta, whose rows have the layout given.
func NewChanges(layout *Layout, delta Delta) Changes { return Changes{layout, delta} }

func changesOf[T any](rows iter.Seq2[*Row, *Row], decode func(*Row) T) iter.Seq2[*T, *T] {
	decoded := func(row *Row) *T {
		if row == nil {
			return nil
		}
		t := decode(row)
		return &t
	}
	return func(yield func(*T, *T) bool) {
		for before, after := range rows {
			if !yield(decoded(before), decoded(after)) {
				return
			}
		}
	}
}
