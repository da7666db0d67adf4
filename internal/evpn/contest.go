package evpn

import (
	"cmp"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
)

// A VNI is that of one switch. What switches want one is known by the VNI, so that a switch that comes or goes costs the same beside
// many others.

// configure has a network ask for what its row says.
func (db *database) configure(n *network, row hwvtep.LogicalSwitch) {
	db.unwant(n)
	n.configure(row)
	if n.wants != 0 {
		if db.wanted[n.wants] == nil {
			db.wanted[n.wants] = map[*network]struct{}{}
		}
		db.wanted[n.wants][n] = struct{}{}
		db.contested[n.wants] = struct{}{}
	}
}

// unwant has a network ask for no VNI any more.
func (db *database) unwant(n *network) {
	if n.wants == 0 {
		return
	}
	if delete(db.wanted[n.wants], n); len(db.wanted[n.wants]) == 0 {
		delete(db.wanted, n.wants)
	}
	db.contested[n.wants] = struct{}{}
}

// has is 1 for one that has the VNI that it wants.
func (n *network) has() int {
	if n.wants != 0 && n.vni == n.wants {
		return 1
	}
	return 0
}

// takeVNIs gives switches their VNIs, after the rows of some have been read. It returns those, and others that have another
// VNI than before. Of several that want one who has it keeps it, else the first by name gets it.
func (db *database) takeVNIs(touched map[*network]uint32) map[*network]uint32 {
	for n := range touched {
		if n.wants == 0 {
			db.give(n, 0, nil, touched)
		}
	}
	contested := db.contested
	db.contested = map[uint32]struct{}{} // one that has been large is slow
	for vni := range contested {
		all := slices.SortedFunc(maps.Keys(db.wanted[vni]), func(x, y *network) int {
			return cmp.Or(cmp.Compare(y.has(), x.has()), cmp.Compare(x.row.Name, y.row.Name))
		})
		names := make([]string, len(all))
		for i, n := range all {
			names[i] = n.row.Name
		}
		slices.Sort(names)
		for i, n := range all {
			given := vni
			if i > 0 {
				given = 0
			}
			db.give(n, given, slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == n.row.Name }), touched)
		}
	}
	return touched
}

// give gives a network a VNI, or 0. rivals are the names of others that want it, too. Those that get another one than they had are touched.
func (db *database) give(n *network, vni uint32, rivals []string, touched map[*network]uint32) {
	b := db.bridge
	before, read := touched[n]
	if !read {
		if n.vni == vni && slices.Equal(n.rivals, rivals) {
			return
		}
		before = n.vni
		b.imports.remove(n)
		touched[n] = before
	}
	fault := n.fault
	n.serve(vni, rivals, b.Config().AS)
	b.imports.add(n)
	if n.fault != fault && n.fault != "" {
		b.log.Warn("logical switch", "switch", n.row.Name, "err", n.fault)
	}
	if before != vni || !read {
		b.log.Info("logical switch", "switch", n.row.Name, "vni", vni)
	}
}
