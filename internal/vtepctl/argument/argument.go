// Package argument reads what is typed of a database: names of tables and columns, shortened or not,
// COLUMN:KEY=VALUE, and numbers as the C library reads them.
package argument

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
)

// delimiters end a token unless they are quoted.
const delimiters = ":=, []{}!<>"

// cutToken takes a token from the beginning of s: up to a delimiter that is neither escaped
// nor within double quotes. Escaping backslashes are dropped outside quotes, quotes are kept.
func cutToken(s string) (token, rest string, err error) {
	var b strings.Builder
	quoted := false
	i := 0
loop:
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			if quoted {
				b.WriteByte('\\')
			}
			i++
			if i == len(s) {
				return "", "", fmt.Errorf("%s: backslash at end of argument", s)
			}
			b.WriteByte(s[i])
		case !quoted && strings.IndexByte(delimiters, c) >= 0:
			break loop
		default:
			b.WriteByte(c)
			if c == '"' {
				quoted = !quoted
			}
		}
	}
	if quoted {
		return "", "", fmt.Errorf("%s: quoted string extends past end of argument", s)
	}
	return b.String(), s[i:], nil
}

// CutColumn takes the name of a column from the beginning of an argument.
func CutColumn(arg string, t *ovsdb.TableSchema) (c *ovsdb.ColumnSchema, rest string, err error) {
	name, rest, err := cutToken(arg)
	if err != nil {
		return nil, "", err
	}
	if name == "" {
		return nil, "", fmt.Errorf("%s: missing column name", arg)
	}
	c, err = FindColumn(t, name)
	return c, rest, err
}

// columnArg is an argument that names a column.
type columnArg struct {
	Column *ovsdb.ColumnSchema
	Key    string
	HasKey bool
	Op     string
	Value  string
}

// ParseColumnKey parses COLUMN[:KEY].
func ParseColumnKey(arg string, t *ovsdb.TableSchema) (columnArg, error) {
	a, rest, err := cutColumnKey(arg, t)
	if err == nil && rest != "" {
		err = fmt.Errorf("%s: trailing garbage \"%s\" in argument", arg, rest)
	}
	return a, err
}

func cutColumnKey(arg string, t *ovsdb.TableSchema) (a columnArg, rest string, err error) {
	if a.Column, rest, err = CutColumn(arg, t); err != nil {
		return a, "", err
	}
	if strings.HasPrefix(rest, ":") {
		a.HasKey = true
		a.Key, rest, err = cutToken(rest[1:])
	}
	return a, rest, err
}

// ParseColumnValue parses COLUMN[:KEY] OP VALUE, where the longest of ops that fits counts.
func ParseColumnValue(arg string, t *ovsdb.TableSchema, ops ...string) (columnArg, error) {
	a, rest, err := cutColumnKey(arg, t)
	if err != nil {
		return a, err
	}
	for _, op := range ops {
		if len(op) > len(a.Op) && strings.HasPrefix(rest, op) && len(rest) > len(op) {
			a.Op = op
		}
	}
	if a.Op == "" {
		//lint:ignore ST1005 the text of vtep-ctl
		return a, fmt.Errorf("%s: argument does not end in %s followed by a value.", arg, quoteList(ops))
	}
	a.Value = rest[len(a.Op):]
	return a, nil
}

// quoteList returns "a", "b", or "c".
func quoteList(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == 0:
		case len(words) == 2:
			b.WriteString(" or ")
		case i == len(words)-1:
			b.WriteString(", or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(`"` + w + `"`)
	}
	return b.String()
}
