package database

import (
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

func set(c *command.Call) error {
	_, r, err := recordArg(c)
	if err != nil || r == nil {
		return err
	}
	for _, arg := range c.Args[2:] {
		if err := assign(c.X, r, arg, c.Last); err != nil {
			return err
		}
	}
	return nil
}

// setColumn does COLUMN[:KEY]=VALUE to a record. blind says that no command follows that
// could read the column: then a key is set without a look at the others, and no other
// client's change to them makes the transaction fail.
func assign(x *txn.Txn, r *txn.Record, arg string, blind bool) error {
	a, err := argument.ParseColumnValue(arg, r.Table, "=")
	if err != nil {
		return err
	}
	c := a.Column
	if err := checkMutable(r, c); err != nil {
		return err
	}
	if !a.HasKey {
		d, err := ovsdb.ParseDatumString(a.Value, &c.Type, &x.Symbols)
		if err != nil {
			return err
		}
		x.Write(r, c, d)
		return nil
	}
	if !c.Type.IsMap() {
		return fmt.Errorf("cannot specify key to set for non-map column %s", c.Name)
	}
	key, err := ovsdb.ParseAtomString(a.Key, &c.Type.Key, &x.Symbols)
	if err != nil {
		return err
	}
	value, err := ovsdb.ParseAtomString(a.Value, &c.Type.Value, &x.Symbols)
	if err != nil {
		return err
	}
	if blind {
		x.Put(r, c, key, value)
		return nil
	}
	x.Verify(r, c)
	pair := ovsdb.NewMap(c.Type.Key.Type, c.Type.Value.Type, key, value)
	x.Write(r, c, pair.Union(r.Get(c), &c.Type))
	return nil
}

// valuesType is the type of values to add to, or remove from, a column.
func valuesType(c *ovsdb.ColumnSchema) ovsdb.Type {
	t := c.Type
	t.Min, t.Max = 1, ovsdb.Unlimited
	return t
}

// columnOfRecord finds the record and the column that the first three arguments name.
func columnOfRecord(c *command.Call) (*txn.Record, *ovsdb.ColumnSchema, error) {
	t, err := tableArg(c)
	if err != nil {
		return nil, nil, err
	}
	column, err := argument.FindColumn(t, c.Args[2])
	if err != nil {
		return nil, nil, err
	}
	_, r, err := recordArg(c)
	if err != nil || r == nil {
		return nil, nil, err
	}
	return r, column, checkMutable(r, column)
}

func add(c *command.Call) error {
	r, column, err := columnOfRecord(c)
	if err != nil || r == nil {
		return err
	}
	d := r.Get(column)
	typ := valuesType(column)
	for _, arg := range c.Args[3:] {
		more, err := ovsdb.ParseDatumString(arg, &typ, &c.X.Symbols)
		if err != nil {
			return err
		}
		d = d.Union(more, &column.Type)
	}
	if d.Len() > column.Type.Max {
		return fmt.Errorf("\"add\" operation would put %d %s in column %s of table %s but the maximum number is %d",
			d.Len(), elements(column), column.Name, r.Table.Name, column.Type.Max)
	}
	c.X.Verify(r, column)
	c.X.Write(r, column, d)
	return nil
}

// elements is what the elements of a column are called.
func elements(c *ovsdb.ColumnSchema) string {
	if c.Type.IsMap() {
		return "pairs"
	}
	return "values"
}

func removeValues(c *command.Call) error {
	r, column, err := columnOfRecord(c)
	if err != nil || r == nil {
		return err
	}
	d := r.Get(column)
	typ := valuesType(column)
	keys := typ
	keys.Value = ovsdb.BaseType{}
	for _, arg := range c.Args[3:] {
		less, err := ovsdb.ParseDatumString(arg, &typ, &c.X.Symbols)
		if err != nil && typ.IsMap() {
			less, err = ovsdb.ParseDatumString(arg, &keys, &c.X.Symbols)
		}
		if err != nil {
			return err
		}
		d = d.Subtract(less, &column.Type)
	}
	if d.Len() < column.Type.Min {
		return fmt.Errorf("\"remove\" operation would put %d %s in column %s of table %s but the minimum number is %d",
			d.Len(), elements(column), column.Name, r.Table.Name, column.Type.Min)
	}
	c.X.Verify(r, column)
	c.X.Write(r, column, d)
	return nil
}

func needClear(c *command.Call) error {
	if err := needTable(c); err != nil {
		return err
	}
	t, _ := tableArg(c)
	for _, name := range c.Args[2:] {
		column, err := argument.FindColumn(t, name)
		if err != nil {
			return err
		}
		c.Needed.Column(t, column)
	}
	return nil
}

func clearColumns(c *command.Call) error {
	t, r, err := recordArg(c)
	if err != nil || r == nil {
		return err
	}
	for _, name := range c.Args[2:] {
		column, err := argument.FindColumn(t, name)
		if err != nil {
			return err
		}
		if err := checkMutable(r, column); err != nil {
			return err
		}
		if column.Type.Min > 0 {
			return fmt.Errorf("\"clear\" operation cannot be applied to column %s of table %s, which is not allowed to be empty",
				column.Name, t.Name)
		}
		c.X.Write(r, column, ovsdb.Datum{})
	}
	return nil
}
