package apply

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/mac"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

func (a *applier) logicalSwitch(l *logicalConfig) {
	ls := a.row(hwvtep.TableLogicalSwitch, l.name)
	a.attributes(ls, l.attrs)
	for _, m := range l.ucast {
		a.host(ls, m)
	}
	for _, m := range l.mcast {
		a.group(ls, m)
	}
	if a.prune && l.ucast != nil {
		a.pruneMACs(mac.Remote.Ucast, ls, l.ucast)
	}
	if a.prune && l.mcast != nil {
		a.pruneMACs(mac.Remote.Mcast, ls, l.mcast)
	}
}

// host says where a MAC address of a host is.
func (a *applier) host(ls *txn.Record, m macConfig) {
	row := mac.AddRow(a.x, mac.Remote.Ucast, ls, m.mac)
	loc := mac.LocatorAt(a.x, m.endpoints[0])
	a.setColumn(row, row.Table.Column("locator"), ovsdb.Scalar(ovsdb.RefTo(&loc.UUID)))
}

// group says where frames to a group are sent.
func (a *applier) group(ls *txn.Record, m macConfig) {
	row := mac.AddRow(a.x, mac.Remote.Mcast, ls, m.mac)
	have := mac.MembersOf(a.x, row)
	var want []*txn.Record
	if !a.prune {
		want = slices.Clone(have)
	}
	for _, e := range m.endpoints {
		if loc := mac.LocatorAt(a.x, e); !slices.Contains(want, loc) {
			want = append(want, loc)
		}
	}
	if len(want) != len(have) || slices.ContainsFunc(want, func(loc *txn.Record) bool { return !slices.Contains(have, loc) }) {
		mac.SetMembers(a.x, row, want)
	}
}

// pruneMACs removes the addresses of a logical switch that are not in a list.
func (a *applier) pruneMACs(table string, ls *txn.Record, list []macConfig) {
	keep := make(map[string]bool, len(list))
	for _, m := range list {
		keep[m.mac] = true
	}
	for _, r := range mac.RowsOf(a.x, table, ls) {
		if !keep[r.Str("MAC")] {
			a.x.Remove(r)
		}
	}
}

// pruneLogicalSwitches removes the logical switches that are not in a list.
func (a *applier) pruneLogicalSwitches(list []logicalConfig) {
	for _, ls := range a.x.All(txn.TableNamed(hwvtep.TableLogicalSwitch)) {
		if !slices.ContainsFunc(list, func(l logicalConfig) bool { return l.name == ls.Str("name") }) {
			a.removeLogicalSwitch(ls)
		}
	}
}

// removeLogicalSwitch removes a logical switch with all that refers to it, or it could not go.
func (a *applier) removeLogicalSwitch(ls *txn.Record) {
	for _, table := range []string{mac.Local.Ucast, mac.Local.Mcast, mac.Remote.Ucast, mac.Remote.Mcast} {
		for _, r := range mac.RowsOf(a.x, table, ls) {
			a.x.Remove(r)
		}
	}
	for table, column := range map[string]string{
		hwvtep.TablePhysicalPort:  "vlan_bindings",
		hwvtep.TableLogicalRouter: "switch_binding",
	} {
		for _, r := range a.x.All(txn.TableNamed(table)) {
			c := r.Table.Column(column)
			rest := r.Get(c).Filter(func(_, value ovsdb.Atom) bool { return value.UUID() != ls.UUID })
			if rest.Len() != r.Get(c).Len() {
				a.setColumn(r, c, rest)
			}
		}
	}
	a.x.Remove(ls)
}
