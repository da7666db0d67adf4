package db

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func (o *operation) insert() error {
	t := o.table()
	uuid := o.Get("uuid", ovsdb.OpString|ovsdb.OpOptional)
	name := o.Get("uuid-name", ovsdb.OpID|ovsdb.OpOptional)
	values := o.Get("row", ovsdb.OpObject)
	if err := o.Err(); err != nil {
		return err
	}
	id, err := o.newID(t, uuid, name)
	if err != nil {
		return err
	}
	o.db.fresh.Reset()
	fields := o.db.fresh.Values(t.defaults)
	columns, err := t.parseRow(values, &o.db.fresh, &o.syms, fields, t.named)
	if err != nil {
		return err
	}
	t.named = columns
	for _, c := range t.invalid {
		if !columns.Contains(c) {
			return t.defaults[c.Index].Check(&c.Type)
		}
	}
	row := ovsdb.NewRow(id, fields).Renew()
	if err := o.rbac(t).mayInsert(t, row); err != nil {
		return err
	}
	o.insertRow(t, row)
	o.reply = ovsdb.AppendUUID(append(o.reply, `{"uuid":`...), id)
	o.reply = append(o.reply, '}')
	return nil
}

// newID returns the UUID for a row to be inserted: that which uuid or the
// symbol name gives, or a new one.
func (o *operation) newID(t *Table, uuid, name wire.Value) (ovsdb.UUID, error) {
	var id ovsdb.UUID
	if uuid.Exists() {
		var ok bool
		if id, ok = ovsdb.ParseUUID(uuid.Str()); !ok {
			return id, ovsdb.SyntaxError(uuid, "", "bad uuid")
		}
		if !t.mayInsert(id) {
			return id, ovsdb.SyntaxError(uuid, "duplicate uuid",
				`This UUID would duplicate a UUID already present within the "%s" table `+
					`or deleted from this table within the same transaction.`, t.schema.Name)
		}
	}
	if !name.Exists() {
		if !uuid.Exists() {
			id = ovsdb.NewUUID()
		}
		return id, nil
	}
	sym := o.syms.Get(name.Str())
	switch {
	case sym == nil && !uuid.Exists():
		sym = o.syms.Put(name.Str(), ovsdb.NewUUID(), true)
	case sym == nil:
		sym = o.syms.Put(name.Str(), id, true)
	case sym.Created:
		return id, ovsdb.SyntaxError(name, "duplicate uuid-name",
			`This "uuid-name" appeared on an earlier "insert" operation.`)
	case uuid.Exists():
		sym = o.syms.Rename(name.Str(), id)
	}
	sym.Created = true
	return sym.UUID, nil
}

// parseRow parses a <row> into fields, with the memory of arena, and returns the columns that it
// names. Their memory is that of before, which are those of another row: rows one after another mostly name the same.
func (t *Table) parseRow(v wire.Value, arena *ovsdb.Arena, syms *ovsdb.SymbolTable, fields []ovsdb.Datum, before ovsdb.ColumnSet) (ovsdb.ColumnSet, error) {
	if v.Kind() != wire.Object {
		return nil, ovsdb.SyntaxError(v, "", "row must be JSON object")
	}
	columns := before[:0]
	for name, value := range v.Members() {
		var c *ovsdb.ColumnSchema
		if n := len(columns); n < len(before) && before[n].Name == name {
			c = before[n]
		} else if c = t.schema.Column(name); c == nil {
			return nil, ovsdb.SyntaxError(v, "unknown column", "No column %s in table %s.", name, t.schema.Name)
		}
		d, err := arena.ParseDatum(value, &c.Type, syms)
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
		if c.Index >= 0 { // others are valid, but without effect
			fields[c.Index] = d
		}
	}
	return columns, nil
}
