package vtep

import (
	"maps"

	"github.com/vtep/vtep/internal/intent"
)

// work is what has to be compared again.
type work struct {
	macs    map[intent.MACKey]struct{}
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
	return work{macs: map[intent.MACKey]struct{}{}, groups: map[intent.MACKey]struct{}{}, ports: map[UUID]struct{}{},
		acls: map[UUID]struct{}{}, aclEntries: map[UUID]struct{}{}}
}

func (w *work) add(o *work) {
	for k := range o.macs {
		w.macs[k] = struct{}{}
	}
	for k := range o.groups {
		w.groups[k] = struct{}{}
	}
	for id := range o.ports {
		w.ports[id] = struct{}{}
	}
	maps.Copy(w.acls, o.acls)
	maps.Copy(w.aclEntries, o.aclEntries)
	w.stats = w.stats || o.stats
	w.tunnels = w.tunnels || o.tunnels
	w.faults = w.faults || o.faults
	w.strays = w.strays || o.strays
	w.kept = w.kept || o.kept
	w.arpSource = w.arpSource || o.arpSource
}

// remove takes out what is in o.
func (w *work) remove(o *work) {
	for k := range o.macs {
		delete(w.macs, k)
	}
	for k := range o.groups {
		delete(w.groups, k)
	}
	for id := range o.ports {
		delete(w.ports, id)
	}
	for id := range o.acls {
		delete(w.acls, id)
	}
	for id := range o.aclEntries {
		delete(w.aclEntries, id)
	}
	w.stats = w.stats && !o.stats
	w.tunnels = w.tunnels && !o.tunnels
	w.faults = w.faults && !o.faults
	w.strays = w.strays && !o.strays
	w.kept = w.kept && !o.kept
	w.arpSource = w.arpSource && !o.arpSource
}
