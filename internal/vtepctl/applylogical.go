package vtepctl

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
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
		a.pruneMACs(remoteMACs.ucast, ls, l.ucast)
	}
	if a.prune && l.mcast != nil {
		a.pruneMACs(remoteMACs.mcast, ls, l.mcast)
	}
}

// host says where a MAC address of a host is.
func (a *applier) host(ls *record, m macConfig) {
	row := addMACRow(a.x, remoteMACs.ucast, ls, m.mac)
	loc := locatorAt(a.x, m.endpoints[0])
	a.setColumn(row, row.table.Column("locator"), ovsdb.Scalar(ovsdb.RefTo(&loc.uuid)))
}

// group says where frames to a group are sent.
func (a *applier) group(ls *record, m macConfig) {
	row := addMACRow(a.x, remoteMACs.mcast, ls, m.mac)
	have := membersOf(a.x, row)
	var want []*record
	if !a.prune {
		want = slices.Clone(have)
	}
	for _, e := range m.endpoints {
		if loc := locatorAt(a.x, e); !slices.Contains(want, loc) {
			want = append(want, loc)
		}
	}
	if len(want) != len(have) || slices.ContainsFunc(want, func(loc *record) bool { return !slices.Contains(have, loc) }) {
		setMembers(a.x, row, want)
	}
}

// pruneMACs removes the addresses of a logical switch that are not in a list.
func (a *applier) pruneMACs(table string, ls *record, list []macConfig) {
	keep := make(map[string]bool, len(list))
	for _, m := range list {
		keep[m.mac] = true
	}
	for _, r := range macsOf(a.x, table, ls) {
		if !keep[r.str("MAC")] {
			a.x.remove(r)
		}
	}
}

// pruneLogicalSwitches removes the logical switches that are not in a list.
func (a *applier) pruneLogicalSwitches(list []logicalConfig) {
	for _, ls := range a.x.all(tableNamed(hwvtep.TableLogicalSwitch)) {
		if !slices.ContainsFunc(list, func(l logicalConfig) bool { return l.name == ls.str("name") }) {
			a.removeLogicalSwitch(ls)
		}
	}
}

// removeLogicalSwitch removes a logical switch with all that refers to it, or it could not go.
func (a *applier) removeLogicalSwitch(ls *record) {
	for _, table := range []string{localMACs.ucast, localMACs.mcast, remoteMACs.ucast, remoteMACs.mcast} {
		for _, r := range macsOf(a.x, table, ls) {
			a.x.remove(r)
		}
	}
	for table, column := range map[string]string{
		hwvtep.TablePhysicalPort:  "vlan_bindings",
		hwvtep.TableLogicalRouter: "switch_binding",
	} {
		for _, r := range a.x.all(tableNamed(table)) {
			c := r.table.Column(column)
			rest := r.get(c).Filter(func(_, value ovsdb.Atom) bool { return value.UUID() != ls.uuid })
			if rest.Len() != r.get(c).Len() {
				a.setColumn(r, c, rest)
			}
		}
	}
	a.x.remove(ls)
}
