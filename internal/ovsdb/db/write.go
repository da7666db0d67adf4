package db

import (
	"github.com/vtep/vtep/internal/ovsdb"
)

func (o *operation) update() error {
	t := o.table()
	where := o.Get("where", ovsdb.OpArray)
	values := o.Get("row", ovsdb.OpObject)
	if err := o.Err(); err != nil {
		return err
	}
	fields := o.db.arena.Values(t.defaults)
	columns, err := t.parseRow(values, &o.db.arena, &o.syms, fields, nil)
	if err != nil {
		return err
	}
	for _, c := range columns {
		if !c.Mutable {
			return ovsdb.SyntaxError(o.json, "constraint violation",
				"Cannot update immutable column %s in table %s.", c.Name, t.schema.Name)
		}
	}
	cond, err := ovsdb.ParseCondition(where, t.schema, &o.syms)
	if err != nil {
		return err
	}
	rows := o.match(t, cond)
	if err := o.rbac(t).mayUpdate(t, rows, columns); err != nil {
		return err
	}
	for _, st := range rows {
		if equalColumns(st.row, fields, columns) {
			continue
		}
		present := o.modifyRow(t, st)
		for _, c := range columns {
			present[c.Index] = fields[c.Index]
		}
		o.modified(t, st)
	}
	o.count(len(rows))
	return nil
}

func equalColumns(row *ovsdb.Row, values []ovsdb.Datum, columns ovsdb.ColumnSet) bool {
	for _, c := range columns {
		if !row.At(c.Index).Equal(values[c.Index], &c.Type) {
			return false
		}
	}
	return true
}

func (o *operation) mutate() error {
	t := o.table()
	where := o.Get("where", ovsdb.OpArray)
	mutationsJSON := o.Get("mutations", ovsdb.OpArray)
	if err := o.Err(); err != nil {
		return err
	}
	mutations, err := ovsdb.ParseMutations(mutationsJSON, t.schema, &o.syms)
	if err != nil {
		return err
	}
	cond, err := ovsdb.ParseCondition(where, t.schema, &o.syms)
	if err != nil {
		return err
	}
	if len(mutations) == 0 {
		o.settle()
		if len(cond) == 0 {
			o.count(t.live)
		} else {
			o.count(len(o.match(t, cond)))
		}
		return nil
	}
	rules := o.rbac(t)
	if rules == nil && o.gather(t, cond, mutations) {
		o.count(1)
		return nil
	}
	o.settle()
	rows := o.match(t, cond)
	if err := rules.mayMutate(t, rows, mutations); err != nil {
		return err
	}
	for _, st := range rows {
		if err := mutations.Apply(o.modifyRow(t, st)); err != nil {
			return err
		}
		o.modified(t, st)
	}
	o.count(len(rows))
	return nil
}

func (o *operation) delete() error {
	where := o.Get("where", ovsdb.OpArray)
	t := o.table()
	if err := o.Err(); err != nil {
		return err
	}
	cond, err := ovsdb.ParseCondition(where, t.schema, &o.syms)
	if err != nil {
		return err
	}
	rows := o.match(t, cond)
	if err := o.rbac(t).mayDelete(t, rows); err != nil {
		return err
	}
	for _, st := range rows {
		o.deleteRow(t, st)
	}
	o.count(len(rows))
	return nil
}
