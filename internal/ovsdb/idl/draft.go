package idl

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// draft is a snapshot in the making. It starts as another one, whose memory it
// shares and does not touch: a draft that fails half way is simply dropped.
type draft struct {
	plan   *plan
	tables []Table
	known  []Table // rows to use in place of equal new ones; nil: none
	step   *step   // what the draft changes; nil: nobody wants to know
	edit   *edit

	staged merge // into the table
	table  int
	one    [1]*ovsdb.Row // memory for staged, which mostly is no more

	arena  ovsdb.Arena   // of the row being made
	values []ovsdb.Datum // the same
}

// newDraft starts from s.
func newDraft(s *Snapshot) *draft {
	d := &draft{plan: s.plan, tables: append([]Table(nil), s.tables...), edit: new(edit)}
	d.staged.rows = d.one[:0]
	return d
}

// newDraftAfresh starts with nothing, for a database of which s was an earlier
// state: a row that is still the same remains the same *Row.
func newDraftAfresh(s *Snapshot) *draft {
	d := newDraft(newSnapshot(s.plan))
	d.known = s.tables
	return d
}

// publish ends the draft.
func (d *draft) publish() *Snapshot {
	d.merge()
	return &Snapshot{plan: d.plan, tables: d.tables}
}

// set has row in the table from the next merge on, in place of the one with its UUID.
func (d *draft) set(table int, row *ovsdb.Row) {
	if d.known != nil {
		if old := d.known[table].Get(row.UUID); old != nil && d.plan.tables[table].equalRows(old, row) {
			row = old
		}
	}
	if d.table != table {
		d.merge()
		d.table = table
	}
	d.staged.rows = append(d.staged.rows, row)
}

// merge puts what is staged into its table.
func (d *draft) merge() {
	m := &d.staged
	if len(m.rows) == 0 {
		return
	}
	t := &d.tables[d.table]
	m.edit, m.added = d.edit, 0
	if d.step != nil {
		d.step.expect(d.table, len(m.rows))
		m.tell = func(before, after *ovsdb.Row) { d.step.note(d.plan, d.table, before, after) }
	}
	t.set(m.into(t.tree(), 0, m.entries()))
	t.n += m.added
	m.rows = d.one[:0]
}

// mergeLater is merge for rows of which none is in the table, and none is there twice: who reads only what changed need not
// wait for it, and gets them as they came. As they lie in memory they are read sooner than in the order of their UUIDs.
func (d *draft) mergeLater() {
	m := &merge{edit: new(edit), rows: d.staged.rows}
	d.step.expect(d.table, len(m.rows))
	for _, row := range m.rows {
		d.step.note(d.plan, d.table, nil, row)
	}
	t := &d.tables[d.table]
	before := *t
	t.later = &later{make: func() *node { return m.into(before.tree(), 0, m.entries()) }}
	t.n += len(m.rows)
	d.staged.rows = d.one[:0]
}

// remove takes the row called id out of the table. It is not one that is staged.
func (d *draft) remove(table int, id ovsdb.UUID) {
	t := &d.tables[table]
	root, removed := t.tree().remove(d.edit, 0, id)
	t.set(root)
	if removed == nil {
		return
	}
	t.n--
	if d.step != nil {
		d.step.note(d.plan, table, removed, nil)
	}
}

// update applies what a server has told.
func (d *draft) update(u client.Update) error {
	if u.Rows != nil {
		return d.applyRows(u.Rows)
	}
	return d.apply(u.Tables, u.Version)
}

// applyRows applies changes that a server in this process shares with us. Its rows are taken as they
// are, in place of equal ones that are known: otherwise there would be both.
//
// What the columns are is known by their numbers, so the schema must be the one that the replica was planned with: it
// can have been converted between the reply that told it and the monitor.
func (d *draft) applyRows(rows ovsdb.Changes) error {
	d.known = nil
	var schema *ovsdb.TableSchema // that of the row before: most often the same
	var err error
	table, replicated, fresh := 0, false, true
	rows.EachRow(func(t *ovsdb.TableSchema, before, after *ovsdb.Row) {
		if t != schema {
			schema = t
			if table, replicated = d.plan.index[t.Name]; replicated && !sameColumns(t, d.plan.tables[table].schema) {
				err = fmt.Errorf("rows of table %s have other columns than its schema: it was converted meanwhile", t.Name)
			}
		}
		switch {
		case err != nil:
		case !replicated:
		case after == nil:
			d.remove(table, before.UUID)
		case d.plan.tables[table].whole:
			if d.table != table {
				d.mergeRows(fresh)
				fresh = true
			}
			fresh = fresh && before == nil
			d.set(table, after)
		default:
			row := d.plan.tables[table].show(after)
			if was := d.tables[table].Get(row.UUID); was == nil || !d.plan.tables[table].equalRows(was, row) {
				fresh = false
				d.set(table, row)
			}
		}
	})
	d.mergeRows(fresh)
	return err
}

