package main

import (
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

// protect refuses what peers on the network may not write: what belongs to the VTEP, and all
// of it to those of a remote that has a role, as no role is known here.
func protect(role, op, database string, table *ovsdb.TableSchema, columns ovsdb.ColumnSet) error {
	switch {
	case role != "":
		return ovsdb.PermissionError("%s is not allowed: there is no role %q", op, role)
	case database == hwvtep.Database:
		return hwvtep.Protect(op, table, columns)
	}
	return nil
}
