package hwvtep

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Write is what a transaction makes of one row.
type Write struct {
	Table         *ovsdb.TableSchema
	Before, After *Row                           // nil: the row is inserted, is deleted
	Changed       func(*ovsdb.ColumnSchema) bool // of a row that is neither: whether the column differs
}

// Protect refuses what a controller has no business to write, with an ovsdb.PermissionError:
// what belongs to the VTEP, and what is the operator's to say, as which devices of his machine
// are ports. v shows the rows as the transaction leaves them.
func Protect(v *View, w *Write) error {
	switch {
	case w.After == nil:
		return w.protectDelete(v)
	case w.Before == nil:
		return w.protectInsert()
	}
	return w.protectUpdate(v)
}

// operators are the tables whose rows the operator makes and removes.
var operators = map[string]string{
	TablePhysicalSwitch: "the switches of this machine",
	TablePhysicalPort:   "the ports of this machine",
}

func (w *Write) protectInsert() error {
	table := w.Table.Name
	if what, ok := operators[table]; ok {
		return ovsdb.PermissionError("insert into table %s is not allowed: %s are for the operator to choose", table, what)
	}
	if ownTables[table] {
		return w.refuseOwn("insert")
	}
	for _, c := range w.Table.Columns {
		if !w.After.At(c.Index).IsDefault(&c.Type) {
			if err := w.protectColumn("insert", c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Write) protectDelete(v *View) error {
	table := w.Table.Name
	if what, ok := operators[table]; ok {
		return ovsdb.PermissionError("delete from table %s is not allowed: %s are for the operator to choose", table, what)
	}
	switch {
	case table == TableGlobal:
		return ovsdb.PermissionError("delete from table Global is not allowed: the row holds the switches of this machine")
	case table == TableTunnel:
		return ovsdb.PermissionError("delete from table Tunnel is not allowed: the VTEP removes tunnels that nothing needs")
	case ownTables[table] && !w.ofDeletedSwitch(v):
		return w.refuseOwn("delete")
	}
	return nil
}

// ofDeletedSwitch says whether a row of a Local table goes with its logical switch, as some
// controllers have it do.
func (w *Write) ofDeletedSwitch(v *View) bool {
	var ls UUID
	switch w.Table.Name {
	case TableUcastMACLocal:
		ls = v.Layout().DecodeUcastMACLocal(w.Before).LogicalSwitch
	case TableMcastMACLocal:
		ls = v.Layout().DecodeMcastMACLocal(w.Before).LogicalSwitch
	default:
		return false
	}
	_, stays := v.LogicalSwitch(ls)
	return !stays
}

func (w *Write) protectUpdate(v *View) error {
	table := w.Table.Name
	if ownTables[table] {
		return w.refuseOwn("update")
	}
	for _, c := range w.Table.Columns {
		if !w.Changed(c) {
			continue
		}
		if err := w.protectColumn("update", c); err != nil {
			return err
		}
		switch {
		case table == TableTunnel && (c.Name == "local" || c.Name == "remote"):
			return ovsdb.PermissionError("update of column %s of table Tunnel is not allowed: the ends of a tunnel are fixed; insert another row", c.Name)
		case table == TablePhysicalSwitch && c.Name == "tunnels" && w.losesTunnels(v):
			return ovsdb.PermissionError("removing from column tunnels of table Physical_Switch is not allowed: " +
				"the VTEP removes tunnels that nothing needs, once bfd_params:enable is not true")
		case table == TablePhysicalLocator && c.Name == "tunnel_key" && w.ofTunnelIP(v):
			return ovsdb.PermissionError("update of column tunnel_key of table Physical_Locator is not allowed for a tunnel IP of a VTEP: insert a locator with that key")
		}
	}
	return nil
}

func (w *Write) losesTunnels(v *View) bool {
	after := map[UUID]bool{}
	for _, id := range v.Layout().DecodePhysicalSwitch(w.After).Tunnels {
		after[id] = true
	}
	return slices.ContainsFunc(v.Layout().DecodePhysicalSwitch(w.Before).Tunnels, func(id UUID) bool { return !after[id] })
}

// ofTunnelIP says whether the row is the locator of a VTEP of this database.
func (w *Write) ofTunnelIP(v *View) bool {
	ip := v.Layout().DecodePhysicalLocator(w.Before).DstIP
	for ps := range v.PhysicalSwitches() {
		if HasIP(ps.TunnelIPs, ip) {
			return true
		}
	}
	return false
}

// protectColumn refuses a column that controllers don't write.
func (w *Write) protectColumn(op string, c *ovsdb.ColumnSchema) error {
	switch writers := WritersOf(w.Table.Name, c.Name); {
	case writers.vtepOwned():
		return ovsdb.PermissionError("%s is not allowed: column %s of table %s belongs to the VTEP", op, c.Name, w.Table.Name)
	case writers != 0 && writers&Controller == 0:
		return ovsdb.PermissionError("%s is not allowed: column %s of table %s is for the operator to set", op, c.Name, w.Table.Name)
	}
	return nil
}

func (w *Write) refuseOwn(op string) error {
	return ovsdb.PermissionError("%s is not allowed: the rows of table %s belong to the VTEP", op, w.Table.Name)
}
