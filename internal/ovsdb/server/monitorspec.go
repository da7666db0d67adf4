package server

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// selection is a set of the kinds of change that a monitor wants to hear of.
type selection uint8

const (
	selInitial selection = 1 << iota
	selInsert
	selDelete
	selModify

	selAll = selInitial | selInsert | selDelete | selModify
)

// protocol is the form of a monitor's updates.
type protocol uint8

const (
	protoMonitor   protocol = 1 // monitor, update: whole rows, RFC 7047
	protoCond      protocol = 2 // monitor_cond, update2: differences
	protoCondSince protocol = 3 // monitor_cond_since, update3: differences and transaction ids
)

// updateMethod is the method of the notifications.
func (p protocol) updateMethod() string {
	if p == protoMonitor {
		return "update"
	}
	return "update" + strconv.Itoa(int(p))
}

// monitorSpec is what a monitor shows: which tables, which of their columns, which kinds of
// change, and for conditional monitors which rows.
type monitorSpec struct {
	proto  protocol
	tables map[*ovsdb.TableSchema]*monitorTable
}

type monitorTable struct {
	schema  *ovsdb.TableSchema
	sel     selection       // all that any request for the table selects
	columns []monitorColumn // what is shown, in the order of columns
	cond    ovsdb.Condition // a row is shown if it meets any clause; empty: every row
	size    int             // bytes of what asked for this
}

type monitorColumn struct {
	*ovsdb.ColumnSchema
	sel selection
}

// parseMonitorSpec parses the <monitor-requests> of a monitor request.
func parseMonitorSpec(v wire.Value, schema *ovsdb.DatabaseSchema, proto protocol) (*monitorSpec, error) {
	if v.Kind() != wire.Object {
		return nil, ovsdb.SyntaxError(v, "", "monitor-requests must be object")
	}
	spec := &monitorSpec{proto: proto, tables: make(map[*ovsdb.TableSchema]*monitorTable, v.Len())}
	for name, requests := range v.Members() {
		ts := schema.Tables[name]
		if ts == nil {
			return nil, ovsdb.SyntaxError(wire.Value{}, "", "no table named %s", name)
		}
		t := &monitorTable{schema: ts, size: len(requests.Raw())}
		spec.tables[ts] = t
		var err error
		if requests.Kind() == wire.Array {
			for r := range requests.Elems() {
				if err = t.parseRequest(r, proto); err != nil {
					return nil, err
				}
			}
		} else {
			err = t.parseRequest(requests, proto)
		}
		if err != nil {
			return nil, err
		}
		slices.SortFunc(t.columns, func(a, b monitorColumn) int { return cmp.Compare(a.Index, b.Index) })
	}
	return spec, nil
}

// parseRequest adds one <monitor-request>.
func (t *monitorTable) parseRequest(v wire.Value, proto protocol) error {
	m := ovsdb.NewMembers(v, "table "+t.schema.Name)
	var where wire.Value
	if proto != protoMonitor {
		where = m.Get("where", ovsdb.OpArray|ovsdb.OpOptional)
	}
	columns := m.Get("columns", ovsdb.OpArray|ovsdb.OpOptional)
	selected := m.Get("select", ovsdb.OpObject|ovsdb.OpOptional)
	if err := m.Finish(); err != nil {
		return err
	}
	sel := selAll
	if selected.Exists() {
		var err error
		if sel, err = parseSelect(selected, t.schema.Name); err != nil {
			return err
		}
	}
	t.sel |= sel
	if err := t.addColumns(columns, sel); err != nil {
		return err
	}
	if where.Exists() {
		cond, err := ovsdb.ParseCondition(where, t.schema, nil)
		if err != nil {
			return err
		}
		t.cond = cond
	}
	return nil
}

func parseSelect(v wire.Value, table string) (selection, error) {
	m := ovsdb.NewMembers(v, "table "+table+" select")
	var sel selection
	for _, kind := range []struct {
		name string
		bit  selection
	}{{"initial", selInitial}, {"insert", selInsert}, {"delete", selDelete}, {"modify", selModify}} {
		if v := m.Get(kind.name, ovsdb.OpBoolean|ovsdb.OpOptional); !v.Exists() || v.Bool() {
			sel |= kind.bit
		}
	}
	return sel, m.Finish()
}

// addColumns adds the columns named; all but _uuid if v is absent.
func (t *monitorTable) addColumns(v wire.Value, sel selection) error {
	add := func(c *ovsdb.ColumnSchema) error {
		if slices.ContainsFunc(t.columns, func(have monitorColumn) bool { return have.ColumnSchema == c }) {
			return ovsdb.SyntaxError(v, "", "column %s mentioned more than once", c.Name)
		}
		t.columns = append(t.columns, monitorColumn{c, sel})
		return nil
	}
	if !v.Exists() {
		for _, c := range append(ovsdb.ColumnSet{ovsdb.VersionColumn}, t.schema.Columns...) {
			if err := add(c); err != nil {
				return err
			}
		}
		return nil
	}
	for e := range v.Elems() {
		if e.Kind() != wire.String {
			return ovsdb.SyntaxError(v, "", "array of column names expected")
		}
		c := t.schema.Column(e.Str())
		if c == nil {
			return ovsdb.SyntaxError(v, "", "%s is not a valid column name", e.Str())
		}
		if err := add(c); err != nil {
			return err
		}
	}
	return nil
}

// conditional says whether the spec leaves out rows of some table.
func (s *monitorSpec) conditional() bool {
	for _, t := range s.tables {
		if !t.cond.IsTrue() {
			return true
		}
	}
	return false
}

// groupKey is equal for specs whose updates have equal bodies whatever changes. Specs with
// conditions have none in common.
func (s *monitorSpec) groupKey() string {
	tables := make([]*monitorTable, 0, len(s.tables))
	for _, t := range s.tables {
		tables = append(tables, t)
	}
	slices.SortFunc(tables, func(a, b *monitorTable) int { return cmp.Compare(a.schema.Name, b.schema.Name) })
	var b bytes.Buffer
	if s.proto == protoMonitor {
		b.WriteByte('1')
	} else {
		b.WriteByte('2') // update2 and update3 have the same body
	}
	for _, t := range tables {
		b.WriteString(t.schema.Name)
		b.WriteByte(0)
		b.WriteByte(byte(t.sel))
		for _, c := range t.columns {
			b.WriteString(c.Name)
			b.WriteByte(0)
			b.WriteByte(byte(c.sel))
		}
		b.WriteByte(0)
	}
	return b.String()
}
