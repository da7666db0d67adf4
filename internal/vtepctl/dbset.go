package vtepctl

import (
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
)

func set(c *call) error {
	_, r, err := recordArg(c)
	if err != nil || r == nil {
		return err
	}
	for _, arg := range c.args[2:] {
		if err := assign(c.x, r, arg, c.last); err != nil {
			return err
		}
	}
	return nil
}

// setColumn does COLUMN[:KEY]=VALUE to a record. blind says that no command follows that
// could read the column: then a key is set without a look at the others, and no other
// client's change to them makes the transaction fail.
func assign(x *txn, r *record, arg string, blind bool) error {
	a, err := parseColumnValue(arg, r.table, "=")
	if err != nil {
		return err
	}
	c := a.column
	if err := checkMutable(r, c); err != nil {
		return err
	}
	if !a.hasKey {
		d, err := ovsdb.ParseDatumString(a.value, &c.Type, &x.symbols)
		if err != nil {
			return err
		}
		x.write(r, c, d)
		return nil
	}
	if !c.Type.IsMap() {
		return fmt.Errorf("cannot specify key to set for non-map column %s", c.Name)
	}
	key, err := ovsdb.ParseAtomString(a.key, &c.Type.Key, &x.symbols)
	if err != nil {
		return err
	}
	value, err := ovsdb.ParseAtomString(a.value, &c.Type.Value, &x.symbols)
	if err != nil {
		return err
	}
	if blind {
		x.put(r, c, key, value)
		return nil
	}
	x.verify(r, c)
	pair := ovsdb.NewMap(c.Type.Key.Type, c.Type.Value.Type, key, value)
	x.write(r, c, pair.Union(r.get(c), &c.Type))
	return nil
}

// valuesType is the type of values to add to, or remove from, a column.
func valuesType(c *ovsdb.ColumnSchema) ovsdb.Type {
	t := c.Type
	t.Min, t.Max = 1, ovsdb.Unlimited
	return t
}

// columnOfRecord finds the record and the column that the first three arguments name.
func columnOfRecord(c *call) (*record, *ovsdb.ColumnSchema, error) {
	t, err := tableArg(c)
	if err != nil {
		return nil, nil, err
	}
	column, err := findColumn(t, c.args[2])
	if err != nil {
		return nil, nil, err
	}
	_, r, err := recordArg(c)
	if err != nil || r == nil {
		return nil, nil, err
	}
	return r, column, checkMutable(r, column)
}

func add(c *call) error {
	r, column, err := columnOfRecord(c)
	if err != nil || r == nil {
		return err
	}
	d := r.get(column)
	typ := valuesType(column)
	for _, arg := range c.args[3:] {
		more, err := ovsdb.ParseDatumString(arg, &typ, &c.x.symbols)
		if err != nil {
			return err
		}
		d = d.Union(more, &column.Type)
	}
	if d.Len() > column.Type.Max {
		return fmt.Errorf("\"add\" operation would put %d %s in column %s of table %s but the maximum number is %d",
			d.Len(), elements(column), column.Name, r.table.Name, column.Type.Max)
	}
	c.x.verify(r, column)
	c.x.write(r, column, d)
	return nil
}

// elements is what the elements of a column are called.
func elements(c *ovsdb.ColumnSchema) string {
	if c.Type.IsMap() {
		return "pairs"
	}
	return "values"
}

func removeValues(c *call) error {
	r, column, err := columnOfRecord(c)
	if err != nil || r == nil {
		return err
	}
	d := r.get(column)
	typ := valuesType(column)
	keys := typ
	keys.Value = ovsdb.BaseType{}
	for _, arg := range c.args[3:] {
		less, err := ovsdb.ParseDatumString(arg, &typ, &c.x.symbols)
		if err != nil && typ.IsMap() {
			less, err = ovsdb.ParseDatumString(arg, &keys, &c.x.symbols)
		}
		if err != nil {
			return err
		}
		d = d.Subtract(less, &column.Type)
	}
	if d.Len() < column.Type.Min {
		return fmt.Errorf("\"remove\" operation would put %d %s in column %s of table %s but the minimum number is %d",
			d.Len(), elements(column), column.Name, r.table.Name, column.Type.Min)
	}
	c.x.verify(r, column)
	c.x.write(r, column, d)
	return nil
}

func needClear(c *call) error {
	if err := needTable(c); err != nil {
		return err
	}
	t, _ := tableArg(c)
	for _, name := range c.args[2:] {
		column, err := findColumn(t, name)
		if err != nil {
			return err
		}
		c.needed.column(t, column)
	}
	return nil
}

func clearColumns(c *call) error {
	t, r, err := recordArg(c)
	if err != nil || r == nil {
		return err
	}
	for _, name := range c.args[2:] {
		column, err := findColumn(t, name)
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
		c.x.write(r, column, ovsdb.Datum{})
	}
	return nil
}
