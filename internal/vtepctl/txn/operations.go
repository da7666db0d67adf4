package txn

import (
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// request is a txn in the form of the parameters of "transact".
type request struct {
	Params  []byte
	inserts map[ovsdb.UUID]int // provisional UUID -> index of the operation
	Changes bool               // something would change; otherwise there is nothing to send
}

// builder collects operations.
type builder struct {
	x   *Txn
	buf []byte
	n   int
}

// Build makes the request: the conditions under which the transaction may happen, then the
// changes, then the comment.
func (x *Txn) Build() request {
	b := &builder{x: x}
	req := request{inserts: map[ovsdb.UUID]int{}}
	b.buf = wire.AppendString(append(b.buf, '['), hwvtep.Database)
	for _, r := range x.Touched {
		if len(r.verified) > 0 {
			b.wait(r)
		}
	}
	b.waitForEmpty()
	for _, r := range x.Touched {
		switch {
		case r.Deleted:
			// The rows of other tables go when nothing refers to them. What they refer to does
			// not count as free before that, so references that were taken out of them matter;
			// those that were put into them do not, and may be to rows that were never inserted.
			switch {
			case r.Old == nil:
			case r.Table.IsRoot:
				b.begin("delete", r.Table)
				b.where(r)
				b.end()
				req.Changes = true
			case r.onlyTaken():
				b.update(r)
				req.Changes = true
			}
			continue
		case r.Old == nil:
			req.inserts[r.UUID] = b.n
			b.insert(r)
			req.Changes = true
		case len(r.Written) > 0:
			b.update(r)
			req.Changes = req.Changes || r.Changed()
		}
		if b.mutate(r) {
			req.Changes = true
		}
	}
	if x.Comment != "" {
		b.op("comment")
		b.buf = wire.AppendString(append(b.buf, `,"comment":`...), x.Comment)
		b.end()
	}
	if x.DryRun {
		b.op("abort")
		b.end()
	}
	req.Params = append(b.buf, ']')
	return req
}

// onlyTaken leaves of what was written to a row that goes what was taken out of it, and says
// whether anything was.
func (r *Record) onlyTaken() bool {
	for c, d := range r.Written {
		old := r.Old.At(c.Index)
		if !c.Type.IsComposite() {
			delete(r.Written, c)
			continue
		}
		_, taken := ovsdb.AddedRemoved(old, d, &c.Type)
		if taken.IsEmpty() {
			delete(r.Written, c)
			continue
		}
		r.Written[c] = old.Subtract(taken, &c.Type)
	}
	return len(r.Written) > 0
}

// Changed says whether a written column has another value than before. Columns that keep
// theirs are sent all the same, or the transaction would not be atomic, but they are no
// reason to send one.
func (r *Record) Changed() bool {
	for c, d := range r.Written {
		if !d.Equal(r.Old.At(c.Index), &c.Type) {
			return true
		}
	}
	return false
}

func (b *builder) op(name string) {
	b.n++
	b.buf = wire.AppendString(append(b.buf, `,{"op":`...), name)
}

func (b *builder) begin(name string, t *ovsdb.TableSchema) {
	b.op(name)
	b.buf = wire.AppendString(append(b.buf, `,"table":`...), t.Name)
}

func (b *builder) end() { b.buf = append(b.buf, '}') }

// where selects one row.
func (b *builder) where(r *Record) {
	b.buf = append(b.buf, `,"where":[["_uuid","==",`...)
	b.ref(r.UUID)
	b.buf = append(b.buf, "]]"...)
}

// wait demands that the verified columns still have the values that were read.
func (b *builder) wait(r *Record) {
	b.begin("wait", r.Table)
	b.where(r)
	b.buf = append(b.buf, `,"timeout":0,"until":"==","columns":[`...)
	for i, c := range columnsIn(r.Table, r.verified) {
		if i > 0 {
			b.buf = append(b.buf, ',')
		}
		b.buf = wire.AppendString(b.buf, c.Name)
	}
	b.buf = append(b.buf, `],"rows":[{`...)
	for i, c := range columnsIn(r.Table, r.verified) {
		if i > 0 {
			b.buf = append(b.buf, ',')
		}
		b.buf = append(wire.AppendString(b.buf, c.Name), ':')
		b.buf = ovsdb.AppendDatum(b.buf, r.Old.At(c.Index), &c.Type)
	}
	b.buf = append(b.buf, "}]"...)
	b.end()
}

// waitForEmpty demands that a table of one row is still empty before the row is inserted.
func (b *builder) waitForEmpty() {
	for _, r := range b.x.Touched {
		if r.Old == nil && !r.Deleted && r.Table.MaxRows == 1 && len(b.x.base.Tables[r.Table]) == 0 {
			b.begin("wait", r.Table)
			b.buf = append(b.buf, `,"where":[],"timeout":0,"until":"==","rows":[]`...)
			b.end()
		}
	}
}

func (b *builder) insert(r *Record) {
	b.begin("insert", r.Table)
	if r.keep {
		b.buf = wire.AppendString(append(b.buf, `,"uuid":`...), r.UUID.String())
	} else {
		b.buf = wire.AppendString(append(b.buf, `,"uuid-name":`...), rowName(r.UUID))
	}
	b.row(r)
	b.end()
}

func (b *builder) update(r *Record) {
	b.begin("update", r.Table)
	b.where(r)
	b.row(r)
	b.end()
}

// row appends the written columns; of a new row only those that differ from the default.
func (b *builder) row(r *Record) {
	b.buf = append(b.buf, `,"row":{`...)
	comma := false
	for _, c := range r.Table.Columns {
		d, ok := r.Written[c]
		if !ok || r.Old == nil && d.IsDefault(&c.Type) {
			continue
		}
		if comma {
			b.buf = append(b.buf, ',')
		}
		comma = true
		b.buf = append(wire.AppendString(b.buf, c.Name), ':')
		b.datum(d, &c.Type)
	}
	b.end()
}

// mutate puts pairs into maps, and says whether that changes anything. A pair whose key was
// there replaces the old one.
func (b *builder) mutate(r *Record) bool {
	var mutations []byte
	for _, c := range r.Table.Columns {
		var gone, put []byte
		have := r.Get(c)
		for _, p := range r.puts[c] {
			i, found := have.Find(p.key, c.Type.Key.Type)
			if found && ovsdb.EqualAtoms(c.Type.Value.Type, have.Value(i), p.value) {
				continue
			}
			if found {
				gone = b.list(gone, func() { b.atom(p.key, c.Type.Key.Type) })
			}
			put = b.list(put, func() {
				b.buf = append(b.buf, '[')
				b.atom(p.key, c.Type.Key.Type)
				b.buf = append(b.buf, ',')
				b.atom(p.value, c.Type.Value.Type)
				b.buf = append(b.buf, ']')
			})
		}
		mutations = appendMutation(mutations, c.Name, "delete", "set", gone)
		mutations = appendMutation(mutations, c.Name, "insert", "map", put)
	}
	if len(mutations) == 0 {
		return false
	}
	b.begin("mutate", r.Table)
	b.where(r)
	b.buf = append(append(b.buf, `,"mutations":[`...), mutations...)
	b.buf = append(b.buf, ']')
	b.end()
	return true
}

// list appends to dst what element appends to b.buf, after a comma if dst has elements.
func (b *builder) list(dst []byte, element func()) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	n := len(b.buf)
	element()
	dst = append(dst, b.buf[n:]...)
	b.buf = b.buf[:n]
	return dst
}

