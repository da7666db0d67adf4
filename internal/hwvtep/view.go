package hwvtep

import (
	"iter"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Table is what a View needs of the rows of one table. They must not change
// while the View is in use.
type Table interface {
	Get(UUID) *Row // nil: there is no such row
	All() iter.Seq[*Row]
	Len() int
}

// Source is what a View shows, such as a snapshot of package idl. Table answers
// for a table that it does not have with one that is empty.
type Source[T Table] interface {
	Schema() *ovsdb.DatabaseSchema
	Table(name string) T
}

// View shows a source in typed rows. Rows are decoded when they are asked for.
type View struct {
	layout *Layout
	tables [numTables]Table
}

// NewView returns a view of source.
func NewView[T Table](source Source[T]) *View {
	v := &View{layout: NewLayout(source.Schema())}
	for i := range known {
		v.tables[i] = source.Table(known[i].name)
	}
	return v
}

// Layout returns the layout of the view's rows.
func (v *View) Layout() *Layout { return v.layout }

// Len returns the number of rows of the table called name.
func (v *View) Len(name string) int {
	for i := range known {
		if known[i].name == name {
			return v.tables[i].Len()
		}
	}
	return 0
}

// TheGlobal returns the row of Global, of which there is at most one.
func (v *View) TheGlobal() (Global, bool) {
	for g := range v.Globals() {
		return g, true
	}
	return Global{}, false
}

// PhysicalSwitchRow returns the row of Physical_Switch as it is, nil if there is none. A row that has not changed is the
// same: who has decoded it, with a thousand tunnels, need not do so again.
func (v *View) PhysicalSwitchRow(id UUID) *Row { return v.tables[tPhysicalSwitch].Get(id) }

func rowsOf[T any](table Table, decode func(*Row) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for row := range table.All() {
			if !yield(decode(row)) {
				return
			}
		}
	}
}
