package server

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// managers is a column that lists remotes: target texts, or references to rows that describe
// one each, as Global.managers does in the hardware_vtep schema. The loop of the database
// owns it.
type managers struct {
	name   string // "db:DB,TABLE,COLUMN"
	table  *ovsdb.TableSchema
	column *ovsdb.ColumnSchema
	rows   *ovsdb.TableSchema // what the column refers to; nil: it holds the targets
}

// watchColumn begins to follow the column that a "db:" remote names.
func (s *Server) watchColumn(name string) error {
	return s.onColumn(name, func(d *database, m *managers) error {
		d.watch[name] = m
		s.remotes.setManaged(name, m.targets(d))
		return nil
	})
}

// onColumn finds the column named "db:DB,TABLE,COLUMN", and calls f with it in the loop of its
// database.
func (s *Server) onColumn(name string, f func(*database, *managers) error) error {
	parts := strings.FieldsFunc(strings.TrimPrefix(name, "db:"), func(c rune) bool { return c == ',' })
	if len(parts) < 3 {
		return fmt.Errorf("%q: invalid syntax", name)
	}
	err := fmt.Errorf("%q: no database named %s", name, parts[0])
	d := s.find(parts[0])
	if d == nil {
		return err
	}
	// A database that is closed meanwhile runs nothing: the error stays.
	d.do(func() {
		var m *managers
		if m, err = findColumn(d.db.Schema(), name, parts[1], parts[2]); err == nil {
			err = f(d, m)
		} else if d.schemaJSON() == nil { // refreshManagers finds it when there is something to find
			err = nil
			d.watch[name] = &managers{name: name, table: &ovsdb.TableSchema{}, column: &ovsdb.ColumnSchema{}}
			d.srv.remotes.setManaged(name, nil)
		}
	})
	return err
}

func (s *Server) unwatchColumn(name string) {
	for _, d := range s.all() {
		d.do(func() { delete(d.watch, name) })
	}
}

func findColumn(schema *ovsdb.DatabaseSchema, name, table, column string) (*managers, error) {
	ts := schema.Tables[table]
	if ts == nil {
		return nil, fmt.Errorf("%q: no table named %s", name, table)
	}
	c := ts.Column(column)
	if c == nil {
		return nil, fmt.Errorf("%q: table %q has no column %q", name, table, column)
	}
	m := &managers{name: name, table: ts, column: c}
	if c.Type.Key.RefTable != "" && !c.Type.IsMap() {
		m.rows = schema.Tables[c.Type.Key.RefTable]
	}
	return m, nil
}

// notifyManagers follows the changes of a transaction in columns that list remotes.
func (d *database) notifyManagers(cs *db.ChangeSet) {
	for _, m := range d.watch {
		if slices.ContainsFunc(cs.Tables, func(tc db.TableChanges) bool {
			return tc.Schema == m.table || m.rows != nil && tc.Schema == m.rows
		}) {
			d.srv.remotes.setManaged(m.name, m.targets(d))
		}
	}
}

// refreshManagers finds the columns again after the schema has changed.
func (d *database) refreshManagers() {
	for name := range maps.Clone(d.watch) {
		parts := strings.Split(strings.TrimPrefix(name, "db:"), ",")
		m, err := findColumn(d.db.Schema(), name, parts[1], parts[2])
		if err != nil {
			d.log.Warn(err.Error())
			delete(d.watch, name)
			d.srv.remotes.setManaged(name, nil)
			continue
		}
		d.watch[name] = m
		d.srv.remotes.setManaged(name, m.targets(d))
	}
}

// targets reads what the column lists.
func (m *managers) targets(d *database) map[string]remoteOptions {
	all := map[string]remoteOptions{}
	add := func(target string, opts remoteOptions) {
		if strings.HasPrefix(target, "pfd:") {
			d.log.Warn(`pfd: remotes can only be specified on the command line; ignoring "` + target + `" from database`)
			opts.refused = "pfd: remotes can only be specified on the command line"
		}
		if t, err := stream.ParseTarget(target); err == nil && t.Local() && d.srv.opts.NetworkOnly {
			d.log.Warn(`unix sockets can only be specified on the command line; ignoring "` + target + `" from database`)
			opts.refused = "unix sockets can only be specified on the command line"
		}
		all[target] = opts
	}
	if m.rows != nil {
		for _, row := range m.managerRows(d) {
			r := reader{m.rows, row}
			if target, ok := r.str("target"); ok {
				add(target, r.options(target))
			}
		}
		return all
	}
	if m.column.Type.Key.Type != ovsdb.String || m.column.Type.IsMap() {
		return all
	}
	for row := range d.db.Table(m.table.Name).All() {
		for a := range row.Field(m.column).Keys() {
			target := strings.Clone(a.Str())
			add(target, defaultOptions(target))
		}
	}
	return all
}

// managerRows are the rows that the column refers to, in the order of their UUIDs.
func (m *managers) managerRows(d *database) []*ovsdb.Row {
	if m.rows == nil {
		return nil
	}
	var rows []*ovsdb.Row
	for row := range d.db.Table(m.table.Name).All() {
		for a := range row.Field(m.column).Keys() {
			if target := d.db.Table(m.rows.Name).Get(a.UUID()); target != nil && !slices.Contains(rows, target) {
				rows = append(rows, target)
			}
		}
	}
	slices.SortFunc(rows, func(a, b *ovsdb.Row) int { return a.UUID.Compare(b.UUID) })
	return rows
}

// reader reads columns of a row that a schema may have or not, each with the type expected
// or not.
type reader struct {
	table *ovsdb.TableSchema
	row   *ovsdb.Row
}

// scalar is the only value of a column of the given type; false if there is none.
func (r reader) scalar(name string, t ovsdb.AtomicType) (ovsdb.Atom, bool) {
	c := r.table.Column(name)
	if c == nil || c.Type.Key.Type != t || c.Type.IsMap() || c.Type.IsComposite() {
		return ovsdb.Atom{}, false
	}
	d := r.row.Field(c)
	if d.Len() != 1 {
		return ovsdb.Atom{}, false
	}
	return d.Key(0), true
}

func (r reader) str(name string) (string, bool) {
	a, ok := r.scalar(name, ovsdb.String)
	if !ok {
		return "", false
	}
	return strings.Clone(a.Str()), true
}

// pair is the value of a key in a map from strings to strings.
func (r reader) pair(name, key string) (string, bool) {
	c := r.table.Column(name)
	if c == nil || c.Type.Key.Type != ovsdb.String || c.Type.Value.Type != ovsdb.String {
		return "", false
	}
	d := r.row.Field(c)
	i, ok := d.Find(ovsdb.StringAtom(key), ovsdb.String)
	if !ok {
		return "", false
	}
	return d.Value(i).Str(), true
}

// options reads what a row says of its remote.
func (r reader) options(target string) remoteOptions {
	o := defaultOptions(target)
	if a, ok := r.scalar("max_backoff", ovsdb.Integer); ok {
		o.maxBackoff = milliseconds(a.Int())
	}
	if a, ok := r.scalar("inactivity_probe", ovsdb.Integer); ok {
		o.probe = milliseconds(a.Int())
	}
	if a, ok := r.scalar("read_only", ovsdb.Boolean); ok {
		o.readOnly = a.Bool()
	}
	o.role, _ = r.str("role")
	o.dscp = stream.DefaultDSCP
	if text, ok := r.pair("other_config", "dscp"); ok {
		if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 63 {
			o.dscp = n
		}
	}
	return o
}

// milliseconds clamps what a column says to what a timer can do.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 1<<31-1)) * time.Millisecond
}