func appendMutation(dst []byte, column, mutator, class string, elements []byte) []byte {
	if len(elements) == 0 {
		return dst
	}
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = wire.AppendString(append(dst, '['), column)
	dst = append(append(append(dst, `,"`...), mutator...), `",["`...)
	dst = append(append(append(dst, class...), `",[`...), elements...)
	return append(dst, "]]]"...)
}

// datum appends a value, with rows of this transaction by their names.
func (b *builder) datum(d ovsdb.Datum, t *ovsdb.Type) {
	if t.Key.Type != ovsdb.UUIDType && t.Value.Type != ovsdb.UUIDType {
		b.buf = ovsdb.AppendDatum(b.buf, d, t)
		return
	}
	class := "set"
	if t.IsMap() {
		class = "map"
	} else if d.Len() == 1 {
		b.atom(d.Key(0), t.Key.Type)
		return
	}
	b.buf = append(append(append(b.buf, `["`...), class...), `",[`...)
	for i := range d.Len() {
		if i > 0 {
			b.buf = append(b.buf, ',')
		}
		if !t.IsMap() {
			b.atom(d.Key(i), t.Key.Type)
			continue
		}
		b.buf = append(b.buf, '[')
		b.atom(d.Key(i), t.Key.Type)
		b.buf = append(b.buf, ',')
		b.atom(d.Value(i), t.Value.Type)
		b.buf = append(b.buf, ']')
	}
	b.buf = append(b.buf, "]]"...)
}

func (b *builder) atom(a ovsdb.Atom, t ovsdb.AtomicType) {
	if t == ovsdb.UUIDType {
		b.ref(a.UUID())
		return
	}
	b.buf = ovsdb.AppendAtom(b.buf, a, t)
}

// ref appends a reference.
func (b *builder) ref(u ovsdb.UUID) {
	if r := b.x.records[u]; r != nil && r.Old == nil && !r.Deleted && !r.keep {
		b.buf = wire.AppendString(append(b.buf, `["named-uuid",`...), rowName(u))
		b.buf = append(b.buf, ']')
		return
	}
	b.buf = ovsdb.AppendUUID(b.buf, u)
}

// rowName makes a name for a new row.
func rowName(u ovsdb.UUID) string { return "row" + strings.ReplaceAll(u.String(), "-", "_") }

// columnsIn returns the columns of a set, in the order of the table.
func columnsIn(t *ovsdb.TableSchema, set map[*ovsdb.ColumnSchema]bool) []*ovsdb.ColumnSchema {
	var columns []*ovsdb.ColumnSchema
	for _, c := range t.Columns {
		if set[c] {
			columns = append(columns, c)
		}
	}
	return columns
}
