package hwvtep

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Txn collects the operations of one transaction. The server executes them in
// order and either all of them or none.
//
// An operation on a table that the layout's schema does not have is left out,
// and so is a column.
type Txn struct {
	layout *Layout
	ops    []byte // JSON objects with commas between them
	n      int    // how many
	tokens tokens
	insert []int // by token: its operation, or -1
}

// NewTxn returns an empty transaction for a database with layout; nil stands for
// the schema of this package.
func NewTxn(layout *Layout) *Txn {
	if layout == nil {
		layout = NewLayout(nil)
	}
	return &Txn{layout: layout, tokens: newTokens()}
}

// Len returns the number of operations.
func (t *Txn) Len() int { return t.n }

// Ops returns the operations as elements of a JSON array, without its brackets:
// what follows the database's name in the parameters of "transact". It is valid
// until the next operation is added.
func (t *Txn) Ops() []byte { return t.ops }

// OpOf returns the index of the operation that inserts the row that token, a
// result of an Insert method, stands for.
func (t *Txn) OpOf(token UUID) (op int, ok bool) {
	n, ok := t.tokens.index(token)
	if !ok || t.insert[n] < 0 {
		return 0, false
	}
	return t.insert[n], true
}

// Comment adds text to the log of the database.
func (t *Txn) Comment(text string) {
	t.begin("comment")
	t.ops = append(wire.AppendString(append(t.ops, `,"comment":`...), text), '}')
}

// Assert makes the transaction fail unless the connection holds lock.
func (t *Txn) Assert(lock string) {
	t.begin("assert")
	t.ops = append(wire.AppendString(append(t.ops, `,"lock":`...), lock), '}')
}

// Durable makes the server answer only when the transaction is on its disk.
func (t *Txn) Durable() {
	t.begin("commit")
	t.ops = append(t.ops, `,"durable":true}`...)
}

func (t *Txn) have(table int) uint32 { return t.layout.tables[table].have }

// begin starts an operation, up to the value of "op".
func (t *Txn) begin(op string) {
	if t.n > 0 {
		t.ops = append(t.ops, ',')
	}
	t.n++
	t.ops = append(append(append(t.ops, `{"op":"`...), op...), '"')
}

func (t *Txn) beginOn(op string, table int) {
	t.begin(op)
	t.ops = append(append(append(t.ops, `,"table":"`...), known[table].name...), '"')
}

func (t *Txn) where(id UUID) {
	t.ops = t.tokens.appendUUID(append(t.ops, `,"where":[["_uuid","==",`...), id)
	t.ops = append(t.ops, "]]"...)
}

// beginInsert starts an insert, up to the row's columns; ok is false if the
// table does not exist and no operation was started.
func (t *Txn) beginInsert(table int) (token UUID, ok bool) {
	token = t.tokens.issue()
	if !t.layout.tables[table].exists {
		t.insert = append(t.insert, -1)
		return token, false
	}
	t.insert = append(t.insert, t.n)
	t.ops = slices.Grow(t.ops, 320) // an insert of a MAC, and doubling from there
	t.beginOn("insert", table)
	t.ops = appendName(append(t.ops, `,"uuid-name":`...), uint64(len(t.insert)-1))
	t.ops = append(t.ops, `,"row":{`...)
	return token, true
}

// beginUpdate starts an update, up to the row's columns.
func (t *Txn) beginUpdate(table int, id UUID) {
	t.beginOn("update", table)
	t.where(id)
	t.ops = append(t.ops, `,"row":{`...)
}

// endRow ends an insert or update.
func (t *Txn) endRow() { t.ops = append(closeObject(t.ops), '}') }

// beginWait starts a wait that does not wait, up to the row's columns.
func (t *Txn) beginWait(table int, id UUID, cols uint32) {
	t.beginOn("wait", table)
	t.where(id)
	t.ops = append(t.ops, `,"timeout":0,"until":"==","columns":[`...)
	for i, c := range known[table].columns {
		if cols&(1<<i) != 0 {
			t.ops = append(append(append(t.ops, '"'), c.name...), `",`...)
		}
	}
	t.ops[len(t.ops)-1] = ']'
	t.ops = append(t.ops, `,"rows":[{`...)
}

func (t *Txn) endWait() { t.ops = append(closeObject(t.ops), "]}"...) }

func (t *Txn) delete(table int, id UUID) {
	if t.layout.tables[table].exists {
		t.beginOn("delete", table)
		t.where(id)
		t.ops = append(t.ops, '}')
	}
}

// beginMutation starts a mutate, up to its first argument. It reports false, and
// starts nothing, if there is nothing to mutate: n is 0, or the column is absent.
func (t *Txn) beginMutation(table, column int, id UUID, mutator string, n int) bool {
	if n == 0 || t.have(table)&(1<<column) == 0 {
		return false
	}
	t.beginOn("mutate", table)
	t.where(id)
	t.ops = append(t.ops, `,"mutations":[`...)
	t.mutation(table, column, mutator)
	return true
}

// nextMutation ends a mutation and starts another, up to its argument.
func (t *Txn) nextMutation(table, column int, mutator string) {
	t.ops = append(t.ops, "],"...)
	t.mutation(table, column, mutator)
}

func (t *Txn) mutation(table, column int, mutator string) {
	t.ops = append(append(append(t.ops, `["`...), known[table].columns[column].name...), `","`...)
	t.ops = append(append(t.ops, mutator...), `",`...)
}

func (t *Txn) endMutations() { t.ops = append(t.ops, "]]}"...) }
