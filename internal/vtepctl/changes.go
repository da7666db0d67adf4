package vtepctl

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

// reportChanges prints what the commands so far change: a line for each row, with "+" for a
// new one, "-" for one that goes and "~" for one with new values, which follow. References
// are printed as what they refer to, so the rows that exist only to be referred to are not.
func reportChanges(c *call) {
	var nodes []jsonValue
	for _, r := range c.x.touched {
		switch r.table.Name {
		case hwvtep.TableGlobal, hwvtep.TablePhysicalLocator, hwvtep.TablePhysicalLocatorSet:
			continue
		}
		mark, action := "~", "modify"
		switch {
		case r.deleted && r.old == nil:
			continue
		case r.deleted:
			mark, action = "-", "delete"
		case r.old == nil:
			mark, action = "+", "insert"
		case !r.changed():
			continue
		}
		c.printf("%s %s %s\n", mark, r.table.Name, titleOf(c.x, r))
		o, columns := newObject(), newObject()
		o.member("action", jsonString(action))
		o.member("table", jsonString(r.table.Name))
		o.member("row", jsonString(titleOf(c.x, r)))
		if !r.deleted {
			reportColumns(c, r, columns)
			o.member("columns", columns.close())
		}
		nodes = append(nodes, o.close())
	}
	c.value = joinJSON(nodes)
}

func reportColumns(c *call, r *record, o *object) {
	for _, column := range r.table.Columns {
		d, ok := r.written[column]
		if !ok {
			continue
		}
		text := readable(c.x, d, column)
		change := newObject()
		change.member("new", jsonString(text))
		if r.old == nil {
			if d.IsDefault(&column.Type) {
				continue
			}
			c.printf("    %s: %s\n", column.Name, text)
		} else {
			old := r.old.Fields[column.Index]
			if d.Equal(old, &column.Type) {
				continue
			}
			c.printf("    %s: %s -> %s\n", column.Name, readable(c.x, old, column), text)
			change.member("old", jsonString(readable(c.x, old, column)))
		}
		o.member(column.Name, change.close())
	}
}

// title is what a person calls a row.
func titleOf(x *txn, r *record) string {
	if c := nameColumn(r.table); c != nil {
		return ovsdb.FormatDatum(r.get(c), &c.Type)
	}
	if r.table.Column("MAC") != nil {
		return referenceText(x, hwvtep.TableLogicalSwitch, r.ref("logical_switch")) + " " + r.str("MAC")
	}
	return r.uuid.String()
}

// readable is a value with references as what they refer to.
func readable(x *txn, d ovsdb.Datum, c *ovsdb.ColumnSchema) string {
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

func elementText(x *txn, a ovsdb.Atom, b *ovsdb.BaseType) string {
	if b.RefTable != "" {
		return referenceText(x, b.RefTable, a.UUID())
	}
	return ovsdb.FormatAtom(a, b.Type)
}

// reference is what a person calls the row with a UUID, though it may be one that goes.
func referenceText(x *txn, table string, u ovsdb.UUID) string {
	t := tableNamed(table)
	r := x.findAny(t, u)
	switch {
	case r == nil:
		return u.String()
	case table == hwvtep.TablePhysicalLocator:
		return locatorText(x, u)
	case table == hwvtep.TablePhysicalLocatorSet:
		return readable(x, r.field("locators"), r.table.Column("locators"))
	}
	return titleOf(x, r)
}
