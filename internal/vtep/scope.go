package vtep

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// scope is what the Physical_Switch rows say of who we are.
type scope struct {
	present          bool // our row exists
	id               UUID
	intent.TunnelIPs // the sources of our tunnels; our rows have us at the first

	ownIPs   map[netip.Addr]bool // all our tunnel_ips, used or not
	others   map[netip.Addr]bool // those of the other switches in the database, and where their tunnels begin still
	siblings siblings
	segments map[end]bool    // ports of other switches of the database: a locator of one is behind the switch, and its key no VNI
	ports    map[UUID]bool   // our Physical_Port rows
	anyone   bool            // frames are accepted from any source
	flood    bool            // to peers of unicast rows, in switches that don't say otherwise
	prune    bool            // no copies to members that BFD sees dead, in switches that don't say otherwise
	bfdVNI   bool            // BFD answers with the VNI that a peer uses
	options  switchOptions   // of switches that don't say otherwise
	macLimit int             // most MACs learned
	aging    time.Duration   // of learned MACs; 0: never
	dscp     intent.Priority // of what leaves in tunnels
	pcp      intent.Priority // of what leaves with a tag
	group    uint32          // the bits of a frame's mark that have its group policy; 0: none
	fragment bool            // outside, what is too large for the way to a peer
	trouble  []complaint     // about our row
	badIPs   bool            // tunnel_ips has something, but no address that can be used
	ipv6     bool            // tunnels may have IPv6
	single   bool            // ours is the only switch in the database
	shared   bool            // another switch has our tunnel IP too
}

// lacksFamily says whether we have tunnel IPs, but none of the peer's family.
func (s *scope) lacksFamily(peer netip.Addr) bool {
	return s.Any() && !s.Source(peer).IsValid()
}

// readScope reads the rows of switches, for a dataplane that can do features.
func readScope(v *hwvtep.View, name string, features plane.Features) scope {
	s := scope{ipv6: features.IPv6, ownIPs: map[netip.Addr]bool{}, others: map[netip.Addr]bool{}, ports: map[UUID]bool{}, siblings: siblings{}, segments: map[end]bool{}}
	n := 0
	var others []hwvtep.PhysicalSwitch
	for ps := range v.PhysicalSwitches() {
		n++
		if ps.Name == name {
			s.readOwn(&ps, features)
			continue
		}
		others = append(others, ps)
		for _, ip := range tunnelIPs(&ps) {
			s.others[ip] = true
		}
	}
	s.shared = s.others[s.First()]
	for _, ip := range slices.SortedFunc(maps.Keys(s.ownIPs), netip.Addr.Compare) {
		if s.others[ip] {
			s.complain(problem.SharedIP, "another switch of the database has the tunnel IP "+ip.String()+", too: rows that it may have written are left alone",
				"give each switch a tunnel IP of its own", "")
		}
	}
	for i := range others {
		ips := endsOf(v, &others[i])
		for _, ip := range ips {
			s.others[ip] = true
		}
		s.addSegments(v, &others[i], ips)
		// Ours may be among them, when we had that address from the other switch. Nothing comes from there.
		s.siblings.add(slices.DeleteFunc(ips, func(ip netip.Addr) bool { return s.ownIPs[ip] }))
	}
	for ip := range s.ownIPs {
		delete(s.others, ip)
	}
	s.single = n == 1 && s.present
	return s
}

func (s *scope) readOwn(ps *hwvtep.PhysicalSwitch, features plane.Features) {
	s.present, s.id = true, ps.UUID
	for _, id := range ps.Ports {
		s.ports[id] = true
	}
	for _, text := range ps.TunnelIPs {
		if ip, err := ParseTunnelIP(text, s.ipv6); err != nil {
			s.complain(problem.BadOption, "tunnel_ips: "+err.Error()+": it is ignored", "", "")
		} else if ip.IsLoopback() && !features.Loopback {
			s.complain(problem.BadOption, "tunnel_ips: "+quote(text)+" is an address of this machine alone: it is ignored", "name one that peers reach", "")
		} else {
			if s.ownIPs[ip] {
				s.complain(problem.BadOption, "tunnel_ips: "+quote(text)+" is there twice, written in two ways: once is enough", "remove one of them", "")
			}
			s.ownIPs[ip] = true
		}
	}
	ips := slices.Collect(maps.Keys(s.ownIPs))
	hwvtep.SortTunnelIPs(ips)
	for _, ip := range ips {
		at := &s.TunnelIP
		if ip.Is6() {
			at = &s.TunnelIP6
		}
		if at.IsValid() {
			s.complain(problem.SeveralIPs, "tunnel_ips has several addresses: "+at.String()+" is used as the source; what comes to the others is taken, too", "leave only that of this VTEP", "")
			continue
		}
		*at = ip
	}
	switch {
	case len(ips) > 0:
	case len(ps.TunnelIPs) > 0:
		s.badIPs = true
		s.complain(problem.NoTunnelIP, "tunnel_ips has no "+address(s.ipv6)+" that can be used: there can be no tunnels", "add an "+address(s.ipv6)+" of this machine", hwvtep.FaultTunnelExhaustion)
	}
	set := settings{values: ps.OtherConfig}
	s.anyone = set.bool(keyAcceptAnySource)
	s.flood = set.bool(keyFloodToUnicast)
	s.prune = set.bool(keyPruneByBFD)
	s.options = set.switchOptions()
	s.options.check(&set, features)
	s.bfdVNI = set.answerVNI(keyBFDVNI)
	s.macLimit = set.integer(keyMACLimit, maxMACLimit, defaultMACLimit)
	s.aging = time.Duration(set.integer(keyMACAging, maxMACAging, int(defaultMACAging/time.Second))) * time.Second
	s.dscp, s.pcp = set.priority(keyTunnelDSCP, intent.MaxDSCP), set.priority(keyTagPCP, intent.MaxPCP)
	s.group = set.groupMark(keyGBPMark)
	if s.fragment = set.bool(keyFragmentOuter); !features.Fragments {
		s.fragment = unserved(&set, keyFragmentOuter, s.fragment)
	}
	if !features.GroupPolicies {
		s.group = unserved(&set, keyGBPMark, s.group)
	}
	if !features.TunnelDSCP.Has(s.dscp) {
		s.dscp = unserved(&set, keyTunnelDSCP, s.dscp)
	}
	if !features.TagPCP.Has(s.pcp) {
		s.pcp = unserved(&set, keyTagPCP, s.pcp)
	}
	s.trouble = append(s.trouble, set.bad...)
}

func (s *scope) complain(kind problem.Kind, text, remedy, fault string) {
	s.trouble = append(s.trouble, complaint{kind, text, remedy, fault})
}

// sameWorld says whether what was compiled under o can be kept under s: whose addresses are
// whose has not changed.
func (s *scope) sameWorld(o *scope) bool {
	return s.present == o.present && s.id == o.id && s.TunnelIPs == o.TunnelIPs && s.shared == o.shared &&
		maps.Equal(s.ownIPs, o.ownIPs) && maps.Equal(s.others, o.others) && maps.Equal(s.segments, o.segments) && s.siblings.equal(o.siblings)
}
