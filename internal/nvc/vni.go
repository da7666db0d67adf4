package nvc

import (
	"cmp"
	"maps"
	"time"
)

// rest is that of a VNI that no network has any more. A VTEP that can't be reached may have it still, so that it is not
// given to another network for a time.
type rest struct {
	until time.Time
	last  string // the network that had it, which may have it again
}

// restTime is how long.
const restTime = 10 * time.Minute

// settle decides the VNI and who joins: the lowest that another writer has set counts; else what the
// controller has set before; else one that no switch has. A database in which another writer has set
// another one is not in the mesh.
func (m *mesh) settle(n *network) {
	var foreign, own int64
	lower := func(into *int64, key int64) {
		if *into == 0 || key < *into {
			*into = key
		}
	}
	for _, p := range n.in {
		if key, ok := p.row.TunnelKey.Get(); ok && key != 0 && p.keyIsOurs() {
			lower(&own, key)
		} else if ok && key != 0 {
			lower(&foreign, key)
		}
	}
	if own != 0 && m.claimed(own, n) {
		own = 0
	}
	given := n.vni // perhaps not in a row yet
	if given != 0 && m.claimed(given, n) {
		given = 0
	}
	vni := cmp.Or(foreign, own, given)
	if vni == 0 && m.allot && len(n.in) > 0 {
		vni = m.freeVNI(n.name)
	}
	changed := vni != n.vni
	if changed {
		m.retire(n)
	}
	n.vni = vni
	for db, p := range n.in {
		key, _ := p.row.TunnelKey.Get()
		joined := vni != 0 && (key == 0 || key == vni || p.keyIsOurs())
		if joined != p.joined {
			p.joined = joined
			n.touchIn(db)
			n.touchOf(db)
		}
	}
	if !changed {
		return
	}
	n.touchAll()
	if vni == 0 {
		return
	}
	for _, other := range m.networks { // one that was given it must give way
		if other != n && other.vni == vni && (foreign != 0 || n.name < other.name) {
			m.settle(other)
		}
	}
}

// claimed says that another network has the VNI by another writer; or by the controller, which did not know the
// databases of both when it gave it. Of two such networks the one whose name comes first keeps it.
func (m *mesh) claimed(vni int64, n *network) bool {
	for _, other := range m.networks {
		if other.vni == vni && other.name < n.name {
			return true
		}
		for _, p := range other.in {
			if key, _ := p.row.TunnelKey.Get(); other != n && key == vni && !p.keyIsOurs() {
				return true
			}
		}
	}
	return false
}

// keyIsOurs says that the tunnel key is the one that the controller has set.
func (p *presence) keyIsOurs() bool {
	key, ok := p.row.TunnelKey.Get()
	return ok && p.row.OtherConfig[keyVNI] == number(key)
}

// freeVNI returns the lowest from the base on that no logical switch has, and that does not rest. If all others do it is the
// one that has rested longest.
func (m *mesh) freeVNI(name string) int64 {
	taken := map[int64]bool{}
	for _, n := range m.networks {
		taken[n.vni] = true
		for _, p := range n.in {
			key, _ := p.row.TunnelKey.Get()
			taken[key] = true
		}
	}
	now := time.Now()
	maps.DeleteFunc(m.resting, func(_ int64, r rest) bool { return !now.Before(r.until) })
	oldest := int64(0)
	for vni := m.base; vni <= mostVNI; vni++ {
		r, rests := m.resting[vni]
		switch {
		case taken[vni]:
		case !rests || r.last == name:
			return vni
		case oldest == 0 || r.until.Before(m.resting[oldest].until):
			oldest = vni
		}
	}
	return oldest
}

// mostVNI is the highest VNI that there is.
const mostVNI = 1<<24 - 1

// retire has the VNI of a network rest, which is to have another or none.
func (m *mesh) retire(n *network) {
	if n.vni == 0 {
		return
	}
	if m.resting == nil {
		m.resting = map[int64]rest{}
	}
	m.resting[n.vni] = rest{time.Now().Add(restTime), n.name}
}
