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

// targeted is the routes of others by the numbers of their route targets, so that a network finds those that it imports beside very many.
type targeted map[uint32]map[*route]struct{}

func (x targeted) add(r *route) {
	for _, t := range r.targets {
		if x[t.value] == nil {
			x[t.value] = map[*route]struct{}{}
		}
		x[t.value][r] = struct{}{}
	}
}

func (x targeted) remove(r *route) {
	for _, t := range r.targets {
		if delete(x[t.value], r); len(x[t.value]) == 0 {
			delete(x, t.value)
		}
	}
}

// of are those that a network imports, each once.
func (x targeted) of(n *network) map[*route]struct{} {
	all := map[*route]struct{}{}
	for _, i := range n.importers() {
		number := i.vni
		if number == 0 {
			number = i.target.value
		}
		for r := range x[number] {
			if n.imports(r) {
				all[r] = struct{}{}
			}
		}
	}
	return all
}

// all are the routes that a network has.
func (n *network) all() map[*route]struct{} {
	all := map[*route]struct{}{}
	for _, h := range n.hosts {
		for _, r := range h.paths {
			all[r] = struct{}{}
		}
	}
	add := func(routes map[path]*route) {
		for _, r := range routes {
			all[r] = struct{}{}
		}
	}
	add(n.floods)
	add(n.prefixes)
	for _, s := range n.segments {
		add(s.attached)
		add(s.serving)
	}
	return all
}
