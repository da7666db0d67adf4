package intent

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The tables. One more is: the types of its key and value, with their texts and order; a map in
// State, a list in Delta, a declaration here and its place in tables. Everything in this package,
// the compiler's Edit, the memory plane, and a reconcile from scratch of every plane then have
// it. What is left are its rules: who writes it (package vtep), what it asks of frames (the
// planes), and what plane.Features and plane.Report say where that can't be done.
//
// There is room for, and nothing yet of: limits of rates, in the Policy of a binding; peers, by
// address, which BFDTable becomes when a peer has more than a session.
var (
	// PortTable is of physical ports, by the names of their devices.
	PortTable = Table[string, Port]{
		name: "port", rows: func(s *State) *map[string]Port { return &s.Ports },
		changes: func(d *Delta) *[]Change[string, Port] { return &d.Ports },
		equal:   same[Port], order: cmp.Compare[string], text: portText,
	}
	// SwitchTable is of logical switches that are active here.
	SwitchTable = Table[SwitchID, Switch]{
		name: "switch", rows: func(s *State) *map[SwitchID]Switch { return &s.Switches },
		changes: func(d *Delta) *[]Change[SwitchID, Switch] { return &d.Switches },
		equal:   same[Switch], order: SwitchID.Compare, text: switchText, check: checkSwitch,
	}
	// BindingTable says which switch the frames of a port and VLAN belong to.
	BindingTable = Table[BindingKey, Binding]{
		name: "binding", rows: func(s *State) *map[BindingKey]Binding { return &s.Bindings },
		changes: func(d *Delta) *[]Change[BindingKey, Binding] { return &d.Bindings },
		equal:   same[Binding], order: BindingKey.Compare, text: bindingText, check: checkBinding,
	}
	// UnicastTable is of MACs behind other VTEPs.
	UnicastTable = Table[MACKey, Tunnel]{
		name: "unicast", store: &storing[MACKey, Tunnel]{
			of:    func(s *State) store[MACKey, Tunnel] { return s.Unicast },
			make:  func(s *State) { s.Unicast = NewUnicast() },
			clone: func(to, from *State) { to.Unicast = from.Unicast.Clone() },
		},
		changes: func(d *Delta) *[]Change[MACKey, Tunnel] { return &d.Unicast },
		equal:   same[Tunnel], order: MACKey.Compare, text: unicastText, check: checkUnicast,
	}
	// AttachedTable is of MACs that are at bindings of this VTEP, as rows say: of hosts of a segment that another VTEP of
	// it has heard.
	AttachedTable = Table[MACKey, BindingKey]{
		name: "attached", rows: func(s *State) *map[MACKey]BindingKey { return &s.Attached },
		changes: func(d *Delta) *[]Change[MACKey, BindingKey] { return &d.Attached },
		equal:   same[BindingKey], order: MACKey.Compare, text: attachedText, check: checkAttached,
	}
	// SegmentTable is of the Ethernet segments that ports share with other VTEPs, by the names of the ports.
	SegmentTable = Table[string, Segment]{
		name: "segment", rows: func(s *State) *map[string]Segment { return &s.Segments },
		changes: func(d *Delta) *[]Change[string, Segment] { return &d.Segments },
		equal:   slices.Equal[Segment], order: cmp.Compare[string], text: segmentText, check: checkSegment,
	}
	// FloodTable says who gets copies of frames to a group.
	FloodTable = Table[FloodKey, FloodSet]{
		name: "flood", rows: func(s *State) *map[FloodKey]FloodSet { return &s.Floods },
		changes: func(d *Delta) *[]Change[FloodKey, FloodSet] { return &d.Floods },
		equal:   slices.Equal[FloodSet], order: FloodKey.Compare, text: floodText, check: checkFlood,
	}
	// MemberTable says which bindings get frames to a group; see MemberSet.
	MemberTable = Table[MACKey, MemberSet]{
		name: "members", rows: func(s *State) *map[MACKey]MemberSet { return &s.Members },
		changes: func(d *Delta) *[]Change[MACKey, MemberSet] { return &d.Members },
		equal:   slices.Equal[MemberSet], order: MACKey.Compare, text: membersText, check: checkMembers,
	}
	// DecapTable says which switch the frames of a tunnel enter.
	DecapTable = Table[Tunnel, SwitchID]{
		name: "decap", store: &storing[Tunnel, SwitchID]{
			of:    func(s *State) store[Tunnel, SwitchID] { return s.Decap },
			make:  func(s *State) { s.Decap = NewDecap() },
			clone: func(to, from *State) { to.Decap = from.Decap.Clone() },
		},
		changes: func(d *Delta) *[]Change[Tunnel, SwitchID] { return &d.Decap },
		equal:   same[SwitchID], order: Tunnel.Compare, text: decapText, check: checkDecap,
	}
	// BFDTable is of sessions with peers.
	BFDTable = Table[netip.Addr, BFD]{
		name: "bfd", rows: func(s *State) *map[netip.Addr]BFD { return &s.BFD },
		changes: func(d *Delta) *[]Change[netip.Addr, BFD] { return &d.BFD },
		equal:   same[BFD], order: netip.Addr.Compare, text: bfdText,
	}
	// EndTable is of addresses of this VTEP at which tunnels may end, beside those at which they begin.
	EndTable = Table[netip.Addr, End]{
		name: "end", rows: func(s *State) *map[netip.Addr]End { return &s.Ends },
		changes: func(d *Delta) *[]Change[netip.Addr, End] { return &d.Ends },
		equal:   same[End], order: netip.Addr.Compare, text: endText, check: checkEnd,
	}
	// RouterTable is of logical routers that have an interface.
	RouterTable = Table[RouterID, Router]{
		name: "router", rows: func(s *State) *map[RouterID]Router { return &s.Routers },
		changes: func(d *Delta) *[]Change[RouterID, Router] { return &d.Routers },
		equal:   same[Router], order: RouterID.Compare, text: routerText, check: checkRouter,
	}
	// InterfaceTable is of the addresses that routers have in switches.
	InterfaceTable = Table[IPKey, Interface]{
		name: "interface", rows: func(s *State) *map[IPKey]Interface { return &s.Interfaces },
		changes: func(d *Delta) *[]Change[IPKey, Interface] { return &d.Interfaces },
		equal:   same[Interface], order: IPKey.Compare, text: interfaceText, check: checkInterface,
	}
	// RouteTable says where packets to a prefix go.
	RouteTable = Table[RouteKey, Route]{
		name: "route", rows: func(s *State) *map[RouteKey]Route { return &s.Routes },
		changes: func(d *Delta) *[]Change[RouteKey, Route] { return &d.Routes },
		equal:   same[Route], order: RouteKey.Compare, text: routeText, check: checkRoute,
	}
	// NeighbourTable is of the stations that have IP addresses in a switch.
	NeighbourTable = Table[IPKey, MAC]{
		name: "neighbour", rows: func(s *State) *map[IPKey]MAC { return &s.Neighbours },
		changes: func(d *Delta) *[]Change[IPKey, MAC] { return &d.Neighbours },
		equal:   same[MAC], order: IPKey.Compare, text: neighbourText, check: checkNeighbour,
	}
	// ACLTable is of the access control lists that policies and interfaces name.
	ACLTable = Table[ACLID, ACL]{
		name: "acl", rows: func(s *State) *map[ACLID]ACL { return &s.ACLs },
		changes: func(d *Delta) *[]Change[ACLID, ACL] { return &d.ACLs },
		equal:   ACL.Equal, order: ACLID.Compare, text: aclText, check: checkACL,
	}
	// PolicyTable says what is asked of the frames of a binding.
	PolicyTable = Table[BindingKey, Policy]{
		name: "policy", rows: func(s *State) *map[BindingKey]Policy { return &s.Policies },
		changes: func(d *Delta) *[]Change[BindingKey, Policy] { return &d.Policies },
		equal:   same[Policy], order: BindingKey.Compare, text: policyText, check: checkPolicy,
	}
)

