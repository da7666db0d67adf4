package ovsdbclient

import (
	"fmt"
	"time"

	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// first prints the answer to the request; the program is ready then.
func (w *watch) first(v wire.Value) error {
	w.c.hold.pass()
	switch w.method {
	case "monitor":
		w.print(v, true)
	case "monitor_cond":
		w.print2(v)
	default:
		if v.Kind() != wire.Array || v.Len() != 3 {
			return fmt.Errorf("<result> should have 3 elements, but has %d", v.Len())
		}
		fmt.Fprintf(w.c.out, "found: %t, last_id: %s\n", v.Index(0).Bool(), v.Index(1).Str())
		w.print2(v.Index(2))
	}
	if err := w.c.out.Flush(); err != nil {
		return err
	}
	return w.c.Daemon.Ready()
}

// notified takes a notification of the server.
func (w *watch) notified(m jsonrpc.Message) {
	if m.Method == "monitor_canceled" {
		w.fail(fmt.Errorf("%s: %s database was removed", w.c.server, w.c.database))
		return
	}
	if m.Method != w.update || m.Params.Index(0).Kind() != wire.Null {
		return
	}
	switch m.Method {
	case "update":
		w.print(m.Params.Index(1), false)
	case "update2":
		w.print2(m.Params.Index(1))
	case "update3":
		fmt.Fprintf(w.c.out, "\nlast_id: %s", m.Params.Index(1).Str())
		w.print2(m.Params.Index(2))
	}
	if err := w.c.out.Flush(); err != nil {
		w.fail(fmt.Errorf("write to stdout failed: %w", err))
	}
}

// table begins the table in which changes of t are shown.
func (w *watch) table(t *watched) *output.Table {
	tb := &output.Table{Headings: []string{"row", "action"}}
	if len(w.tables) > 1 {
		tb.Caption = t.schema.Name
	}
	if w.c.stamps {
		tb.Time = time.Now()
	}
	for _, column := range t.columns {
		tb.Headings = append(tb.Headings, column.Name)
	}
	return tb
}

// print prints <table-updates>.
func (w *watch) print(updates wire.Value, initial bool) {
	for _, t := range w.tables {
		rows := updates.Get(t.schema.Name)
		if !rows.Exists() {
			continue
		}
		tb := w.table(t)
		for id, row := range rows.Members() {
			before, after := row.Get("old"), row.Get("new")
			switch {
			case initial:
				tb.Rows = append(tb.Rows, t.row(id, "initial", after))
			case !before.Exists():
				tb.Rows = append(tb.Rows, t.row(id, "insert", after))
			case !after.Exists():
				tb.Rows = append(tb.Rows, t.row(id, "delete", before))
			default:
				tb.Rows = append(tb.Rows, t.row(id, "old", before), t.row("", "new", after))
			}
		}
		w.c.printer.Print(tb, &w.c.style)
	}
}

// print2 prints <table-updates2>.
func (w *watch) print2(updates wire.Value) {
	for _, t := range w.tables {
		rows := updates.Get(t.schema.Name)
		if !rows.Exists() {
			continue
		}
		tb := w.table(t)
		for id, row := range rows.Members() {
			for action, columns := range row.Members() {
				tb.Rows = append(tb.Rows, t.row(id, action, columns))
				break
			}
		}
		w.c.printer.Print(tb, &w.c.style)
	}
}

// row is a line of the table: a column that the update has not got stays empty.
func (t *watched) row(id, action string, row wire.Value) []output.Cell {
	cells := []output.Cell{output.Text(id), output.Text(action)}
	for _, column := range t.columns {
		cells = append(cells, cell(row.Get(column.Name), column))
	}
	return cells
}

// cell shows a value; a difference need not be one that the type allows.
func cell(v wire.Value, column *ovsdb.ColumnSchema) output.Cell {
	if !v.Exists() {
		return output.Cell{}
	}
	d, err := ovsdb.ParseTransient(v, &column.Type)
	if err != nil {
		return output.RawJSON(v)
	}
	return output.Value(d, &column.Type)
}
