package output

import (
	"strings"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// JSONText is a JSON value as text, with the members of objects in order.
type JSONText []byte

// JSON returns a table as JSON.
func (t *Table) JSON() JSONText {
	dst := []byte{'{'}
	if t.Caption != "" {
		dst = append(wire.AppendString(append(dst, `"caption":`...), t.Caption), ',')
	}
	dst = append(dst, `"data":[`...)
	for y, row := range t.Rows {
		if y > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		for x := range t.Headings {
			if x > 0 {
				dst = append(dst, ',')
			}
			if x < len(row) {
				dst = row[x].appendJSON(dst)
			} else {
				dst = append(dst, "null"...)
			}
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `],"headings":[`...)
	for x, heading := range t.Headings {
		if x > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, heading)
	}
	dst = append(dst, ']')
	if !t.Time.IsZero() {
		dst = wire.AppendString(append(dst, `,"time":`...), timeText(t.Time))
	}
	return append(dst, '}')
}

// Text returns v as it is, or indented the way that OVSDB tools do it: no line of their own for
// closing brackets.
func (v JSONText) Text(pretty bool) string {
	if !pretty {
		return string(v)
	}
	parsed, err := wire.Parse(v)
	if err != nil {
		return string(v)
	}
	var b strings.Builder
	indent(&b, parsed, 0)
	return b.String()
}

func indent(b *strings.Builder, v wire.Value, depth int) {
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
			indent(b, member, depth+1)
		}
		b.WriteByte('}')
	case wire.Array:
		b.WriteByte('[')
		if v.Len() > 0 {
			newLine()
		}
		for e := range v.Elems() {
			separate()
			indent(b, e, depth+1)
		}
		b.WriteByte(']')
	default:
		b.Write(v.Raw())
	}
}
