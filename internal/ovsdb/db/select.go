package db

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func (o *operation) selectRows() error {
	t := o.table()
	where := o.Get("where", ovsdb.OpArray)
	columnsJSON := o.Get("columns", ovsdb.OpArray|ovsdb.OpOptional)
	sortJSON := o.Get("sort", ovsdb.OpArray|ovsdb.OpOptional)
	if err := o.Err(); err != nil {
		return err
	}
	cond, err := ovsdb.ParseCondition(where, t.schema, &o.syms)
	if err != nil {
		return err
	}
	columns, err := ovsdb.ParseColumnSet(columnsJSON, t.schema)
	if err != nil {
		return err
	}
	rows := distinct(o.match(t, cond), columns)
	if sortJSON.Exists() {
		by, err := ovsdb.ParseColumnSet(sortJSON, t.schema)
		if err != nil {
			return err
		}
		slices.SortStableFunc(rows, func(a, b *rowState) int { return compareRows(a.row, b.row, by) })
	}
	o.reply = append(o.reply, `{"rows":[`...)
	for i, st := range rows {
		if i > 0 {
			o.reply = append(o.reply, ',')
		}
		o.reply = appendRow(o.reply, st.row, columns)
	}
	o.reply = append(o.reply, "]}"...)
	return nil
}

// distinct drops, in place, rows that are equal to earlier ones in columns.
func distinct(rows []*rowState, columns ovsdb.ColumnSet) []*rowState {
	if len(rows) < 2 || columns.Contains(ovsdb.UUIDColumn) {
		return rows
	}
	seen := make(map[string]struct{}, len(rows))
	var key []byte
	return slices.DeleteFunc(rows, func(st *rowState) bool {
		key = appendKey(key[:0], st.row, columns)
		if _, dup := seen[string(key)]; dup {
			return true
		}
		seen[string(key)] = struct{}{}
		return false
	})
}

// compareRows orders two rows by columns.
func compareRows(a, b *ovsdb.Row, columns ovsdb.ColumnSet) int {
	for _, c := range columns {
		if order := a.Field(c).Compare(b.Field(c), &c.Type); order != 0 {
			return order
		}
	}
	return 0
}

// appendRow appends columns of row as a <row>.
func appendRow(dst []byte, row *ovsdb.Row, columns ovsdb.ColumnSet) []byte {
	dst = append(dst, '{')
	for i, c := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, c.Name), ':')
		dst = row.AppendField(dst, c)
	}
	return append(dst, '}')
}
