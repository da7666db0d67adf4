package vtepctl

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

// Tables of addresses may have many rows, and "apply" looks for each: a txn has an index of
// such a table from the first look on, until something else changes what it is made of.

// index finds rows by what is in some of their columns.
type index struct {
	columns []string
	byKey   map[string][]*record // in the order of all
}

// indexOf returns the index of a table by columns, made if there is none.
func (x *txn) indexOf(table string, columns ...string) *index {
	t := tableNamed(table)
	if ix := x.indexes[t]; ix != nil {
		return ix
	}
	all := x.all(t)
	ix := &index{columns: columns, byKey: make(map[string][]*record, len(all))}
	for _, r := range all {
		ix.add(r)
	}
	x.indexes[t] = ix
	return ix
}

// add adds a row that has its values.
func (ix *index) add(r *record) {
	var key []byte
	for _, name := range ix.columns {
		c := r.table.Column(name)
		key = r.get(c).AppendKey(key, &c.Type)
	}
	ix.byKey[string(key)] = append(ix.byKey[string(key)], r)
}

// find returns the rows with given values in the columns.
func (ix *index) find(values ...ovsdb.Datum) []*record {
	var key []byte
	for i, name := range ix.columns {
		key = values[i].AppendKey(key, columnTypes[name])
	}
	return ix.byKey[string(key)]
}

// columnTypes are the types of the columns that there are indexes of.
var columnTypes = map[string]*ovsdb.Type{
	"MAC":                {Key: ovsdb.NewBaseType(ovsdb.String), Min: 1, Max: 1},
	"logical_switch":     {Key: ovsdb.NewBaseType(ovsdb.UUIDType), Min: 1, Max: 1},
	"encapsulation_type": {Key: ovsdb.NewBaseType(ovsdb.String), Min: 1, Max: 1},
	"dst_ip":             {Key: ovsdb.NewBaseType(ovsdb.String), Min: 1, Max: 1},
}

// stale forgets the index of a table when a row of it is not any more what it was. column is
// what changed, nil for all of it.
func (x *txn) stale(t *ovsdb.TableSchema, column *ovsdb.ColumnSchema) {
	if ix := x.indexes[t]; ix != nil && (column == nil || slices.Contains(ix.columns, column.Name)) {
		delete(x.indexes, t)
	}
}

// macRow returns the row of a MAC address, or nil. Of duplicates the one with the lowest UUID
// counts.
func (x *txn) macRow(table string, ls *record, mac string) *record {
	found := x.indexOf(table, "logical_switch", "MAC").
		find(ovsdb.Scalar(ovsdb.UUIDAtom(ls.uuid)), ovsdb.Scalar(ovsdb.StringAtom(mac)))
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// addMACRow returns the row of a MAC address, made if there is none.
func (x *txn) addMACRow(table string, ls *record, mac string) *record {
	if r := x.macRow(table, ls, mac); r != nil {
		// An update of a row that is gone would change nothing, silently.
		x.verifyNamed(r, "MAC")
		return r
	}
	ix := x.indexOf(table, "logical_switch", "MAC")
	r := x.insertNew(table)
	x.setString(r, "MAC", mac)
	x.setRef(r, "logical_switch", ls)
	ix.add(r)
	x.indexes[r.table] = ix // it is up to date again
	return r
}

// findLocator returns the locator of an endpoint, or nil. Of several it prefers the one
// without a key, then the one with the lowest.
func (x *txn) findLocator(e endpoint) *record {
	var found *record
	for _, loc := range x.indexOf(hwvtep.TablePhysicalLocator, "encapsulation_type", "dst_ip").
		find(ovsdb.Scalar(ovsdb.StringAtom(e.encap)), ovsdb.Scalar(ovsdb.StringAtom(e.ip))) {
		if e.matches(loc) && (found == nil || compareKeys(loc, found) < 0) {
			found = loc
		}
	}
	return found
}
