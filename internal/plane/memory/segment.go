package memory

import (
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// withhold says why a frame that is flooded does not leave by a binding: the segment of its port gets it from
// another VTEP.
func (f *Fabric) withhold(at intent.BindingKey, fromPort bool) Drop {
	here := plane.Entry{Kind: plane.EntryBinding, At: at}
	f.consult(here)
	role := f.installed.Bindings[at].Role
	if role == intent.Standby || role == intent.NotDesignated && !fromPort {
		f.note(here, true, "no copy goes there")
		return NotDesignated
	}
	if fromPort {
		return Forwarded
	}
	segment := plane.Entry{Kind: plane.EntrySegment, At: intent.BindingKey{Port: at.Port}, IP: f.came.Tunnel.Peer}
	f.consult(segment)
	if slices.Contains(f.installed.Segments[at.Port], f.came.Tunnel.Peer) {
		f.note(segment, true, "no copy goes there")
		return LocalBias
	}
	return Forwarded
}

// firstOf is the reason to tell of where there are two.
func firstOf(a, b Drop) Drop {
	if a == NotDesignated || b == NotDesignated {
		return NotDesignated
	}
	return b
}

// noteUnicast tells of what rows say of a MAC: found says that it is behind a tunnel.
func (f *Fabric) noteUnicast(e plane.Entry, found bool) {
	_, attached := f.installed.Attached[intent.MACKey{Switch: e.Switch, MAC: e.MAC}]
	f.note(e, found || attached, "")
}
