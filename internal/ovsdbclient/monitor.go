package ovsdbclient

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// watch is a monitor: which tables and columns it shows, and how they are asked for.
type watch struct {
	c      *client
	method string // "monitor", "monitor_cond" or "monitor_cond_since"
	update string // the notification that belongs to it
	tables []*watched
	failed chan error // why it cannot go on; has room
}

// watched is a table of a watch.
type watched struct {
	schema  *ovsdb.TableSchema
	columns ovsdb.ColumnSet
}

func (c *client) monitor(args []string) error {
	return c.follow(&watch{c: c, method: "monitor", update: "update"}, args, wire.Value{}, "")
}

func (c *client) monitorCond(args []string) error {
	return c.followCondition(&watch{c: c, method: "monitor_cond", update: "update2"}, args, "")
}

func (c *client) monitorCondSince(args []string) error {
	last := "00000000-0000-0000-0000-000000000000"
	if id, ok := ovsdb.ParseUUID(args[0]); ok {
		last, args = id.String(), args[1:]
	}
	return c.followCondition(&watch{c: c, method: "monitor_cond_since", update: "update3"}, args, last)
}

func (c *client) followCondition(w *watch, args []string, last string) error {
	if len(args) < 2 {
		return fmt.Errorf("invalid syntax for '%s' (use --help for help)", strings.ReplaceAll(w.method, "_", "-"))
	}
	condition, err := wire.ParseString(args[0])
	if err != nil {
		return fmt.Errorf("\"%s\": %w", args[0], err)
	}
	return c.follow(w, args[1:], condition, last)
}

// follow prints what args name, and goes on until the connection ends or the program is told to.
func (c *client) follow(w *watch, args []string, condition wire.Value, last string) error {
	schema, err := c.schema()
	if err != nil {
		return err
	}
	requests, err := w.requests(schema, args, condition)
	if err != nil {
		return err
	}
	w.failed = make(chan error, 1)
	c.registerControl()
	notify := w.notified
	c.notify.Store(&notify)
	if err := c.askChanges(); err != nil {
		return err
	}
	params := [][]byte{wire.AppendString(nil, c.database), []byte("null"), requests}
	if last != "" {
		params = append(params, wire.AppendString(nil, last))
	}
	err = c.rpc.Go(w.method, array(params...), func(v wire.Value, err error) {
		if err == nil {
			err = w.first(v)
		}
		if err != nil {
			w.fail(w.explain(err))
		}
	})
	if err != nil {
		return fmt.Errorf("transaction failed: %w", err)
	}
	select {
	case err := <-w.failed:
		return err
	case <-c.rpc.Done():
		select {
		case err := <-w.failed:
			return err
		default:
		}
	case <-c.Daemon.Context().Done():
		c.hold.open()
		return nil
	}
	return c.ended()
}

func (w *watch) fail(err error) {
	select {
	case w.failed <- err:
	default:
	}
}

func (w *watch) explain(err error) error {
	var remote *jsonrpc.RemoteError
	if errors.As(err, &remote) {
		return fmt.Errorf("transaction returned error: %s", remote.Value.AppendTo(nil, true))
	}
	return fmt.Errorf("%s: receive failed (%w)", w.c.server, err)
}

// registerControl makes the commands by which a monitor in the background is steered.
func (c *client) registerControl() {
	if !c.detach {
		return
	}
	c.Daemon.Register("ovsdb-client/block", "", 0, 0, func([]string) (string, error) {
		if !c.hold.shut() {
			return "already blocking", nil
		}
		return "", nil
	})
	c.Daemon.Register("ovsdb-client/unblock", "", 0, 0, func([]string) (string, error) {
		if !c.hold.open() {
			return "already unblocked", nil
		}
		return "", nil
	})
	c.Daemon.Register("ovsdb-client/cond_change", "TABLE COND", 2, 2, func(args []string) (string, error) {
		condition, err := wire.ParseString(args[1])
		if err != nil {
			return "", err
		}
		request := append(wire.AppendString([]byte{'{'}, args[0]), `:[{"where":`...)
		request = append(condition.AppendTo(request, false), "}]}"...)
		err = c.rpc.Go("monitor_cond_change", array([]byte("null"), []byte("null"), request), func(wire.Value, error) {})
		return "condition changed", err
	})
}

// requests returns the <monitor-requests>, and notes what they show.
func (w *watch) requests(schema *ovsdb.DatabaseSchema, args []string, condition wire.Value) ([]byte, error) {
	tables := schema.SortedTables()
	if args[0] != "ALL" {
		table := schema.Tables[args[0]]
		if table == nil && condition.Exists() {
			return nil, fmt.Errorf("%s does not have a table named \"%s\"", w.c.database, args[0])
		}
		if table == nil {
			return nil, fmt.Errorf("%s: %s does not have a table named \"%s\"", w.c.server, w.c.database, args[0])
		}
		tables = []*ovsdb.TableSchema{table}
		if condition.Exists() {
			if _, err := ovsdb.ParseCondition(condition, table, nil); err != nil {
				return nil, err
			}
		}
	} else if condition.Exists() {
		return nil, errors.New("ALL tables are not allowed with condition")
	}
	dst := []byte{'{'}
	for i, table := range tables {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = w.add(append(wire.AppendString(dst, table.Name), ':'), table, args[1:], condition); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// add appends the requests for one table, one for each list of columns.
func (w *watch) add(dst []byte, table *ovsdb.TableSchema, lists []string, condition wire.Value) ([]byte, error) {
	t := &watched{schema: table}
	w.tables = append(w.tables, t)
	if len(lists) == 0 {
		lists = []string{""}
	}
	dst = append(dst, '[')
	for i, list := range lists {
		if i > 0 {
			dst = append(dst, ',')
			condition = wire.Value{} // only the first has it
		}
		var err error
		if dst, err = w.request(dst, t, list, condition); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// request appends one <monitor-request>.
func (w *watch) request(dst []byte, t *watched, list string, condition wire.Value) ([]byte, error) {
	selected := map[string]bool{"initial": true, "insert": true, "delete": true, "modify": true}
	var columns ovsdb.ColumnSet
	for name := range strings.SplitSeq(list, ",") {
		if kind, ok := strings.CutPrefix(name, "!"); ok && selected[kind] {
			selected[kind] = false
			continue
		}
		if name == "" {
			continue
		}
		column := t.schema.Column(name)
		if column == nil {
			return nil, fmt.Errorf("%s: table \"%s\" in %s does not have a column named \"%s\"", w.c.server, t.schema.Name, w.c.database, name)
		}
		columns = append(columns, column)
	}
	if len(columns) == 0 {
		columns = append(slices.Clone(t.schema.Columns), ovsdb.VersionColumn)
	}
	for _, column := range columns {
		if t.columns.Contains(column) {
			return nil, fmt.Errorf("%s: column \"%s\" mentioned multiple times", w.c.server, column.Name)
		}
		t.columns = append(t.columns, column)
	}
	dst = columns.AppendJSON(append(dst, `{"columns":`...))
	if condition.Exists() {
		dst = condition.AppendTo(append(dst, `,"where":`...), false)
	}
	all := true
	for _, yes := range selected {
		all = all && yes
	}
	if !all {
		dst = fmt.Appendf(dst, `,"select":{"initial":%t,"insert":%t,"delete":%t,"modify":%t}`,
			selected["initial"], selected["insert"], selected["delete"], selected["modify"])
	}
	return append(dst, '}'), nil
}
