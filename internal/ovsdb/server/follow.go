package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// follower is told of the value of a column of strings.
type follower struct {
	table  *ovsdb.TableSchema
	column *ovsdb.ColumnSchema
	tell   func(string)
}

// FollowColumn tells the first string that is not empty in a column named "db:DB,TABLE,COLUMN":
// before it returns, and again whenever the table changes, as long as the database has the
// schema it has now. tell must be quick; it must not call the server.
func (s *Server) FollowColumn(name string, tell func(string)) error {
	return s.onColumn(name, func(d *database, m *managers) error {
		if m.column.Type.Key.Type != ovsdb.String || m.column.Type.IsMap() {
			return fmt.Errorf("%q: table %q column %q is not string or set of strings", name, m.table.Name, m.column.Name)
		}
		f := &follower{m.table, m.column, tell}
		d.followers = append(d.followers, f)
		f.read(d)
		return nil
	})
}

// read tells the present value.
func (f *follower) read(d *database) {
	t := d.db.Table(f.table.Name)
	if t == nil || t.Schema() != f.table {
		return
	}
	for row := range t.All() {
		for a := range row.Field(f.column).Keys() {
			if a.Str() != "" {
				f.tell(strings.Clone(a.Str()))
				return
			}
		}
	}
	f.tell("")
}

// notifyFollowers tells of the changes of a transaction.
func (d *database) notifyFollowers(cs *db.ChangeSet) {
	for _, f := range d.followers {
		if slices.ContainsFunc(cs.Tables, func(tc db.TableChanges) bool { return tc.Schema == f.table }) {
			f.read(d)
		}
	}
}