// tables are all of them, in the order of a listing.
var tables = register(&PortTable, &SegmentTable, &SwitchTable, &BindingTable, &UnicastTable, &AttachedTable, &FloodTable, &MemberTable, &DecapTable, &BFDTable, &EndTable,
	&RouterTable, &InterfaceTable, &RouteTable, &NeighbourTable, &ACLTable, &PolicyTable)

func register(all ...table) []table {
	for i, t := range all {
		t.init(i)
	}
	return all
}

func portText(_ names, name string, p Port) string {
	text := "port " + name
	if p.TakeOver {
		text += " take-over"
	}
	if p.ServiceTags {
		text += " service-tags"
	}
	if p.Group != 0 {
		text += fmt.Sprintf(" group %d", p.Group)
	}
	if p.MACLimit != 0 {
		text += fmt.Sprintf(" mac-limit %d", p.MACLimit)
	}
	return text
}

func switchText(n names, id SwitchID, ls Switch) string {
	more := ls.SwitchOptions.String()
	if ls.Router != (RouterID{}) {
		more += " router " + n.router(ls.Router)
	}
	switch {
	case ls.VNI0:
		return fmt.Sprintf("switch %s vni %d allow-vni-0%s", n.of(id), ls.VNI, more)
	case ls.VNI == 0:
		return fmt.Sprintf("switch %s no vni%s", n.of(id), more)
	}
	return fmt.Sprintf("switch %s vni %d%s", n.of(id), ls.VNI, more)
}

