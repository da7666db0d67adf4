package db

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Prepared is a record of an OVSDB file whose text has been read as rows that are new: as a
// compaction writes it, or a large insertion. Whether they are new is for ReplayPrepared to see.
type Prepared struct {
	text   []byte
	date   int64
	chunks []*chunk
}

// chunk is rows of one table, one behind the other in the text.
type chunk struct {
	table *Table
	text  []byte // "uuid":{...},"uuid":{...}
	n     int

	rows  []*ovsdb.Row
	atoms int
}

// chunkRows is the most rows of a chunk.
const chunkRows = 4096

// Date returns the _date of the record, 0 if it has none.
func (p *Prepared) Date() int64 { return p.date }

// Prepare reads a record in the text form that programs write, with all processors and without
// a document: a file of a million rows has twenty times as many values. It returns nil for one
// that may be something else, or is wrong: ReplayRecord judges that. It may be called by
// another goroutine than the owner of the database. The text must not change afterwards.
func (d *Database) Prepare(record []byte) *Prepared {
	p := &Prepared{text: record}
	if !p.split(d) {
		return nil
	}
	var next, refused atomic.Int32
	work := func() {
		r := rowReader{}
		for {
			i := int(next.Add(1)) - 1
			if i >= len(p.chunks) || refused.Load() != 0 {
				return
			}
			if !r.read(p.chunks[i]) {
				refused.Store(1)
			}
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(p.chunks)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	if refused.Load() != 0 {
		return nil
	}
	return p
}

// split finds the tables in the text, and chunks of their rows. What it takes for the end of a
// row may be within a string: then no row ends there for the reader of the chunk.
func (p *Prepared) split(d *Database) bool {
	c := wire.Cursor{Text: p.text}
	if !c.Skip("{") {
		return false
	}
	seen := make(map[string]bool)
	for first := true; ; first = false {
		if !first && c.Skip("}") {
			return c.At == len(p.text)
		}
		if !first && !c.Skip(",") {
			return false
		}
		name, ok := c.Str()
		if !ok || seen[name] || !c.Skip(":") {
			return false
		}
		seen[name] = true
		switch t := d.tables[name]; {
		case t != nil:
			ok = p.splitTable(t, &c)
		case name == "_date":
			p.date, ok = c.Int()
		case name == "_comment":
			_, ok = c.Str()
		default:
			return false // also _is_diff: it changes rows
		}
		if !ok {
			return false
		}
	}
}

// Lengths of what is around a row: "UUID":{...}
const (
	rowName  = len(`"01234567-89ab-cdef-0123-456789abcdef"`)
	rowStart = rowName + len(`:{`)
)

// splitTable finds the rows of the table whose object begins at c.
func (p *Prepared) splitTable(t *Table, c *wire.Cursor) bool {
	if !c.Skip("{") {
		return false
	}
	text := p.text
	if c.Skip("}") {
		return true
	}
	begin, n := c.At, 0 // of the chunk
	cut := func(end int) {
		p.chunks = append(p.chunks, &chunk{table: t, text: text[begin:end], n: n})
		n = 0
	}
	for at := begin; ; {
		if !beginsRow(text, at) {
			return false
		}
		n++
		if at = endOfRow(text, at+rowStart); at == len(text) {
			return false
		}
		if text[at] == '}' {
			cut(at)
			c.At = at + 1
			return true
		}
		if n == chunkRows {
			cut(at)
			begin = at + 1
		}
		at++
	}
}

// endOfRow returns what seems to be the offset after a row, from an offset within it: before the
// next row, or the end of the object or of the text.
func endOfRow(text []byte, at int) int {
	for {
		i := bytes.IndexByte(text[at:], '}')
		if i < 0 {
			return len(text)
		}
		if at += i + 1; at == len(text) || text[at] == '}' || text[at] == ',' && beginsRow(text, at+1) {
			return at
		}
	}
}

// beginsRow reports whether text may have the beginning of a row at an offset.
func beginsRow(text []byte, at int) bool {
	return at+rowStart <= len(text) && text[at] == '"' && text[at+rowName-1] == '"' &&
		text[at+rowName] == ':' && text[at+rowName+1] == '{' && text[at+9] == '-' && text[at+24] == '-'
}

// rowReader makes rows of the text of chunks.
type rowReader struct {
	arena  ovsdb.Arena
	values []ovsdb.Datum
	order  []*ovsdb.ColumnSchema // the columns of the last row, as they came
	given  []bool                // by index: the row has named the column
}

// read makes the rows of a chunk; false: it is not as expected.
func (r *rowReader) read(k *chunk) bool {
	c := wire.Cursor{Text: k.text}
	k.rows = make([]*ovsdb.Row, 0, k.n)
	r.order = r.order[:0]
	r.given = make([]bool, len(k.table.schema.Columns))
	for {
		name, ok := c.Str()
		if !ok {
			return false
		}
		id, ok := ovsdb.ParseUUID(name)
		if !ok || !c.Skip(":") || !r.row(k.table, &c) {
			return false
		}
		row := ovsdb.NewRow(id, r.values).Renew()
		k.rows = append(k.rows, row)
		k.atoms += k.table.countAtoms(row)
		if c.At == len(k.text) {
			return len(k.rows) == k.n
		}
		if !c.Skip(",") {
			return false
		}
	}
}

// row reads a <row> into values. One that holds what the Cursor does not read is parsed.
func (r *rowReader) row(t *Table, c *wire.Cursor) bool {
	r.arena.Reset()
	r.values = append(r.values[:0], t.defaults...)
	clear(r.given)
	begin := c.At
	if !c.Skip("{") {
		return false
	}
	for n := 0; ; n++ {
		if c.Skip("}") {
			return true
		}
		if n > 0 && !c.Skip(",") {
			return false
		}
		column := r.column(t, c, n)
		if column == nil || r.given[column.Index] {
			return false
		}
		r.given[column.Index] = true
		atom, ok := r.atom(&column.Type, c)
		if !ok {
			return r.parse(t, c, begin)
		}
		if column.Type.Key.Check(atom) != nil {
			return false
		}
		r.values[column.Index] = ovsdb.Scalar(atom)
	}
}

// column reads the name of member n of a row, and its colon. It mostly is the same as of the row
// before.
func (r *rowReader) column(t *Table, c *wire.Cursor, n int) *ovsdb.ColumnSchema {
	name, ok := c.Str()
	if !ok || !c.Skip(":") {
		return nil
	}
	if n < len(r.order) && r.order[n].Name == name {
		return r.order[n]
	}
	column := t.schema.Column(name)
	if column == nil || column.Index < 0 {
		return nil
	}
	r.order = append(r.order[:min(n, len(r.order))], column)
	return column
}

// atom reads a value that is an atom.
func (r *rowReader) atom(t *ovsdb.Type, c *wire.Cursor) (ovsdb.Atom, bool) {
	if t.IsMap() {
		return ovsdb.Atom{}, false
	}
	switch t.Key.Type {
	case ovsdb.String:
		s, ok := c.Str()
		return ovsdb.StringAtom(s), ok
	case ovsdb.Integer:
		i, ok := c.Int()
		return ovsdb.IntAtom(i), ok
	case ovsdb.Boolean:
		if c.Skip("true") {
			return ovsdb.BoolAtom(true), true
		}
		return ovsdb.BoolAtom(false), c.Skip("false")
	case ovsdb.UUIDType:
		at := c.At
		if c.Skip(`["uuid",`) {
			if text, ok := c.Str(); ok && c.Skip("]") {
				if u, ok := ovsdb.ParseUUID(text); ok {
					return r.arena.UUID(u), true
				}
			}
		}
		c.At = at
	}
	return ovsdb.Atom{}, false
}

// parse parses the row that begins at an offset of c, and goes to its end.
func (r *rowReader) parse(t *Table, c *wire.Cursor, begin int) bool {
	end := endOfRow(c.Text, c.At)
	v, err := wire.Parse(c.Text[begin:end])
	if err != nil {
		return false
	}
	copy(r.values, t.defaults)
	if _, err := t.parseRow(v, &r.arena, nil, r.values, nil); err != nil {
		return false
	}
	c.At = end
	return true
}

// ReplayPrepared is ReplayRecord of what Prepare has returned. An error is that of ReplayRecord.
func (d *Database) ReplayPrepared(p *Prepared) error {
	if d.insertPrepared(p) {
		return nil
	}
	v, err := wire.Parse(p.text)
	if err != nil {
		return err
	}
	return d.ReplayRecord(v)
}

// insertPrepared inserts the rows of p in one transaction; false: it does not do, and nothing
// has changed.
func (d *Database) insertPrepared(p *Prepared) bool {
	x := d.begin()
	ok := x.insertChunks(p, false, x.insertRow)
	x.determineChanges()
	var plain []*Table
	var before []int // rows of these
	atoms := 0
	if ok {
		for _, k := range p.chunks {
			if t := k.table; t.isPlain() {
				if len(plain) == 0 || plain[len(plain)-1] != t {
					plain, before = append(plain, t), append(before, len(t.rows.all))
				}
				atoms += k.atoms
			}
		}
		ok = x.insertChunks(p, true, nil)
	}
	for i, t := range plain {
		ok = ok && t.live <= t.schema.MaxRows && x.countNew(t, before[i])
	}
	if !ok {
		x.abort()
	} else if _, err := x.commitChanges(); err == nil {
		d.atoms += atoms
		return true
	}
	for i, t := range plain {
		for len(t.rows.all) > before[i] {
			t.remove(t.rows.all[len(t.rows.all)-1])
		}
		t.shrink()
	}
	return false
}

// isPlain reports whether all that the commit has to do about a new row of t is to count what
// it refers to: nothing else depends on there being such rows.
func (t *Table) isPlain() bool {
	return t.schema.IsRoot && len(t.schema.Indexes) == 0 && len(t.weak) == 0
}

// insertChunks inserts the rows of tables that are plain, for which it needs no function, or of
// those that are not; false: one of them is there.
func (x *txn) insertChunks(p *Prepared, plain bool, insert func(*Table, *ovsdb.Row)) bool {
	for i := 0; i < len(p.chunks); {
		t := p.chunks[i].table
		if t.isPlain() != plain {
			i++
			continue
		}
		n := len(t.rows.all)
		for j := i; j < len(p.chunks) && p.chunks[j].table == t; j++ {
			n += p.chunks[j].n
		}
		if !t.rows.slots.Fits(n) {
			t.rows.rehash(t, n)
		}
		for ; i < len(p.chunks) && p.chunks[i].table == t; i++ {
			for _, row := range p.chunks[i].rows {
				switch {
				case !plain && t.find(row.UUID) == nil:
					insert(t, row)
				case plain && t.rows.putNew(t, &rowState{row: row}):
					t.live++
				default:
					return false
				}
			}
		}
	}
	return true
}

// countNew counts the strong references of the rows of t from a position on, which are not a
// part of the transaction; false: one refers to nothing.
func (x *txn) countNew(t *Table, from int) bool {
	if len(t.strong) == 0 {
		return true
	}
	// Many rows refer to few, in any order.
	const recent = 1024
	tt, found := x.of(t), make([][recent]target, len(t.strong))
	for _, st := range t.rows.all[from:] {
		for i := range tt.strong {
			c := &tt.strong[i]
			d, to := st.row.At(c.Index), &found[i][0]
			if d.Len() == 1 {
				id := d.Key(0).UUID()
				to = &found[i][(uint(id[0])<<8|uint(id[15]))%recent]
			}
			if x.adjust(tt, st, c, to, d, +1) != nil {
				return false
			}
		}
	}
	return true
}
