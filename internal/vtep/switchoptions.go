package vtep

import (
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// switchOptions are the private keys of a Logical_Switch that become its intent.SwitchOptions. A
// Physical_Switch may have them, too, for the switches that don't say. One more is a field here, and
// a line in each of these functions.
type switchOptions struct {
	innerTags choice
	snoopIPs  choice
	suppress  choice
	probe     choice
	flooding  given[intent.Flooding]
	reserved  given[intent.ReservedMACs]

	snoopGroups, floodUnregistered choice
}

func (s *settings) switchOptions() switchOptions {
	return switchOptions{
		innerTags: s.choice(keyInnerTags),
		snoopIPs:  s.choice(keySnoopIPs),
		suppress:  s.choice(keySuppress),
		probe:     s.choice(keyProbe),
		flooding:  s.flooding(keyFlooding),
		reserved:  s.reservedMACs(keyReservedMACs),

		snoopGroups: s.choice(keySnoopGroups), floodUnregistered: s.choice(keyFloodUnregistered),
	}
}

// resolve says what holds for a switch with the keys o, where the Physical_Switch has ps, and a plane
// that can do f. What neither says is as the documentation has it.
func (o switchOptions) resolve(ps switchOptions, f plane.Features) intent.SwitchOptions {
	groups := f.SnoopGroups && o.snoopGroups.or(ps.snoopGroups, false)
	return intent.SwitchOptions{
		InnerTags: o.innerTags.or(ps.innerTags, false),
		SnoopIPs:  f.SnoopIPs && o.snoopIPs.or(ps.snoopIPs, true),
		Suppress:  f.Suppress && o.suppress.or(ps.suppress, false),
		Probe:     f.Probe && o.probe.or(ps.probe, false),

		Flooding:     o.flooding.or(ps.flooding),
		ReservedMACs: o.reserved.or(ps.reserved),

		SnoopGroups: groups, FloodUnregistered: groups && o.floodUnregistered.or(ps.floodUnregistered, false),
	}
}

// check notes what is asked for, and can't be done by a plane that can do f.
func (o switchOptions) check(s *settings, f plane.Features) {
	if !f.Suppress {
		unserved(s, keySuppress, o.suppress == yes)
	}
	if !f.Probe {
		unserved(s, keyProbe, o.probe == yes)
	}
	if !f.SnoopGroups {
		unserved(s, keySnoopGroups, o.snoopGroups == yes)
	}
}

// or is what holds if c, or else the default, says; otherwise if neither does.
func (c choice) or(defaults choice, otherwise bool) bool {
	switch {
	case c != open:
		return c == yes
	case defaults != open:
		return defaults == yes
	}
	return otherwise
}