// manyRows is how many are merged while the consumer works with them already.
const manyRows = 1024

// mergeRows puts what a server in this process shares with us into its table. fresh: none of it was there.
func (d *draft) mergeRows(fresh bool) {
	if fresh && d.step != nil && len(d.staged.rows) >= manyRows {
		d.mergeLater()
	} else {
		d.merge()
	}
}

// sameColumns reports whether rows of two schemas of a table have the same values in the same places.
func sameColumns(a, b *ovsdb.TableSchema) bool {
	return a == b || slices.EqualFunc(a.Columns, b.Columns, func(a, b *ovsdb.ColumnSchema) bool {
		return a.Name == b.Name && a.Type.Key.Type == b.Type.Key.Type && a.Type.Value.Type == b.Type.Value.Type &&
			a.Type.Min == b.Type.Min && a.Type.Max == b.Type.Max
	})
}

// apply applies <table-updates> of v. Tables and columns that are not replicated
// are ignored.
func (d *draft) apply(updates wire.Value, v client.Version) error {
	if updates.Kind() != wire.Object {
		return fmt.Errorf("table updates are %s, not an object", updates.Kind())
	}
	for name, rows := range updates.Members() {
		table, ok := d.plan.index[name]
		if !ok {
			continue
		}
		if err := d.applyTable(table, rows, v); err != nil {
			return fmt.Errorf("update of table %s: %w", name, err)
		}
	}
	return nil
}

func (d *draft) applyTable(table int, rows wire.Value, v client.Version) error {
	if rows.Kind() != wire.Object {
		return fmt.Errorf("rows are %s, not an object", rows.Kind())
	}
	for text, update := range rows.Members() {
		id, ok := ovsdb.ParseUUID(text)
		if !ok {
			return fmt.Errorf("%q is not a UUID", text)
		}
		if update.Kind() != wire.Object {
			return fmt.Errorf("row %s: update is %s, not an object", text, update.Kind())
		}
		var err error
		if v == 1 {
			err = d.applyRow1(table, id, update)
		} else {
			err = d.applyRow2(table, id, update)
		}
		if err != nil {
			return fmt.Errorf("row %s: %w", text, err)
		}
	}
	d.merge()
	return nil
}

// applyRow1 applies a <row-update>: the old and the new row, or one of them.
func (d *draft) applyRow1(table int, id ovsdb.UUID, update wire.Value) error {
	if columns := update.Get("new"); columns.Exists() {
		return d.setColumns(table, id, d.tables[table].Get(id), columns)
	}
	if !update.Get("old").Exists() {
		return errors.New(`update has neither "old" nor "new"`)
	}
	d.remove(table, id)
	return nil
}

// applyRow2 applies a <row-update2>: one of four, by the name of its only member.
func (d *draft) applyRow2(table int, id ovsdb.UUID, update wire.Value) error {
	if update.Len() != 1 {
		return fmt.Errorf("update has %d members, not 1", update.Len())
	}
	for what, columns := range update.Members() {
		switch what {
		case "initial", "insert":
			return d.setColumns(table, id, nil, columns)
		case "modify":
			return d.modifyColumns(table, id, columns)
		case "delete":
			d.remove(table, id)
			return nil
		default:
			return fmt.Errorf("unknown kind of update %q", what)
		}
	}
	return nil
}

// setColumns stores a row that has the columns given and the others from base, or
// with their defaults if that is nil.
func (d *draft) setColumns(table int, id ovsdb.UUID, base *ovsdb.Row, columns wire.Value) error {
	if columns.Kind() != wire.Object {
		return fmt.Errorf("columns are %s, not an object", columns.Kind())
	}
	t := d.plan.tables[table]
	if base != nil {
		d.values = base.AppendValues(d.values[:0])
	} else {
		d.values = append(d.values[:0], t.defaults...)
	}
	d.arena.Reset()
	for name, v := range columns.Members() {
		c := t.columns[name]
		if c == nil {
			continue
		}
		value, err := d.arena.ParseDatum(v, &c.value, nil)
		if err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
		d.values[c.Index] = value
	}
	d.set(table, ovsdb.NewRow(id, d.values))
	return nil
}

// modifyColumns applies the differences given to a row.
func (d *draft) modifyColumns(table int, id ovsdb.UUID, columns wire.Value) error {
	if columns.Kind() != wire.Object {
		return fmt.Errorf("columns are %s, not an object", columns.Kind())
	}
	old := d.tables[table].Get(id)
	if old == nil {
		return errors.New("is modified but does not exist")
	}
	t := d.plan.tables[table]
	d.values = old.AppendValues(d.values[:0])
	for name, v := range columns.Members() {
		c := t.columns[name]
		if c == nil {
			continue
		}
		diff, err := ovsdb.ParseDatum(v, &c.diff, nil)
		if err == nil {
			d.values[c.Index], err = d.values[c.Index].ApplyDiff(diff, &c.Type)
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
	}
	d.set(table, ovsdb.NewRow(id, d.values))
	return nil
}
