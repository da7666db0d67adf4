package hwvtep

import (
	"github.com/vtep/vtep/internal/ovsdb/ops"
)

// Txn collects the operations of one transaction. The server executes them in
// order and either all of them or none.
//
// An operation on a table that the layout's schema does not have is left out,
// and so is a column.
type Txn struct {
	layout *Layout
	ops    ops.Txn
}

// NewTxn returns an empty transaction for a database with layout; nil stands for
// the schema of this package.
func NewTxn(layout *Layout) *Txn {
	if layout == nil {
		layout = NewLayout(nil)
	}
	return &Txn{layout: layout}
}

// Len returns the number of operations.
func (t *Txn) Len() int { return t.ops.Len() }

// Ops returns the operations as elements of a JSON array, without its brackets:
// what follows the database's name in the parameters of "transact". It is valid
// until the next operation is added.
func (t *Txn) Ops() []byte { return t.ops.Ops() }

// OpOf returns the index of the operation that inserts the row that token, a
// result of an Insert method, stands for.
func (t *Txn) OpOf(token UUID) (op int, ok bool) { return t.ops.OpOf(token) }

// Comment adds text to the log of the database.
func (t *Txn) Comment(text string) { t.ops.Comment(text) }

// Assert makes the transaction fail unless the connection holds lock.
func (t *Txn) Assert(lock string) { t.ops.Assert(lock) }

// have returns the columns of a table that the schema has, as bits.
func (t *Txn) have(table int) uint32 { return t.layout.tables[table].have }

func (t *Txn) insert(table int, row ops.AppendFunc) UUID {
	if !t.layout.tables[table].exists {
		return t.ops.Omit()
	}
	return t.ops.Insert(known[table].name, row)
}

func (t *Txn) update(table int, id UUID, columns ops.AppendFunc) {
	t.ops.Update(known[table].name, id, columns)
}

// wait waits for cols, as bits.
func (t *Txn) wait(table int, id UUID, cols uint32, row ops.AppendFunc) {
	var names []string
	for i, c := range known[table].columns {
		if cols&(1<<i) != 0 {
			names = append(names, c.name)
		}
	}
	t.ops.Wait(known[table].name, id, names, row)
}

func (t *Txn) delete(table int, id UUID) {
	if t.layout.tables[table].exists {
		t.ops.Delete(known[table].name, id)
	}
}

// mutate inserts or deletes n elements, or pairs, of a column.
func (t *Txn) mutate(table, column int, id UUID, n int, mutator string, value ops.AppendFunc) {
	if n > 0 && t.have(table)&(1<<column) != 0 {
		t.ops.Mutate(known[table].name, id, ops.Mutation{
			Column: known[table].columns[column].name, Mutator: mutator, Value: value})
	}
}

// put inserts n pairs into a column, in place of those that have the same keys,
// which an insertion alone would leave.
func (t *Txn) put(table, column int, id UUID, n int, keys, pairs ops.AppendFunc) {
	if n > 0 && t.have(table)&(1<<column) != 0 {
		name := known[table].columns[column].name
		t.ops.Mutate(known[table].name, id,
			ops.Mutation{Column: name, Mutator: "delete", Value: keys},
			ops.Mutation{Column: name, Mutator: "insert", Value: pairs})
	}
}
