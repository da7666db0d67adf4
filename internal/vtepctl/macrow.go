package vtepctl

import "github.com/vtep/vtep/internal/ovsdb"

// macsOf returns the rows of a MAC table that are of a logical switch.
func macsOf(x *txn, table string, ls *record) []*record {
	var rows []*record
	for _, r := range x.all(tableNamed(table)) {
		if r.ref("logical_switch") == ls.uuid {
			rows = append(rows, r)
		}
	}
	return rows
}

// macRow returns the row of a MAC address, or nil. Of duplicates the one with the lowest UUID
// counts.
func macRow(x *txn, table string, ls *record, mac string) *record {
	found := x.indexed(table, "logical_switch", "MAC").
		find(ovsdb.Scalar(ovsdb.UUIDAtom(ls.uuid)), ovsdb.Scalar(ovsdb.StringAtom(mac)))
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// addMACRow returns the row of a MAC address, made if there is none.
func addMACRow(x *txn, table string, ls *record, mac string) *record {
	if r := macRow(x, table, ls, mac); r != nil {
		// An update of a row that is gone would change nothing, silently.
		x.verifyNamed(r, "MAC")
		return r
	}
	return x.insertIndexed(table, []string{"logical_switch", "MAC"}, func(r *record) {
		x.setString(r, "MAC", mac)
		x.setRef(r, "logical_switch", ls)
	})
}
