package evpn

import "iter"

// index is the networks by the route targets that they import.
type index map[importer]map[*network]struct{}

// importer is a route target, or any whose number is a VNI.
type importer struct {
	vni    uint32 // 0: the target
	target target
}

// importers are those of a network.
func (n *network) importers() (all []importer) {
	if n.vni == 0 {
		return nil
	}
	if n.auto {
		return []importer{{vni: n.vni}}
	}
	for _, t := range n.imp {
		all = append(all, importer{target: t})
	}
	return all
}

func (x index) add(n *network) {
	for _, i := range n.importers() {
		if x[i] == nil {
			x[i] = map[*network]struct{}{}
		}
		x[i][n] = struct{}{}
	}
}

func (x index) remove(n *network) {
	for _, i := range n.importers() {
		if delete(x[i], n); len(x[i]) == 0 {
			delete(x, i)
		}
	}
}

// networks are those that a route is for, each once.
func (x index) networks(r *route) iter.Seq[*network] {
	return func(yield func(*network) bool) {
		seen := map[*network]bool{}
		for _, t := range r.targets {
			for _, i := range []importer{{vni: t.value}, {target: t}} {
				for n := range x[i] {
					if !seen[n] && !yield(n) {
						return
					}
					seen[n] = true
				}
			}
		}
	}
}
