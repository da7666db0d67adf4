package main

import (
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// protection refuses what peers on the network may not write: what is not a controller's in the
// database of a VTEP, and all of it to those of a remote that has a role, as no role is known
// here. optOut says how the operator can have it otherwise.
func protection(optOut string) func(role string, d *db.Database, table *ovsdb.TableSchema, row *db.RowChange) error {
	return func(role string, d *db.Database, table *ovsdb.TableSchema, row *db.RowChange) error {
		switch {
		case role != "":
			return ovsdb.PermissionError("the change is not allowed: there is no role %q", role)
		case d.Schema().Name != hwvtep.Database:
			return nil
		}
		view := hwvtep.NewView[*db.Table](d)
		err := hwvtep.Protect(view, &hwvtep.Write{Table: table, Before: row.Old, After: row.New, Changed: row.Changed})
		if err != nil {
			return ovsdb.PermissionError("%s. Do it at the unix socket of that machine, or %s", ovsdb.AsError(err).Details, optOut)
		}
		return nil
	}
}
