package mac

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// RowsOf returns the rows of a MAC table that are of a logical switch.
func RowsOf(x *txn.Txn, table string, ls *txn.Record) []*txn.Record {
	var rows []*txn.Record
	for _, r := range x.All(txn.TableNamed(table)) {
		if r.Ref("logical_switch") == ls.UUID {
			rows = append(rows, r)
		}
	}
	return rows
}

// row returns the row of a MAC address, or nil. Of duplicates the one with the lowest UUID
// counts.
func row(x *txn.Txn, table string, ls *txn.Record, mac string) *txn.Record {
	found := x.Indexed(table, "logical_switch", "MAC").
		Find(ovsdb.Scalar(ovsdb.UUIDAtom(ls.UUID)), ovsdb.Scalar(ovsdb.StringAtom(mac)))
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// AddRow returns the row of a MAC address, made if there is none.
func AddRow(x *txn.Txn, table string, ls *txn.Record, mac string) *txn.Record {
	if r := row(x, table, ls, mac); r != nil {
		// An update of a row that is gone would change nothing, silently.
		x.VerifyNamed(r, "MAC")
		return r
	}
	return x.InsertIndexed(table, []string{"logical_switch", "MAC"}, func(r *txn.Record) {
		x.SetString(r, "MAC", mac)
		x.SetRef(r, "logical_switch", ls)
	})
}
