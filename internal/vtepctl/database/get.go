package database

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// wantsUUID says whether an argument of get asks for the UUID of the record.
func wantsUUID(arg string) bool { return argument.IsUUIDColumn(arg) || strings.EqualFold(arg, "-uuid") }

func needGet(c *command.Call) error {
	if err := needTable(c); err != nil {
		return err
	}
	if _, ok := c.Opt("id"); !ok && len(c.Args) <= 2 && c.Tool.Terminal {
		c.Tool.Warn("db_ctl_base", "\"get\" command without row arguments or \"--id\" is possibly erroneous")
	}
	t, _ := tableArg(c)
	for _, arg := range c.Args[2:] {
		if wantsUUID(arg) {
			continue
		}
		column, _, err := argument.CutColumn(arg, t)
		if err != nil {
			return err
		}
		c.Needed.Column(t, column)
	}
	return nil
}

func get(c *command.Call) error {
	id, hasID := c.Opt("id")
	if hasID && c.Has("if-exists") {
		return errors.New("--if-exists and --id may not be specified together")
	}
	_, r, err := recordArg(c)
	if err != nil || r == nil {
		return err
	}
	if hasID {
		if err := nameRecord(c.X, id, r); err != nil {
			return err
		}
	}
	var values []output.JSONText
	for _, arg := range c.Args[2:] {
		if wantsUUID(arg) {
			c.Printf("%s\n", r.UUID)
			values = append(values, output.JSONString(r.UUID.String()))
			continue
		}
		text, value, err := getColumn(c, r, arg)
		if err != nil {
			return err
		}
		c.Printf("%s\n", text)
		values = append(values, value)
	}
	c.Value = output.JSONArray(values)
	return nil
}

// getColumn returns the value that COLUMN[:KEY] asks for.
func getColumn(c *command.Call, r *txn.Record, arg string) (string, output.JSONText, error) {
	a, err := argument.ParseColumnKey(arg, r.Table)
	if err != nil {
		return "", nil, err
	}
	column := a.Column
	c.X.Verify(r, column)
	d := r.Get(column)
	if !a.HasKey {
		return ovsdb.FormatDatum(d, &column.Type), output.PlainJSON(d, &column.Type), nil
	}
	if !column.Type.IsMap() {
		return "", nil, fmt.Errorf("cannot specify key to get for non-map column %s", column.Name)
	}
	key, err := ovsdb.ParseAtomString(a.Key, &column.Type.Key, &c.X.Symbols)
	if err != nil {
		return "", nil, err
	}
	i, found := d.Find(key, column.Type.Key.Type)
	if !found {
		if !c.Has("if-exists") {
			return "", nil, fmt.Errorf("no key \"%s\" in %s record \"%s\" column %s", a.Key, r.Table.Name, c.Args[1], column.Name)
		}
		return "", output.JSONText("null"), nil
	}
	value := ovsdb.ScalarType(column.Type.Value.Type)
	return ovsdb.FormatAtom(d.Value(i), column.Type.Value.Type), output.PlainJSON(ovsdb.Scalar(d.Value(i)), &value), nil
}

// symbol makes a symbol of an --id option.
func newSymbol(x *txn.Txn, id string) (*ovsdb.Symbol, error) {
	if !strings.HasPrefix(id, "@") {
		return nil, fmt.Errorf("row id \"%s\" does not begin with \"@\"", id)
	}
	s := x.Symbols.Insert(id)
	if s.Created {
		return nil, fmt.Errorf("row id \"%s\" may only be specified on one --id option", id)
	}
	s.Created = true
	return s, nil
}

// nameRecord makes id stand for a record that exists.
func nameRecord(x *txn.Txn, id string, r *txn.Record) error {
	used := x.Symbols.Get(id) != nil
	s, err := newSymbol(x, id)
	if err != nil {
		return err
	}
	if used {
		return fmt.Errorf("row id \"%s\" specified on \"get\" command was used before it was defined", id)
	}
	s.UUID = r.UUID
	s.StrongRef = true // it needs no reference to it
	return nil
}
