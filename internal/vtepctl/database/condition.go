package database

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// operators are the ones of conditions. Those in braces are about sets.
var operators = []string{"=", "!=", "<", ">", "<=", ">=",
	"{=}", "{!=}", "{<}", "{>}", "{<=}", "{>=}", "{in}", "{not-in}"}

// matches says whether a record meets a condition, COLUMN[:KEY] OP VALUE.
func matches(x *txn.Txn, r *txn.Record, arg string) (bool, error) {
	a, err := argument.ParseColumnValue(arg, r.Table, operators...)
	if err != nil {
		return false, err
	}
	c := a.Column
	have := r.Get(c)
	typ := c.Type
	typ.Max = ovsdb.Unlimited
	if !a.HasKey {
		want, err := ovsdb.ParseDatumString(a.Value, &c.Type, &x.Symbols)
		if err != nil {
			return false, err
		}
		return compare(have, want, &typ, a.Op), nil
	}
	if !c.Type.IsMap() {
		return false, fmt.Errorf("cannot specify key to check for non-map column %s", c.Name)
	}
	key, err := ovsdb.ParseAtomString(a.Key, &c.Type.Key, &x.Symbols)
	if err != nil {
		return false, err
	}
	typ.Key, typ.Value = c.Type.Value, ovsdb.BaseType{}
	want, err := ovsdb.ParseDatumString(a.Value, &typ, &x.Symbols)
	if err != nil {
		return false, err
	}
	i, found := have.Find(key, c.Type.Key.Type)
	if !found && !strings.HasPrefix(a.Op, "{") {
		return false, nil
	}
	value := ovsdb.Datum{}
	if found {
		value = ovsdb.Scalar(have.Value(i))
	}
	return compare(value, want, &typ, a.Op), nil
}

// compare says whether "a op b" holds.
func compare(a, b ovsdb.Datum, t *ovsdb.Type, op string) bool {
	switch op {
	case "=", "{=}":
		return a.Compare(b, t) == 0
	case "!=", "{!=}":
		return a.Compare(b, t) != 0
	case "<":
		return a.Compare(b, t) < 0
	case ">":
		return a.Compare(b, t) > 0
	case "<=":
		return a.Compare(b, t) <= 0
	case ">=":
		return a.Compare(b, t) >= 0
	case "{<}":
		return b.Len() > a.Len() && b.IncludesAll(a, t)
	case "{>}":
		return a.Len() > b.Len() && a.IncludesAll(b, t)
	case "{<=}", "{in}":
		return b.IncludesAll(a, t)
	case "{>=}":
		return a.IncludesAll(b, t)
	}
	return b.ExcludesAll(a, t) // {not-in}
}
