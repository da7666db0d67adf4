package ops

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// AppendFunc appends something that may hold references, which refs prints: a value,
// or columns of a row as members of a JSON object, each with a comma behind it.
type AppendFunc func(dst []byte, refs Refs) []byte

// Mutation changes a set or map by its elements.
type Mutation struct {
	Column  string
	Mutator string     // "insert" or "delete"
	Value   AppendFunc // a set or map; "delete" takes keys of a map as a set, too
}

// Txn collects the operations of one transaction. The server executes them in order
// and either all of them or none. The zero Txn is empty.
type Txn struct {
	text    []byte // JSON objects with commas between them
	n       int    // how many
	refs    Refs
	inserts []int // by token: its operation, or -1
}

// Len returns the number of operations.
func (t *Txn) Len() int { return t.n }

// Ops returns the operations as elements of a JSON array, without its brackets: what
// follows the database's name in the parameters of "transact". It is valid until the
// next operation is added.
func (t *Txn) Ops() []byte { return t.text }

// OpOf returns the index of the operation that inserts the row that token stands for.
func (t *Txn) OpOf(token ovsdb.UUID) (op int, ok bool) {
	n, ok := t.refs.index(token)
	if !ok || t.inserts[n] < 0 {
		return 0, false
	}
	return t.inserts[n], true
}

// Insert inserts a row. The result stands for it in the rest of the transaction.
func (t *Txn) Insert(table string, row AppendFunc) (token ovsdb.UUID) {
	token = t.refs.issue()
	t.text = slices.Grow(t.text, 320) // a small row, and doubling from there
	t.inserts = append(t.inserts, t.n)
	t.beginOn("insert", table)
	t.text = appendName(append(t.text, `,"uuid-name":`...), uint64(len(t.inserts)-1))
	t.row(row)
	return token
}

// Omit returns a token for a row that will not be inserted, for callers that leave
// out what refers to it as well.
func (t *Txn) Omit() (token ovsdb.UUID) {
	t.inserts = append(t.inserts, -1)
	return t.refs.issue()
}

// Update sets columns of the row called id.
func (t *Txn) Update(table string, id ovsdb.UUID, columns AppendFunc) {
	t.beginOn("update", table)
	t.where(id)
	t.row(columns)
}

// Mutate applies mutations to the row called id, in order.
func (t *Txn) Mutate(table string, id ovsdb.UUID, mutations ...Mutation) {
	t.beginOn("mutate", table)
	t.where(id)
	t.text = append(t.text, `,"mutations":[`...)
	for i, m := range mutations {
		if i > 0 {
			t.text = append(t.text, ',')
		}
		t.text = wire.AppendString(append(t.text, '['), m.Column)
		t.text = wire.AppendString(append(t.text, ','), m.Mutator)
		t.text = append(m.Value(append(t.text, ','), t.refs), ']')
	}
	t.text = append(t.text, "]}"...)
}

// Delete deletes the row called id.
func (t *Txn) Delete(table string, id ovsdb.UUID) {
	t.beginOn("delete", table)
	t.where(id)
	t.text = append(t.text, '}')
}

// Wait makes the transaction fail unless, at this point of it, the row called id has
// the values that row appends for the columns named.
func (t *Txn) Wait(table string, id ovsdb.UUID, columns []string, row AppendFunc) {
	t.beginOn("wait", table)
	t.where(id)
	t.text = append(t.text, `,"timeout":0,"until":"==","columns":[`...)
	for i, name := range columns {
		if i > 0 {
			t.text = append(t.text, ',')
		}
		t.text = wire.AppendString(t.text, name)
	}
	t.text = row(append(t.text, `],"rows":[{`...), t.refs)
	t.text = append(CloseObject(t.text), "]}"...)
}

// Comment adds text to the log of the database.
func (t *Txn) Comment(text string) {
	t.begin("comment")
	t.text = append(wire.AppendString(append(t.text, `,"comment":`...), text), '}')
}

// Assert makes the transaction fail unless the connection holds lock.
func (t *Txn) Assert(lock string) {
	t.text = slices.Grow(t.text, 320) // and what it is asserted for
	t.begin("assert")
	t.text = append(wire.AppendString(append(t.text, `,"lock":`...), lock), '}')
}

// begin starts an operation, up to the value of "op".
func (t *Txn) begin(op string) {
	if t.n > 0 {
		t.text = append(t.text, ',')
	}
	t.n++
	t.text = append(append(append(t.text, `{"op":"`...), op...), '"')
}

func (t *Txn) beginOn(op, table string) {
	t.begin(op)
	t.text = wire.AppendString(append(t.text, `,"table":`...), table)
}

func (t *Txn) where(id ovsdb.UUID) {
	t.text = t.refs.AppendUUID(append(t.text, `,"where":[["_uuid","==",`...), id)
	t.text = append(t.text, "]]"...)
}

// row appends the last member of an insert or update, and ends it.
func (t *Txn) row(columns AppendFunc) {
	t.text = columns(append(t.text, `,"row":{`...), t.refs)
	t.text = append(CloseObject(t.text), '}')
}

// CloseObject ends an object whose members were each appended with a comma.
func CloseObject(dst []byte) []byte {
	if n := len(dst) - 1; dst[n] == ',' {
		dst[n] = '}'
		return dst
	}
	return append(dst, '}')
}
