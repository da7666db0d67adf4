package server

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// Errors of LogTable.
var (
	ErrNoDatabase = errors.New("no such database")
	ErrNoTable    = errors.New("no such table")
)

// LogTable says whether the changes of a table are logged, row by row.
func (s *Server) LogTable(database, table string, on bool) error {
	d := s.find(database)
	if d == nil {
		return ErrNoDatabase
	}
	err := ErrNoTable
	d.do(func() {
		if d.db.Table(table) == nil {
			return
		}
		err = nil
		if on {
			d.logged[table] = true
		} else {
			delete(d.logged, table)
		}
	})
	return err
}

// LoggedTables calls f for each table of each database, in the order of their names, with
// whether its changes are logged.
func (s *Server) LoggedTables(f func(database, table string, on bool)) {
	for _, d := range s.all() {
		type entry struct {
			name string
			on   bool
		}
		var tables []entry
		d.do(func() {
			for _, t := range d.db.Tables() {
				tables = append(tables, entry{t.Schema().Name, d.logged[t.Schema().Name]})
			}
		})
		for _, t := range tables {
			f(d.name, t.name, t.on)
		}
	}
}

// logChanges logs the changes of a transaction to tables of which that is wanted.
func (d *database) logChanges(cs *db.ChangeSet) {
	if len(d.logged) == 0 {
		return
	}
	log := d.srv.log.With("module", "transaction")
	for i := range cs.Tables {
		tc := &cs.Tables[i]
		if !d.logged[tc.Schema.Name] {
			continue
		}
		for j := range tc.Rows {
			r := &tc.Rows[j]
			what, text := "modified", []byte(nil)
			switch {
			case r.Old == nil:
				what, text = "inserted", appendColumns(nil, tc.Schema, r.New, func(c *ovsdb.ColumnSchema) bool {
					return !r.New.At(c.Index).IsDefault(&c.Type)
				})
			case r.New == nil:
				what = "deleted"
			default:
				text = appendColumns(nil, tc.Schema, r.New, r.Changed)
			}
			log.Info(fmt.Sprintf("%s/%s: %s %s%s", d.name, tc.Schema.Name, what, r.UUID(), text))
		}
	}
}

// appendColumns appends " column=value" for the columns wanted.
func appendColumns(dst []byte, ts *ovsdb.TableSchema, row *ovsdb.Row, want func(*ovsdb.ColumnSchema) bool) []byte {
	for _, c := range ts.Columns {
		if want(c) {
			dst = append(append(append(dst, ' '), c.Name...), '=')
			dst = row.AppendField(dst, c)
		}
	}
	return dst
}
