// Package hwvtep is the hardware_vtep database in Go types: its schema, one
// struct for each table, a view of a replica that yields these structs, and
// transactions that are built from them.
//
//	view := hwvtep.NewView(snapshot)           // read
//	for ls := range view.LogicalSwitches() { ... }
//
//	tx := hwvtep.NewTxn(view.Layout())         // write
//	loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{...})
//	tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, LogicalSwitch: ls, Locator: loc})
//	results, err := replica.Transact(ctx, tx.Ops())
//
// The database may be older than the schema known here. A [Layout] says where
// the known columns are in the schema of a server; columns and tables that are
// not there read as empty and are left out of what is written.
//
// The files *_gen.go are written by gen from vtep.ovsschema.
//
// Nothing here does I/O or starts a goroutine. Rows, views and layouts may be
// shared between goroutines; a Txn belongs to one.
package hwvtep
