package web

import (
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

const (
	// briefElements is how many elements of a set or a map a list of rows shows,
	briefElements = 4
	// allElements how many a row's own page: there may be hundreds of thousands.
	allElements = 5000
	// mostLetters is how many of a text that shows.
	mostLetters = 10_000
)

// cell is a value of a column: a set has several elements, and so has a map.
type cell struct {
	Elements []element
	More     int  // elements that are not shown
	Map      bool // elements have keys
}

// element is an atom, or a pair of a map.
type element struct{ Key, Value value }

// value is an atom; where it refers to a row that is there, with the address of that.
type value struct{ Text, Href string }

func cellOf(s *idl.Snapshot, c *ovsdb.ColumnSchema, row *ovsdb.Row, most int) cell {
	d := row.Field(c)
	out := cell{Map: c.Type.IsMap()}
	for i := range d.Len() {
		if i == most {
			out.More = d.Len() - most
			break
		}
		e := element{Value: valueOf(s, &c.Type.Key, d.Key(i), most)}
		if out.Map {
			e.Key, e.Value = e.Value, valueOf(s, &c.Type.Value, d.Value(i), most)
		}
		out.Elements = append(out.Elements, e)
	}
	return out
}

func valueOf(s *idl.Snapshot, b *ovsdb.BaseType, a ovsdb.Atom, most int) value {
	switch {
	case !b.IsRef() && most == briefElements:
		return value{Text: name(atomText(b.Type, a))}
	case !b.IsRef():
		return value{Text: fit(strings.ToValidUTF8(atomText(b.Type, a), "\uFFFD"), mostLetters)}
	}
	row := s.Table(b.RefTable).Get(a.UUID())
	if row == nil {
		return value{Text: a.UUID().String()}
	}
	return value{rowLabel(s.Schema().Tables[b.RefTable], row), "/db/" + b.RefTable + "/" + row.UUID.String()}
}

func atomText(t ovsdb.AtomicType, a ovsdb.Atom) string {
	switch t {
	case ovsdb.Integer:
		return strconv.FormatInt(a.Int(), 10)
	case ovsdb.Real:
		return strconv.FormatFloat(a.Real(), 'g', -1, 64)
	case ovsdb.Boolean:
		return strconv.FormatBool(a.Bool())
	case ovsdb.UUIDType:
		return a.UUID().String()
	}
	return a.Str()
}

// labels are the columns that say best what a row is, the first one that a table has.
var labels = []string{"name", "MAC", "dst_ip", "target", "acl_name"}

// rowLabel is what a row is called: by a column that says it, or else by the beginning of its UUID.
func rowLabel(t *ovsdb.TableSchema, row *ovsdb.Row) string {
	for _, want := range labels {
		c := t.Column(want)
		if c == nil || c.Type.Key.Type != ovsdb.String || c.Type.IsMap() {
			continue
		}
		if d := row.Field(c); d.Len() == 1 && d.Key(0).Str() != "" {
			return name(d.Key(0).Str())
		}
	}
	return row.UUID.String()[:8]
}