func checkSwitch(s *State, _ SwitchID, ls Switch) error {
	if ls.Router != (RouterID{}) && !has(s.Routers, ls.Router) {
		return fmt.Errorf("no router %v", ls.Router)
	}
	return nil
}

// String returns a word for each option that is on, each with a space before it.
func (o SwitchOptions) String() string {
	text := ""
	for _, option := range []struct {
		on   bool
		word string
	}{
		{o.InnerTags, "inner-tags"},
		{o.SnoopIPs, "snoop-ips"},
		{o.Suppress, "suppress"},
		{o.Probe, "probe"},
		{o.Flooding != FloodAll, "flooding " + o.Flooding.String()},
		{o.ReservedMACs != 0, "reserved-macs " + o.ReservedMACs.String()},
		{o.SnoopGroups, "snoop-groups"},
		{o.FloodUnregistered, "flood-unregistered"},
	} {
		if option.on {
			text += " " + option.word
		}
	}
	return text
}

func bindingText(n names, k BindingKey, b Binding) string {
	text := fmt.Sprintf("binding %v -> %s", k, n.of(b.Switch))
	if b.Role != Designated {
		text += " " + b.Role.String()
	}
	return text
}

func checkBinding(s *State, k BindingKey, b Binding) error {
	switch {
	case !has(s.Ports, k.Port):
		return errors.New("no such port")
	case !has(s.Switches, b.Switch):
		return fmt.Errorf("no switch %v", b.Switch)
	case k.VLAN > 4094:
		return errors.New("no such VLAN")
	}
	return nil
}

func unicastText(n names, k MACKey, t Tunnel) string {
	return fmt.Sprintf("unicast %s %v -> %v", n.of(k.Switch), k.MAC, t)
}

func checkUnicast(s *State, k MACKey, t Tunnel) error {
	if err := s.checkStation(k); err != nil {
		return err
	}
	return s.checkTunnel(k.Switch, t)
}

// checkStation says why a MAC can't be one that a row places.
func (s *State) checkStation(k MACKey) error {
	if k.MAC.IsGroup() || k.MAC.IsZero() {
		return errors.New("not the address of a station")
	}
	if r, ok := s.Routers[s.Switches[k.Switch].Router]; ok && (k.MAC == r.MAC || k.MAC == s.ARPSource) {
		return errors.New("it is the address of the router")
	}
	return nil
}

func floodText(n names, k FloodKey, set FloodSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "flood %s %s ->", n.of(k.Switch), groupText(k.MAC))
	for _, t := range set {
		b.WriteString(" " + t.String())
	}
	return b.String()
}

func checkFlood(s *State, k FloodKey, set FloodSet) error {
	switch {
	case k.MAC != UnknownDst && !k.MAC.IsGroup():
		return errors.New("not a group address")
	case !has(s.Switches, k.Switch):
		return errors.New("no such switch")
	}
	for i, t := range set {
		if i > 0 && set[i-1].Compare(t) >= 0 {
			return fmt.Errorf("not sorted, or twice %v", t)
		}
		if err := s.checkTunnel(k.Switch, t); err != nil {
			return err
		}
	}
	return nil
}

func decapText(n names, t Tunnel, id SwitchID) string {
	return fmt.Sprintf("decap %v -> %s", t, n.of(id))
}

func checkDecap(s *State, t Tunnel, id SwitchID) error { return s.checkTunnel(id, t) }

func bfdText(_ names, peer netip.Addr, b BFD) string { return fmt.Sprintf("bfd %v %v", peer, b) }

func endText(_ names, ip netip.Addr, _ End) string { return fmt.Sprintf("end %v", ip) }

func checkEnd(s *State, ip netip.Addr, _ End) error {
	if !ip.IsValid() || ip == s.Source(ip) {
		return errors.New("no address, or one that tunnels begin at")
	}
	return nil
}

func has[K comparable, V any](m map[K]V, k K) bool {
	_, ok := m[k]
	return ok
}
