package db

import (
	"math"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func (o *operation) wait() error {
	timeout := o.Get("timeout", ovsdb.OpInteger|ovsdb.OpOptional)
	where := o.Get("where", ovsdb.OpArray)
	columnsJSON := o.Get("columns", ovsdb.OpArray|ovsdb.OpOptional)
	until := o.Get("until", ovsdb.OpString)
	rows := o.Get("rows", ovsdb.OpArray)
	t := o.table()
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
	if timeout.Exists() {
		if timeout.Int() < 0 {
			return ovsdb.SyntaxError(timeout, "", "timeout must be nonnegative")
		}
		if d := milliseconds(timeout.Int()); o.timeout < 0 || d < o.timeout {
			o.timeout = d
		}
	}
	if s := until.Str(); s != "==" && s != "!=" {
		return ovsdb.SyntaxError(until, "", `"until" must be "==" or "!="`)
	}
	equal, err := o.hasRows(t, cond, columns, rows)
	if err != nil {
		return err
	}
	if equal == (until.Str() == "==") {
		o.done()
		return nil
	}
	elapsed := o.env.Elapsed.Milliseconds()
	switch {
	case !timeout.Exists() || elapsed < timeout.Int():
		return errWait
	case elapsed > 0:
		return ovsdb.NewError("timed out", `"wait" timed out after %d ms`, elapsed)
	}
	return ovsdb.NewError("timed out", `"where" clause test failed`)
}

// milliseconds returns n ms, or the longest Duration if that is too long for one.
func milliseconds(n int64) time.Duration {
	if n > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(n) * time.Millisecond
}

// hasRows reports whether the rows of t that meet cond are those expected, by
// the values of columns.
func (o *operation) hasRows(t *Table, cond ovsdb.Condition, columns ovsdb.ColumnSet, expected wire.Value) (bool, error) {
	missing := make(map[string]bool, expected.Len()) // false: found
	fields := slices.Clone(t.defaults)
	var key []byte
	for v := range expected.Elems() {
		copy(fields, t.defaults)
		row := waitRow{fields: fields}
		if err := o.parseWaitRow(t, v, &row); err != nil {
			return false, err
		}
		key = row.appendKey(key[:0], columns)
		missing[string(key)] = true
	}
	left := len(missing)
	for _, st := range o.match(t, cond) {
		key = appendKey(key[:0], st.row, columns)
		unseen, ok := missing[string(key)]
		if !ok {
			return false, nil
		}
		if unseen {
			missing[string(key)] = false
			left--
		}
	}
	return left == 0, nil
}

// waitRow is a row that is waited for.
type waitRow struct {
	id, version ovsdb.UUID
	fields      []ovsdb.Datum
}

// appendKey appends what appendKey does of a row.
func (r *waitRow) appendKey(dst []byte, columns ovsdb.ColumnSet) []byte {
	for _, c := range columns {
		switch c.Index {
		case ovsdb.UUIDColumn.Index:
			dst = append(dst, r.id[:]...)
		case ovsdb.VersionColumn.Index:
			dst = append(dst, r.version[:]...)
		default:
			dst = r.fields[c.Index].AppendKey(dst, &c.Type)
		}
	}
	return dst
}

// parseWaitRow parses a <row>, in which _uuid and _version count.
func (o *operation) parseWaitRow(t *Table, v wire.Value, row *waitRow) error {
	if _, err := t.parseRow(v, nil, &o.syms, row.fields, nil); err != nil {
		return err
	}
	for _, c := range []struct {
		column *ovsdb.ColumnSchema
		value  *ovsdb.UUID
	}{{ovsdb.UUIDColumn, &row.id}, {ovsdb.VersionColumn, &row.version}} {
		if value := v.Get(c.column.Name); value.Exists() {
			d, err := ovsdb.ParseDatum(value, &c.column.Type, &o.syms)
			if err != nil {
				return err
			}
			*c.value = d.Key(0).UUID()
		}
	}
	return nil
}
