package apply

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/mac"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// reportChanges prints what the commands so far change: a line for each row, with "+" for a
// new one, "-" for one that goes and "~" for one with new values, which follow. References
// are printed as what they refer to, so the rows that exist only to be referred to are not.
func reportChanges(c *command.Call) {
	var nodes []output.JSONText
	for _, r := range c.X.Touched {
		switch r.Table.Name {
		case hwvtep.TableGlobal, hwvtep.TablePhysicalLocator, hwvtep.TablePhysicalLocatorSet:
			continue
		}
		mark, action := "~", "modify"
		switch {
		case r.Deleted && r.Old == nil:
			continue
		case r.Deleted:
			mark, action = "-", "delete"
		case r.Old == nil:
			mark, action = "+", "insert"
		case !r.Changed():
			continue
		}
		c.Printf("%s %s %s\n", mark, r.Table.Name, titleOf(c.X, r))
		o, columns := output.NewObject(), output.NewObject()
		o.Member("action", output.JSONString(action))
		o.Member("table", output.JSONString(r.Table.Name))
		o.Member("row", output.JSONString(titleOf(c.X, r)))
		if !r.Deleted {
			reportColumns(c, r, columns)
			o.Member("columns", columns.Close())
		}
		nodes = append(nodes, o.Close())
	}
	c.Value = output.JSONArray(nodes)
}

func reportColumns(c *command.Call, r *txn.Record, o *output.Object) {
	for _, column := range r.Table.Columns {
		d, ok := r.Written[column]
		if !ok {
			continue
		}
		text := readable(c.X, d, column)
		change := output.NewObject()
		change.Member("new", output.JSONString(text))
		if r.Old == nil {
			if d.IsDefault(&column.Type) {
				continue
			}
			c.Printf("    %s: %s\n", column.Name, text)
		} else {
			old := r.Old.At(column.Index)
			if d.Equal(old, &column.Type) {
				continue
			}
			c.Printf("    %s: %s -> %s\n", column.Name, readable(c.X, old, column), text)
			change.Member("old", output.JSONString(readable(c.X, old, column)))
		}
		o.Member(column.Name, change.Close())
	}
}

// title is what a person calls a row.
func titleOf(x *txn.Txn, r *txn.Record) string {
	if c := argument.NameColumn(r.Table); c != nil {
		return ovsdb.FormatDatum(r.Get(c), &c.Type)
	}
	if r.Table.Column("MAC") != nil {
		return referenceText(x, hwvtep.TableLogicalSwitch, r.Ref("logical_switch")) + " " + r.Str("MAC")
	}
	return r.UUID.String()
}

// readable is a value with references as what they refer to.
func readable(x *txn.Txn, d ovsdb.Datum, c *ovsdb.ColumnSchema) string {
	t := &c.Type
	if t.Key.RefTable == "" && t.Value.RefTable == "" {
		return ovsdb.FormatDatum(d, t)
	}
	var parts []string
	for i := range d.Len() {
		text := elementText(x, d.Key(i), &t.Key)
		if t.IsMap() {
			text += "=" + elementText(x, d.Value(i), &t.Value)
		}
		parts = append(parts, text)
	}
	if !t.IsMap() {
		slices.Sort(parts)
	}
	joined := strings.Join(parts, ", ")
	switch {
	case t.IsMap():
		return "{" + joined + "}"
	case t.Max > 1:
		return "[" + joined + "]"
	}
	return joined
}

func elementText(x *txn.Txn, a ovsdb.Atom, b *ovsdb.BaseType) string {
	if b.RefTable != "" {
		return referenceText(x, b.RefTable, a.UUID())
	}
	return ovsdb.FormatAtom(a, b.Type)
}

// reference is what a person calls the row with a UUID, though it may be one that goes.
func referenceText(x *txn.Txn, table string, u ovsdb.UUID) string {
	t := txn.TableNamed(table)
	r := x.FindAny(t, u)
	switch {
	case r == nil:
		return u.String()
	case table == hwvtep.TablePhysicalLocator:
		return mac.LocatorText(x, u)
	case table == hwvtep.TablePhysicalLocatorSet:
		return readable(x, r.Field("locators"), r.Table.Column("locators"))
	}
	return titleOf(x, r)
}
