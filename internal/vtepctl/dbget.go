package vtepctl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
)

// wantsUUID says whether an argument of get asks for the UUID of the record.
func wantsUUID(arg string) bool { return isUUIDColumn(arg) || strings.EqualFold(arg, "-uuid") }

func needGet(c *call) error {
	if err := needTable(c); err != nil {
		return err
	}
	if _, ok := c.opt("id"); !ok && len(c.args) <= 2 && c.tool.terminal {
		c.tool.warn("db_ctl_base", "\"get\" command without row arguments or \"--id\" is possibly erroneous")
	}
	t, _ := tableArg(c)
	for _, arg := range c.args[2:] {
		if wantsUUID(arg) {
			continue
		}
		column, _, err := cutColumn(arg, t)
		if err != nil {
			return err
		}
		c.needed.column(t, column)
	}
	return nil
}

func get(c *call) error {
	id, hasID := c.opt("id")
	if hasID && c.has("if-exists") {
		return errors.New("--if-exists and --id may not be specified together")
	}
	_, r, err := recordArg(c)
	if err != nil || r == nil {
		return err
	}
	if hasID {
		if err := nameRecord(c.x, id, r); err != nil {
			return err
		}
	}
	var values []jsonValue
	for _, arg := range c.args[2:] {
		if wantsUUID(arg) {
			c.printf("%s\n", r.uuid)
			values = append(values, jsonString(r.uuid.String()))
			continue
		}
		text, value, err := getColumn(c, r, arg)
		if err != nil {
			return err
		}
		c.printf("%s\n", text)
		values = append(values, value)
	}
	c.value = joinJSON(values)
	return nil
}

// getColumn returns the value that COLUMN[:KEY] asks for.
func getColumn(c *call, r *record, arg string) (string, jsonValue, error) {
	a, err := parseColumnKey(arg, r.table)
	if err != nil {
		return "", nil, err
	}
	column := a.column
	c.x.verify(r, column)
	d := r.get(column)
	if !a.hasKey {
		return ovsdb.FormatDatum(d, &column.Type), plainJSON(d, &column.Type), nil
	}
	if !column.Type.IsMap() {
		return "", nil, fmt.Errorf("cannot specify key to get for non-map column %s", column.Name)
	}
	key, err := ovsdb.ParseAtomString(a.key, &column.Type.Key, &c.x.symbols)
	if err != nil {
		return "", nil, err
	}
	i, found := d.Find(key, column.Type.Key.Type)
	if !found {
		if !c.has("if-exists") {
			return "", nil, fmt.Errorf("no key \"%s\" in %s record \"%s\" column %s", a.key, r.table.Name, c.args[1], column.Name)
		}
		return "", jsonValue("null"), nil
	}
	value := ovsdb.ScalarType(column.Type.Value.Type)
	return ovsdb.FormatAtom(d.Value(i), column.Type.Value.Type), plainJSON(ovsdb.Scalar(d.Value(i)), &value), nil
}

// symbol makes a symbol of an --id option.
func newSymbol(x *txn, id string) (*ovsdb.Symbol, error) {
	if !strings.HasPrefix(id, "@") {
		return nil, fmt.Errorf("row id \"%s\" does not begin with \"@\"", id)
	}
	s := x.symbols.Insert(id)
	if s.Created {
		return nil, fmt.Errorf("row id \"%s\" may only be specified on one --id option", id)
	}
	s.Created = true
	return s, nil
}

// nameRecord makes id stand for a record that exists.
func nameRecord(x *txn, id string, r *record) error {
	used := x.symbols.Get(id) != nil
	s, err := newSymbol(x, id)
	if err != nil {
		return err
	}
	if used {
		return fmt.Errorf("row id \"%s\" specified on \"get\" command was used before it was defined", id)
	}
	s.UUID = r.uuid
	s.StrongRef = true // it needs no reference to it
	return nil
}
