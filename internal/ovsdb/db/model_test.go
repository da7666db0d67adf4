package db

import (
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// model is a database that does everything the slow and obvious way: rows in
// maps, every check over everything.
type model struct {
	schema *ovsdb.DatabaseSchema
	rows   modelRows
}

// modelRows are rows by table and UUID.
type modelRows map[string]map[ovsdb.UUID][]ovsdb.Datum

func newModel(schema *ovsdb.DatabaseSchema) *model {
	m := &model{schema: schema, rows: modelRows{}}
	for name := range schema.Tables {
		m.rows[name] = map[ovsdb.UUID][]ovsdb.Datum{}
	}
	return m
}

func (r modelRows) clone() modelRows {
	c := modelRows{}
	for name, rows := range r {
		c[name] = map[ovsdb.UUID][]ovsdb.Datum{}
		for id, fields := range rows {
			c[name][id] = slices.Clone(fields)
		}
	}
	return c
}

// transact returns the tag of the error, or "".
func (m *model) transact(params wire.Value) string {
	before := m.rows
	m.rows = before.clone()
	touched := modelRows{} // rows that existed and were deleted
	for i := 1; i < params.Len(); i++ {
		if tag := m.operate(params.Index(i), before, touched); tag != "" {
			m.rows = before
			return tag
		}
	}
	if tag := m.commit(before); tag != "" {
		m.rows = before
		return tag
	}
	return ""
}

func tagOf(err error) string {
	if err == nil {
		return ""
	}
	return ovsdb.AsError(err).Tag
}

func (m *model) operate(op wire.Value, before, deleted modelRows) string {
	ts := m.schema.Tables[op.Get("table").Str()]
	var cond ovsdb.Condition
	if where := op.Get("where"); where.Exists() {
		var err error
		if cond, err = ovsdb.ParseCondition(where, ts, nil); err != nil {
			return tagOf(err)
		}
	}
	switch op.Get("op").Str() {
	case "insert":
		id, _ := ovsdb.ParseUUID(op.Get("uuid").Str())
		if m.rows[ts.Name][id] != nil || before[ts.Name][id] != nil {
			return "duplicate uuid"
		}
		fields, _, err := modelRow(ts, op.Get("row"))
		if err != nil {
			return tagOf(err)
		}
		m.rows[ts.Name][id] = fields
	case "update":
		fields, columns, err := modelRow(ts, op.Get("row"))
		if err != nil {
			return tagOf(err)
		}
		for _, row := range m.match(ts, cond) {
			for _, c := range columns {
				row[c.Index] = fields[c.Index]
			}
		}
	case "mutate":
		ms, err := ovsdb.ParseMutations(op.Get("mutations"), ts, nil)
		if err != nil {
			return tagOf(err)
		}
		for _, row := range m.match(ts, cond) {
			if err := ms.Apply(row); err != nil {
				return tagOf(err)
			}
		}
	case "delete":
		for id := range m.match(ts, cond) {
			delete(m.rows[ts.Name], id)
		}
	case "wait":
		if !m.wait(ts, cond, op) {
			return "timed out"
		}
	}
	return ""
}

func modelRow(ts *ovsdb.TableSchema, v wire.Value) ([]ovsdb.Datum, ovsdb.ColumnSet, error) {
	var fields []ovsdb.Datum
	var columns ovsdb.ColumnSet
	for _, c := range ts.Columns {
		value := v.Get(c.Name)
		if !value.Exists() {
			fields = append(fields, ovsdb.Default(&c.Type))
			continue
		}
		d, err := ovsdb.ParseDatum(value, &c.Type, nil)
		if err != nil {
			return nil, nil, err
		}
		fields = append(fields, d)
		columns = append(columns, c)
	}
	return fields, columns, nil
}

func (m *model) match(ts *ovsdb.TableSchema, cond ovsdb.Condition) map[ovsdb.UUID][]ovsdb.Datum {
	found := map[ovsdb.UUID][]ovsdb.Datum{}
	for id, fields := range m.rows[ts.Name] {
		if cond.Matches(ovsdb.NewRow(id, fields)) {
			found[id] = fields
		}
	}
	return found
}

func (m *model) wait(ts *ovsdb.TableSchema, cond ovsdb.Condition, op wire.Value) bool {
	columns, _ := ovsdb.ParseColumnSet(op.Get("columns"), ts)
	want, got := map[string]bool{}, map[string]bool{}
	for row := range op.Get("rows").Elems() {
		fields, _, _ := modelRow(ts, row)
		want[string(appendRow(nil, ovsdb.NewRow(ovsdb.UUID{}, fields), columns))] = true
	}
	for id, fields := range m.match(ts, cond) {
		got[string(appendRow(nil, ovsdb.NewRow(id, fields), columns))] = true
	}
	return maps.Equal(want, got) == (op.Get("until").Str() == "==")
}

// commit checks and completes the rows.
func (m *model) commit(before modelRows) string {
	if !m.refsExist(before) {
		return "referential integrity violation"
	}
	m.collect()
	for name, ts := range m.schema.Tables {
		if len(m.rows[name]) > ts.MaxRows {
			return "constraint violation"
		}
	}
	for m.cleanWeak() {
		m.collect()
	}
	for name, ts := range m.schema.Tables {
		for _, fields := range m.rows[name] {
			for i, c := range ts.Columns {
				if fields[i].Len() < c.Type.Min {
					return "constraint violation"
				}
			}
		}
		for _, index := range ts.Indexes {
			seen := map[string]bool{}
			for _, fields := range m.rows[name] {
				key := string(appendRow(nil, ovsdb.NewRow(ovsdb.UUID{}, fields), index))
				if seen[key] {
					return "constraint violation"
				}
				seen[key] = true
			}
		}
	}
	return ""
}

// eachRef calls f for every reference, with what f needs to remove it.
func (m *model) eachRef(f func(ts *ovsdb.TableSchema, from ovsdb.UUID, c *ovsdb.ColumnSchema, i int, b *ovsdb.BaseType, to ovsdb.UUID)) {
	for name, ts := range m.schema.Tables {
		for id, fields := range m.rows[name] {
			for _, c := range ts.Columns {
				for i := range fields[c.Index].Len() {
					if c.Type.Key.IsRef() {
						f(ts, id, c, i, &c.Type.Key, fields[c.Index].Key(i).UUID())
					}
					if c.Type.Value.IsRef() {
						f(ts, id, c, i, &c.Type.Value, fields[c.Index].Value(i).UUID())
					}
				}
			}
		}
	}
}

// refsExist reports whether all strong references have targets.
func (m *model) refsExist(before modelRows) bool {
	ok := true
	m.eachRef(func(ts *ovsdb.TableSchema, from ovsdb.UUID, c *ovsdb.ColumnSchema, _ int, b *ovsdb.BaseType, to ovsdb.UUID) {
		if b.IsStrongRef() && m.rows[b.RefTable][to] == nil {
			ok = false
		}
	})
	return ok
}

// collect removes garbage until there is none.
func (m *model) collect() {
	for again := true; again; {
		again = false
		referred := map[string]bool{}
		m.eachRef(func(ts *ovsdb.TableSchema, from ovsdb.UUID, c *ovsdb.ColumnSchema, _ int, b *ovsdb.BaseType, to ovsdb.UUID) {
			if b.IsStrongRef() && (ts.Name != b.RefTable || from != to) {
				referred[b.RefTable+to.String()] = true
			}
		})
		for name, ts := range m.schema.Tables {
			for id := range m.rows[name] {
				if !ts.IsRoot && !referred[name+id.String()] {
					delete(m.rows[name], id)
					again = true
				}
			}
		}
	}
}

// cleanWeak removes one weak reference without a target, if there is one.
func (m *model) cleanWeak() bool {
	var remove func()
	m.eachRef(func(ts *ovsdb.TableSchema, from ovsdb.UUID, c *ovsdb.ColumnSchema, i int, b *ovsdb.BaseType, to ovsdb.UUID) {
		if b.IsWeakRef() && m.rows[b.RefTable][to] == nil {
			remove = func() {
				d := &m.rows[ts.Name][from][c.Index]
				gone := d.Key(i)
				*d = d.Filter(func(key, _ ovsdb.Atom) bool { return ovsdb.CompareAtoms(c.Type.Key.Type, key, gone) != 0 })
			}
		}
	})
	if remove == nil {
		return false
	}
	remove()
	return true
}

// dump is the content as dumpOf prints it.
func (m *model) dump() wire.Value {
	dst := []byte{'['}
	for i, ts := range m.schema.SortedTables() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"rows":[`...)
		first := true
		for id, fields := range m.rows[ts.Name] {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendRow(dst, ovsdb.NewRow(id, fields), append(ovsdb.ColumnSet{ovsdb.UUIDColumn}, ts.Columns...))
		}
		dst = append(dst, "]}"...)
	}
	return parseText(string(append(dst, ']')))
}
