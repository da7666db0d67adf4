package hwvtep

import (
	"iter"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Delta is what Changes needs of a delta of a replica: the rows of a table that differ.
type Delta interface {
	Rows(table string) []ovsdb.RowDelta
}

// Changes shows a delta in typed rows.
type Changes struct {
	layout *Layout
	delta  Delta
}

// NewChanges returns the changes of delta, whose rows have the layout given.
func NewChanges(layout *Layout, delta Delta) Changes { return Changes{layout, delta} }

// changesOf is so small that it becomes part of its callers: a loop over a table without a difference, of which there are
// many for each change, then allocates nothing.
func changesOf[T any](c Changes, table string, decode func(*Layout, *Row) T) iter.Seq2[*T, *T] {
	return func(yield func(before, after *T) bool) {
		c.rows(table, func(before, after *Row) bool {
			return yield(decoded(c.layout, before, decode), decoded(c.layout, after, decode))
		})
	}
}

// Len returns the number of rows of a table that changed.
func (c Changes) Len(table string) int { return len(c.delta.Rows(table)) }

func (c Changes) rows(table string, yield func(before, after *Row) bool) {
	for _, r := range c.delta.Rows(table) {
		if !yield(r.Old, r.New) {
			return
		}
	}
}

func decoded[T any](layout *Layout, row *Row, decode func(*Layout, *Row) T) *T {
	if row == nil {
		return nil
	}
	t := decode(layout, row)
	return &t
}
