package idl

import (
	"iter"
	"sync"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Snapshot is the replica between two transactions. It does not change.
type Snapshot struct {
	plan   *plan
	tables []Table // as plan.tables
}

// Table is one table of a Snapshot. A nil *Table is empty.
type Table struct {
	root  *node
	later *later // instead of root; nil: root it is
	n     int
}

// later is a tree that is made when somebody asks for it.
type later struct {
	once sync.Once
	make func() *node
	root *node
}

// tree returns the tree of the rows.
func (t *Table) tree() *node {
	l := t.later
	if l == nil {
		return t.root
	}
	l.once.Do(func() { l.root, l.make = l.make(), nil })
	return l.root
}

// set has the table have the rows of a tree.
func (t *Table) set(root *node) { t.root, t.later = root, nil }

// settle makes all trees, so that nobody has to wait for one.
func (s *Snapshot) settle() {
	for i := range s.tables {
		s.tables[i].tree()
	}
}

func newSnapshot(p *plan) *Snapshot {
	return &Snapshot{plan: p, tables: make([]Table, len(p.tables))}
}

// Schema returns the schema of the server's database. As long as the server's
// stays the same it is the same pointer.
func (s *Snapshot) Schema() *ovsdb.DatabaseSchema { return s.plan.schema }

// Table returns the table called name. It is empty if the database does not have
// it or it is not replicated.
func (s *Snapshot) Table(name string) *Table {
	i, ok := s.plan.index[name]
	if !ok {
		return nil
	}
	return &s.tables[i]
}

// Get returns the row called id, or nil.
func (t *Table) Get(id ovsdb.UUID) *ovsdb.Row {
	if t == nil {
		return nil
	}
	return t.tree().get(id)
}

// All yields the rows in the order of their UUIDs.
func (t *Table) All() iter.Seq[*ovsdb.Row] {
	return func(yield func(*ovsdb.Row) bool) {
		if t != nil {
			t.tree().each(yield)
		}
	}
}

// Len returns the number of rows.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return t.n
}

// translate returns s with its rows as rows of p, so that they can be compared
// with others of p: columns by name, those of another type with their defaults.
func (s *Snapshot) translate(p *plan) *Snapshot {
	d := newDraft(newSnapshot(p))
	for i, t := range p.tables {
		old := s.Table(t.schema.Name)
		if old == nil {
			continue
		}
		from := make([]int, len(t.schema.Columns)) // -1: there is no such column
		for j, c := range t.schema.Columns {
			from[j] = -1
			if o := s.plan.schema.Tables[t.schema.Name].Column(c.Name); o != nil && o.Type.Equal(&c.Type) {
				from[j] = o.Index
			}
		}
		for row := range old.All() {
			fields := append([]ovsdb.Datum(nil), t.defaults...)
			for j := range fields {
				if from[j] >= 0 {
					fields[j] = row.At(from[j])
				}
			}
			d.set(i, ovsdb.NewRow(row.UUID, fields))
		}
	}
	return d.publish()
}
