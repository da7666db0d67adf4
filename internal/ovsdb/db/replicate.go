package db

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Update is what another server of the database tells that it changed there.
type Update struct {
	// Tables are <table-updates> of RFC 7047, or with Second <table-updates2>.
	Tables wire.Value
	Second bool
	// Whole tells that Tables is all that there is: what is not in it goes.
	Whole bool
	// Except are tables that are left as they are, by name.
	Except map[string]bool
	// TxnID is what the transaction is called; the zero UUID: it gets a new one.
	TxnID ovsdb.UUID
}

// Replicate does here what another server did: as one transaction, of which all is checked that
// the schema asks for. On an error nothing changes. The ChangeSet is empty if nothing is different.
func (d *Database) Replicate(u Update) (*ChangeSet, error) {
	if u.Tables.Kind() != wire.Object {
		return nil, ovsdb.NewError("Not a JSON object", "<table-updates> is not object")
	}
	x := d.begin()
	err := x.replicate(u)
	if err != nil {
		x.abort()
		return nil, err
	}
	cs, err := x.commit()
	if err != nil {
		return nil, err
	}
	if cs == nil {
		d.seq++
		cs = &ChangeSet{TxnID: ovsdb.NewUUID(), seq: d.seq}
	}
	if !u.TxnID.IsZero() {
		cs.TxnID = u.TxnID
	}
	return cs, nil
}

func (x *txn) replicate(u Update) error {
	there := map[*Table]map[ovsdb.UUID]bool{}
	for name, rows := range u.Tables.Members() {
		t := x.db.tables[name]
		switch {
		case u.Except[name]:
			continue
		case t == nil:
			return ovsdb.NewError("unknown table", "unknown table %s", name)
		case rows.Kind() != wire.Object:
			return ovsdb.NewError("Not a JSON object", "<table-update> for table is not object")
		}
		seen := make(map[ovsdb.UUID]bool, rows.Len())
		there[t] = seen
		for text, update := range rows.Members() {
			id, ok := ovsdb.ParseUUID(text)
			switch {
			case !ok:
				return ovsdb.SyntaxError(rows, "bad row UUID", "<table-update> names must be UUIDs")
			case update.Kind() != wire.Object:
				return ovsdb.NewError("Not a JSON object", "<row-update> is not object")
			case seen[id]:
				return ovsdb.NewError("consistency violation", "row %s is in an update twice", id)
			}
			seen[id] = true
			if err := x.replicateRow(t, id, update, u.Second); err != nil {
				return err
			}
		}
	}
	if u.Whole {
		for _, t := range x.db.sorted {
			if !u.Except[t.schema.Name] {
				x.deleteOthers(t, there[t])
			}
		}
	}
	return nil
}

// deleteOthers deletes the rows that are not among those given.
func (x *txn) deleteOthers(t *Table, stay map[ovsdb.UUID]bool) {
	var gone []*rowState
	for _, st := range t.rows.all {
		if st.row != nil && !stay[st.row.UUID] {
			gone = append(gone, st)
		}
	}
	for _, st := range gone {
		x.deleteRow(t, st)
	}
}

// replicateRow applies a <row-update>, or a <row-update2>.
func (x *txn) replicateRow(t *Table, id ovsdb.UUID, update wire.Value, second bool) error {
	if !second {
		if row := update.Get("new"); row.Exists() {
			return x.replicateWhole(t, id, row)
		}
		return x.replicateDelete(t, id)
	}
	for kind, columns := range update.Members() {
		switch kind {
		case "initial", "insert":
			return x.replicateWhole(t, id, columns)
		case "delete":
			return x.replicateDelete(t, id)
		case "modify":
			st := t.find(id)
			if st == nil || st.row == nil {
				return ovsdb.NewError("consistency violation", "row %s to modify does not exist", id)
			}
			return t.replayDiff(columns, x.modifyRow(t, st))
		}
	}
	return ovsdb.NewError("syntax error", "<row-update2> of row %s is of an unknown kind", id)
}

// replicateWhole makes a row what the columns given say, and the defaults of the others.
func (x *txn) replicateWhole(t *Table, id ovsdb.UUID, columns wire.Value) error {
	fields := x.db.arena.Values(t.defaults)
	if _, err := t.parseRow(columns, &x.db.arena, nil, fields, nil); err != nil {
		return err
	}
	st := t.find(id)
	if st == nil || st.row == nil {
		x.insertRow(t, ovsdb.NewRow(id, fields).Renew())
		return nil
	}
	for i, c := range t.schema.Columns {
		if !st.row.At(i).Equal(fields[i], &c.Type) {
			copy(x.modifyRow(t, st), fields)
			return nil
		}
	}
	return nil
}

func (x *txn) replicateDelete(t *Table, id ovsdb.UUID) error {
	st := t.find(id)
	if st == nil || st.row == nil {
		return ovsdb.NewError("consistency violation", "row %s to delete does not exist", id)
	}
	x.deleteRow(t, st)
	return nil
}
