package db

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// ReplayRecord applies a record of an OVSDB file that is not the schema: with
// new values, or, if it says _is_diff, with differences. On an error nothing changes.
func (d *Database) ReplayRecord(record wire.Value) error {
	if record.Kind() != wire.Object {
		return ovsdb.SyntaxError(record, "", "object expected")
	}
	x := d.begin()
	isDiff := record.Get("_is_diff").Bool()
	for name, v := range record.Members() {
		t := d.tables[name]
		if t == nil && isAnnotation(name, v) {
			continue
		}
		var err error
		if t == nil {
			err = ovsdb.SyntaxError(record, "unknown table", "No table named %s.", name)
		} else {
			err = x.replayTable(t, v, isDiff)
		}
		if err != nil {
			x.abort()
			return err
		}
	}
	_, err := x.commit()
	return err
}

// isAnnotation reports whether a member of a record is no table.
func isAnnotation(name string, v wire.Value) bool {
	switch name {
	case "_comment":
		return true
	case "_date":
		return v.Kind() == wire.Integer
	case "_is_diff":
		return v.Kind() == wire.True || v.Kind() == wire.False
	}
	return false
}

func (x *txn) replayTable(t *Table, rows wire.Value, isDiff bool) error {
	if rows.Kind() != wire.Object {
		return ovsdb.SyntaxError(rows, "", "object expected")
	}
	for name, v := range rows.Members() {
		id, ok := ovsdb.ParseUUID(name)
		if !ok {
			return ovsdb.SyntaxError(rows, "", `"%s" is not a valid UUID`, name)
		}
		if err := x.replayRow(t, id, v, isDiff); err != nil {
			return err
		}
	}
	return nil
}

func (x *txn) replayRow(t *Table, id ovsdb.UUID, v wire.Value, isDiff bool) error {
	st := t.find(id)
	switch {
	case st != nil && st.row == nil: // the same UUID, written in another way
		return ovsdb.SyntaxError(wire.Value{}, "", "transaction names row %s twice", id)
	case v.Kind() == wire.Null && st == nil:
		return ovsdb.SyntaxError(wire.Value{}, "", "transaction deletes row %s that does not exist", id)
	case v.Kind() == wire.Null:
		x.deleteRow(t, st)
		return nil
	case st == nil:
		fields := x.db.arena.Values(t.defaults)
		if _, err := t.parseRow(v, &x.db.arena, nil, fields, nil); err != nil {
			return err
		}
		x.insertRow(t, ovsdb.NewRow(id, fields).Renew())
		return nil
	case isDiff:
		return t.replayDiff(v, x.modifyRow(t, st))
	}
	_, err := t.parseRow(v, &x.db.arena, nil, x.modifyRow(t, st), nil)
	return err
}

// replayDiff applies the differences that v holds to fields.
func (t *Table) replayDiff(v wire.Value, fields []ovsdb.Datum) error {
	if v.Kind() != wire.Object {
		return ovsdb.SyntaxError(v, "", "row must be JSON object")
	}
	for name, value := range v.Members() {
		c := t.schema.Column(name)
		if c == nil {
			return ovsdb.SyntaxError(v, "unknown column", "No column %s in table %s.", name, t.schema.Name)
		}
		if c.Index < 0 {
			continue
		}
		diff, err := ovsdb.ParseTransient(value, &c.Type)
		if err != nil {
			return err
		}
		if fields[c.Index], err = fields[c.Index].ApplyDiff(diff, &c.Type); err != nil {
			return err
		}
	}
	return nil
}
