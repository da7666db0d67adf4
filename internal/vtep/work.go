package vtep

import (
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// work is what has to be compared again.
type work struct {
	macs    turns
	groups  map[intent.MACKey]struct{} // rows of Mcast_Macs_Local; MAC UnknownDst: unknown-dst
	ports   map[UUID]struct{}
	stats   bool
	tunnels bool
	faults  bool
	strays  bool
	kept    bool

	arpSource        bool
	acls, aclEntries map[UUID]struct{}
}

func newWork() work {
	return work{groups: map[intent.MACKey]struct{}{}, ports: map[UUID]struct{}{},
		acls: map[UUID]struct{}{}, aclEntries: map[UUID]struct{}{}}
}

func (w *work) add(o *work) {
	for key, port := range o.macs.all() {
		w.macs.add(port, key)
	}
	maps.Copy(w.groups, o.groups)
	maps.Copy(w.ports, o.ports)
	maps.Copy(w.acls, o.acls)
	maps.Copy(w.aclEntries, o.aclEntries)
	w.stats = w.stats || o.stats
	w.tunnels = w.tunnels || o.tunnels
	w.faults = w.faults || o.faults
	w.strays = w.strays || o.strays
	w.kept = w.kept || o.kept
	w.arpSource = w.arpSource || o.arpSource
}

// remove takes out what is in o, of which there may be much more.
func (w *work) remove(o *work) {
	for _, key := range slices.Collect(w.macs.of.Keys()) {
		if o.macs.of.Has(key) {
			w.macs.remove(key)
		}
	}
	maps.DeleteFunc(w.groups, func(key intent.MACKey, _ struct{}) bool { return has(o.groups, key) })
	for _, of := range [][2]map[UUID]struct{}{{w.ports, o.ports}, {w.acls, o.acls}, {w.aclEntries, o.aclEntries}} {
		maps.DeleteFunc(of[0], func(id UUID, _ struct{}) bool { return has(of[1], id) })
	}
	w.stats = w.stats && !o.stats
	w.tunnels = w.tunnels && !o.tunnels
	w.faults = w.faults && !o.faults
	w.strays = w.strays && !o.strays
	w.kept = w.kept && !o.kept
	w.arpSource = w.arpSource && !o.arpSource
}
