package vtepctl

import (
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// jsonValue is a JSON value as text, with the members of objects in order.
type jsonValue []byte

// json returns a table as JSON.
func (t *table) json() jsonValue {
	dst := []byte(`{"data":[`)
	for y, row := range t.rows {
		if y > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		for x := range row {
			if x > 0 {
				dst = append(dst, ',')
			}
			dst = row[x].appendJSON(dst)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `],"headings":[`...)
	for x, heading := range t.headings {
		if x > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, heading)
	}
	return append(dst, "]}"...)
}

// jsonString returns a JSON string.
func jsonString(s string) jsonValue { return wire.AppendString(nil, s) }

// jsonDatum returns a value in the notation of the protocol.
func jsonDatum(d ovsdb.Datum, t *ovsdb.Type) jsonValue { return ovsdb.AppendDatum(nil, d, t) }

// stringsJSON returns a JSON array of strings.
func stringsJSON(list []string) jsonValue {
	dst := []byte{'['}
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, s)
	}
	return append(dst, ']')
}

// formatJSONText returns v as it is, or indented the way that OVSDB tools do it: no line of
// their own for closing brackets.
func formatJSONText(v jsonValue, pretty bool) string {
	if !pretty {
		return string(v)
	}
	parsed, err := wire.Parse(v)
	if err != nil {
		return string(v)
	}
	var b strings.Builder
	indentJSON(&b, parsed, 0)
	return b.String()
}

func indentJSON(b *strings.Builder, v wire.Value, depth int) {
	newLine := func() { b.WriteString("\n" + strings.Repeat("  ", depth+1)) }
	first := true
	separate := func() {
		if !first {
			b.WriteByte(',')
			newLine()
		}
		first = false
	}
	switch v.Kind() {
	case wire.Object:
		b.WriteByte('{')
		newLine()
		for name, member := range v.Members() {
			separate()
			b.Write(wire.AppendString(nil, name))
			b.WriteString(": ")
			indentJSON(b, member, depth+1)
		}
		b.WriteByte('}')
	case wire.Array:
		b.WriteByte('[')
		if v.Len() > 0 {
			newLine()
		}
		for e := range v.Elems() {
			separate()
			indentJSON(b, e, depth+1)
		}
		b.WriteByte(']')
	default:
		b.Write(v.Raw())
	}
}
