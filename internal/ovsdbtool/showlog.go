package ovsdbtool

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// history prints the records of a file one after the other. It remembers what rows are called.
type history struct {
	t      *tool
	schema *ovsdb.DatabaseSchema
	names  map[string]string // by the UUID of the row
}

func (t *tool) showLog(args []string) error {
	path := word(args, 0, t.DB)
	l, err := open(path, false)
	if err != nil {
		return err
	}
	defer l.Close()
	h := &history{t: t, names: map[string]string{}}
	return replay(path, l, h.show)
}

func (h *history) show(n int, record wire.Value) error {
	fmt.Fprintf(h.t.out, "record %d:", n)
	if n > 0 {
		h.change(record)
		return h.t.out.WriteByte('\n')
	}
	var err error
	if h.schema, err = ovsdb.ParseSchema(record); err != nil {
		return err
	}
	_, err = fmt.Fprintf(h.t.out, " \"%s\" schema, version=\"%s\", cksum=\"%s\"\n\n", h.schema.Name, h.schema.Version, h.schema.Cksum)
	return err
}

func (h *history) change(record wire.Value) {
	if date := record.Get("_date"); date.Kind() == wire.Integer {
		at := date.Int()
		if at < math.MaxInt32 {
			at *= 1000 // old files have seconds
		}
		fmt.Fprint(h.t.out, time.UnixMilli(at).UTC().Format(" 2006-01-02 15:04:05.000"))
	}
	if comment := record.Get("_comment"); comment.Kind() == wire.String {
		fmt.Fprintf(h.t.out, " \"%s\"", comment.Str())
	}
	if h.t.more == 0 {
		return
	}
	diff := record.Get("_is_diff").Bool()
	first := true
	for table, rows := range record.Members() {
		if strings.HasPrefix(table, "_") || rows.Kind() != wire.Object {
			continue
		}
		if first {
			h.t.out.WriteByte('\n')
			first = false
		}
		for id, columns := range rows.Members() {
			h.row(table, id, columns, diff)
		}
	}
}

// row prints what a record has of one row.
func (h *history) row(table, id string, columns wire.Value, diff bool) {
	short := id[:min(8, len(id))]
	name := ""
	if v := columns.Get("name"); v.Exists() {
		name = string(v.AppendTo(nil, true))
	}
	fmt.Fprintf(h.t.out, "  table %s", table)
	switch known, ok := h.names[id]; {
	case ok && diff:
		fmt.Fprintf(h.t.out, " row %s (%s) diff:\n", known, short)
	case ok:
		fmt.Fprintf(h.t.out, " row %s (%s):\n", known, short)
	case name != "":
		fmt.Fprintf(h.t.out, " insert row %s (%s):\n", name, short)
	default:
		fmt.Fprintf(h.t.out, " insert row %s:\n", short)
	}
	switch columns.Kind() {
	case wire.Null:
		fmt.Fprint(h.t.out, "    delete row\n")
		delete(h.names, id)
		return
	case wire.Object:
	default:
		return
	}
	if h.t.more > 1 {
		for column, value := range columns.Members() {
			fmt.Fprintf(h.t.out, "    %s=%s\n", column, h.value(table, column, value))
		}
	}
	if _, known := h.names[id]; name != "" {
		h.names[id] = name
	} else if !known {
		h.names[id] = short
	}
}

// value is the text of a value, which a difference need not have in a number that its type allows.
func (h *history) value(table, column string, v wire.Value) string {
	if ts := h.schema.Tables[table]; ts != nil {
		if c := ts.Column(column); c != nil {
			if d, err := ovsdb.ParseTransient(v, &c.Type); err == nil {
				return ovsdb.FormatDatum(d, &c.Type)
			}
		}
	}
	return string(v.AppendTo(nil, true))
}
