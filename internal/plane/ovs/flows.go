package ovs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// flow is one flow that a bridge must have, or has.
type flow struct {
	mod   *openflow.FlowMod // an Add, with a canonical match
	does  string            // what it does, encoded: instructions, cookie and timeouts
	about intent.BindingKey // the binding it is for; zero: the whole switch
}

// flowKey identifies a flow in its bridge.
type flowKey struct {
	table    uint8
	priority uint16
	match    string
}

func keyOf(table uint8, priority uint16, m openflow.Match) flowKey {
	var space [64]byte
	b := space[:0]
	for _, f := range m {
		b = append(append(append(b, byte(f.ID>>24), byte(f.ID>>16), byte(f.ID>>8), byte(f.ID)), f.Value...), '/')
		b = append(append(b, f.Mask...), ';')
	}
	return flowKey{table, priority, string(b)}
}

func (k flowKey) compare(o flowKey) int {
	return cmp.Or(cmp.Compare(k.table, o.table), cmp.Compare(o.priority, k.priority), strings.Compare(k.match, o.match))
}

// newFlow makes a flow of its parts; the match must be canonical.
func newFlow(m *openflow.FlowMod, about intent.BindingKey) *flow {
	var space [128]byte
	b := binary.BigEndian.AppendUint64(space[:0], m.Cookie)
	b = binary.BigEndian.AppendUint16(b, m.IdleTimeout)
	b = binary.BigEndian.AppendUint16(b, m.HardTimeout)
	return &flow{mod: m, does: string(m.Instructions.Append(b)), about: about}
}

// flowSet is the flows of a bridge.
type flowSet map[flowKey]*flow

func (s flowSet) add(about intent.BindingKey, m openflow.FlowMod) flowKey {
	m.Match = m.Match.Canonical()
	if m.Cookie&^0xff == cookieDrop { // one that drops may take the place of one that forwards, and would go on from its counters
		m.Flags |= openflow.ResetCounts
	}
	k := keyOf(m.Table, m.Priority, m.Match)
	s[k] = newFlow(&m, about)
	return k
}

// String returns the flows sorted, a line each.
func (s flowSet) String() string {
	keys := make([]flowKey, 0, len(s))
	for k := range s {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, flowKey.compare)
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(strings.TrimPrefix(s[k].mod.String(), "add ") + "\n")
	}
	return b.String()
}

// logical is what the bridge of a logical switch is to do.
type logical struct {
	ls      *lswitch
	members []patch // of the switch, by their number
	// segments are those of the ports of the members; nil: no port has one.
	segments []intent.Segment
	guards   []*accessList // that any of them has, for what leaves
	tunnels  []tunnelEnd
	gateway  gateway
	egress   uint32 // the tunnel port to send by; 0: none
	anyPeer  bool   // accept the switch's own VNI from everybody
	learned  map[intent.MAC]*station

	division division                  // as flows has found it
	places   map[intent.BindingKey]int // which of the members; nil: nobody has asked
}

// tunnelEnd is a tunnel port that is there.
type tunnelEnd struct {
	tunnelPort
	port uint32
}

// sameAs says whether l makes the same flows as another that was made of the same State.
func (l *logical) sameAs(o *logical) bool {
	return o != nil && l.ls == o.ls && l.egress == o.egress && l.anyPeer == o.anyPeer &&
		slices.Equal(l.members, o.members) && slices.Equal(l.guards, o.guards) && l.gateway.equal(&o.gateway) && slices.Equal(l.tunnels, o.tunnels) &&
		slices.EqualFunc(l.segments, o.segments, slices.Equal[intent.Segment])
}

// flows returns all flows of the bridge.
func (l *logical) flows() flowSet {
	s := flowSet{}
	l.division = l.divide()
	l.toAudiences(s)
	guarded(s, l.guards, intent.Egress)
	l.in(s)
	l.toGateway(s)
	for i := range l.tunnels {
		l.inTunnel(s, &l.tunnels[i])
	}
	for _, src := range nobody {
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieDrop | dropBadSource, Table: tableOut, Priority: prioNobody,
			Match: openflow.Match{src}})
	}
	l.reserved(s)
	s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieDrop | dropBFD, Table: tableOut, Priority: prioReserved,
		Match: openflow.Match{openflow.EthDst(bfdMAC)}})
	for mac := range l.ls.unicast {
		l.remote(s, mac)
	}
	for mac, at := range l.ls.attached {
		l.attached(s, mac, at)
	}
	for mac, set := range l.ls.floods {
		if mac != intent.UnknownDst && (mac != broadcast || l.ls.flooding == intent.FloodAll) {
			l.flood(s, prioGroup, openflow.Match{openflow.EthDst(mac)}, set)
		}
	}
	if l.ls.flooding == intent.FloodAll {
		l.flood(s, prioFlood, nil, l.ls.floods[intent.UnknownDst])
	} else {
		l.floodLimited(s)
	}
	for mac, st := range l.learned {
		l.local(s, mac, st)
	}
	return s
}

// reserved adds what becomes of addresses that are for the other end of a link.
func (l *logical) reserved(s flowSet) {
	drop := func(dst openflow.Field) {
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieDrop | dropReserved, Table: tableOut, Priority: prioReserved,
			Match: openflow.Match{dst}})
	}
	if l.ls.passed == 0 {
		drop(openflow.EthDstMasked(reservedMAC, reservedBit))
		return
	}
	for mac := range reservedMACs() {
		if !l.ls.passed.Has(mac) {
			drop(openflow.EthDst(mac))
		}
	}
}

func reservedMACs() iter.Seq[intent.MAC] {
	return func(yield func(intent.MAC) bool) {
		for last := range byte(16) {
			mac := reservedMAC
			if mac[5] = last; !yield(mac) {
				return
			}
		}
	}
}

// floodLimited adds what is flooded in a switch that does not flood all.
func (l *logical) floodLimited(s flowSet) {
	all := l.ls.floods[intent.UnknownDst]
	s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieDrop | dropLimited, Table: tableOut, Priority: prioFlood})
	for mac := range reservedMACs() {
		if l.ls.passed.Has(mac) {
			l.flood(s, prioPassed, openflow.Match{openflow.EthDst(mac)}, all)
		}
	}
	if l.ls.flooding != intent.FloodNeighbors {
		return
	}
	listed, some := l.ls.floods[broadcast]
	for _, message := range neighborMessages {
		l.flood(s, prioPassed, message, all)
		if some {
			l.flood(s, prioPassed+plusListed, append(openflow.Match{openflow.EthDst(broadcast)}, message...), listed)
		}
	}
}

func (l *logical) allow() openflow.Action {
	if l.egress == 0 {
		return forbid()
	}
	return openflow.SetField(openflow.Reg(regEgress, l.egress))
}

func forbid() openflow.Action { return openflow.SetField(openflow.Reg(regEgress, noEgress)) }

// noEntry is why frames of hosts do not go into a tunnel that there would be for them.
func (l *logical) noEntry() uint64 {
	if l.egress == 0 {
		return dropNoTunnel
	}
	return dropTagged
}

// nowhere drops what comes back from table 1.
func nowhere(s flowSet, at intent.BindingKey, in, egress uint32, reason uint64) {
	s.add(at, openflow.FlowMod{Cookie: cookieDrop | reason, Table: tableIn, Priority: prioNowhere,
		Match: openflow.Match{openflow.InPort(in), openflow.Reg(regEgress, egress)}})
}

func tell() openflow.Action { return openflow.ToController(controllerID, packetInLen) }

func again(table uint8) openflow.Action { return openflow.ResubmitAction{InPort: 0xfff8, Table: table} }

// in adds what is done with frames of hosts.
func (l *logical) in(s flowSet) {
	add := func(at intent.BindingKey, table uint8, priority uint16, match openflow.Match, inst openflow.Instructions) {
		s.add(at, openflow.FlowMod{Cookie: cookieFlow, Table: table, Priority: priority, Match: match, Instructions: inst})
	}
	for _, m := range l.members {
		in := openflow.InPort(m.inner)
		nowhere(s, m.at, m.inner, noEgress, l.noEntry())
		nowhere(s, m.at, m.inner, backToPort, dropHairpin)
		if len(l.guards) > 0 {
			denials(s, m.at, openflow.Match{in})
		}
		if m.guard != 0 { // no entry is to count it
			s.add(m.at, openflow.FlowMod{Cookie: cookieFlow, Table: tableACLOut, Priority: prioSelf, Match: openflow.Match{in, openflow.Reg(regTo, m.inner)}})
		}
		for _, tag := range hasTag {
			egress := forbid()
			if l.ls.inner {
				egress = l.allow()
			}
			add(m.at, tableIn, prioTagged, openflow.Match{in, tag}, openflow.Apply(egress, again(tableTagged)))
		}
		for _, src := range append([]openflow.Field{openflow.EthSrc(bfdMAC)}, nobody...) {
			add(m.at, tableIn, prioNoSource, openflow.Match{in, src}, openflow.Goto(l.next(), l.allow()))
			add(m.at, tableTagged, prioNoSource, openflow.Match{in, src}, openflow.Apply(again(l.next())))
		}
		add(m.at, tableIn, prioNew, openflow.Match{in}, openflow.Goto(l.next(), tell(), l.allow()))
		add(m.at, tableTagged, prioNew, openflow.Match{in}, openflow.Apply(tell(), again(l.next())))
	}
}

// inTunnel adds what is done with frames that come by a tunnel port.
func (l *logical) inTunnel(s flowSet, t *tunnelEnd) {
	in := openflow.InPort(t.port)
	add := func(priority uint16, cookie uint64, match openflow.Match, inst openflow.Instructions) {
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookie, Priority: priority, Match: match, Instructions: inst})
	}
	add(prioStranger, cookieDrop|dropStranger, openflow.Match{in}, nil)
	if t.blind {
		return
	}
	nowhere(s, intent.BindingKey{}, t.port, noEgress, dropSplitHorizon)
	if len(l.guards) > 0 {
		denials(s, intent.BindingKey{}, openflow.Match{in})
	}
	add(prioBFD, cookieDrop|dropBFD, append(openflow.Match{in}, bfdPackets...), nil)
	accept := func(priority uint16, from netip.Addr, match openflow.Match) {
		if !l.ls.inner {
			add(prioTunTagged+priority, cookieDrop|dropTaggedInside, append(slices.Clone(match), openflow.Tagged()), nil)
		}
		add(priority, cookieFlow, match, openflow.Goto(l.next(), l.came(from)...))
	}
	for from := range l.ls.decap {
		if from.VNI == t.vni && (!t.remote.IsValid() || t.remote == from.Peer) {
			accept(prioNoSource, from.Peer, openflow.Match{in, openflow.TunSrc(from.Peer.As4())})
		}
	}
	if l.anyPeer && l.ls.overlay && l.ls.vni == t.vni && !t.remote.IsValid() {
		accept(prioAnyPeer, netip.Addr{}, openflow.Match{in})
		for vtep := range l.division.of {
			if !l.ls.decap[intent.Tunnel{Peer: vtep, VNI: t.vni}] {
				accept(prioAnyPeer+1, vtep, openflow.Match{in, openflow.TunSrc(vtep.As4())})
			}
		}
	}
}

// remote adds a MAC behind a tunnel.
func (l *logical) remote(s flowSet, mac intent.MAC) flowKey {
	return s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: tableOut, Priority: prioRemote,
		Match: openflow.Match{openflow.EthDst(mac)}, Instructions: openflow.Apply(encapsulate(l.ls.unicast[mac])...)})
}

func encapsulate(t intent.Tunnel) []openflow.Action {
	return []openflow.Action{openflow.SetField(openflow.TunDst(t.Peer.As4())),
		openflow.SetField(openflow.TunnelID(uint64(t.VNI))), openflow.OutputReg(regEgress)}
}

// flood adds copies to every member and to the tunnels of a set.
func (l *logical) flood(s flowSet, priority uint16, match openflow.Match, set intent.FloodSet) {
	add := func(cookie uint64, priority uint16, more openflow.Match, actions openflow.Actions) {
		m := openflow.FlowMod{Cookie: cookie, Table: tableOut, Priority: priority, Match: append(slices.Clone(match), more...)}
		if len(actions) > 0 {
			m.Instructions = openflow.Apply(actions...)
		}
		s.add(intent.BindingKey{}, m)
	}
	set = set[:min(len(set), maxTunnels)]
	here := l.copies(none)
	all := slices.Clone(here)
	for i, t := range set {
		next := encapsulate(t)
		if i > 0 && set[i-1].VNI == t.VNI {
			next = slices.Delete(next, 1, 2) // it is set
		}
		all = append(all, next...)
	}
	if len(all) == 0 {
		add(cookieDrop|l.nobody(), priority, nil, nil)
	} else {
		add(cookieFlow, priority, nil, all)
	}
	forbidden := openflow.Match{openflow.Reg(regEgress, noEgress)}
	var live []patch
	for _, m := range l.members {
		if m.isFlooded() {
			live = append(live, m)
		}
	}
	switch len(live) {
	case 0:
		add(cookieDrop|l.nobody(), priority+plusHere, forbidden, nil)
		return
	case 1: // Open vSwitch would leave out the only copy, and count nothing
		alone := openflow.Match{openflow.InPort(live[0].inner)}
		if len(set) == 0 {
			add(cookieDrop|l.nobody(), priority+plusAlone, alone, nil)
		} else {
			add(cookieDrop|l.noEntry(), priority+plusAlone, append(alone, forbidden...), nil)
		}
	}
	if len(l.division.audiences) > 0 {
		here = openflow.Actions{again(tableCopies)}
	}
	add(cookieFlow, priority+plusHere, forbidden, here)
}

// local adds a MAC that was learned: where frames to it go, and that frames from there are no
// news.
func (l *logical) local(s flowSet, mac intent.MAC, st *station) {
	if st.static && !st.spoke {
		return
	}
	i, ok := l.place(st.at)
	if !ok || !l.members[i].isFlooded() {
		return
	}
	in := l.members[i].inner
	if !st.static {
		s.add(st.at, localFlow(mac, l.members[i].deliver()))
		s.add(st.at, back(prioHairpin, in, mac))
	}
	if st.watched { // its next frame is to be told of
		return
	}
	from := openflow.Match{openflow.InPort(in), openflow.EthSrc(mac)}
	s.add(st.at, openflow.FlowMod{Cookie: cookieSource, Table: tableIn, Priority: prioSource, Match: from,
		Instructions: openflow.Goto(l.next(), l.allow())})
	if st.tagged {
		s.add(st.at, openflow.FlowMod{Cookie: cookieSource, Table: tableTagged, Priority: prioSource, Match: from,
			Instructions: openflow.Apply(again(l.next()))})
	}
}

// hairpin matches frames to a learned MAC that come from where it is.
func hairpin(in uint32, mac intent.MAC) openflow.Match {
	return openflow.Match{openflow.InPort(in), openflow.EthDst(mac)}
}

// localFlow says where frames to a learned MAC go.
func localFlow(mac intent.MAC, deliver openflow.Actions) openflow.FlowMod {
	return openflow.FlowMod{Cookie: cookieLearned, Table: tableOut, Priority: prioLocal,
		Match: openflow.Match{openflow.EthDst(mac)}, Instructions: openflow.Apply(deliver...)}
}

// muted is the flow for a source that is not to be told of for a while.
func muted(table uint8, in uint32, mac intent.MAC, l *logical) openflow.FlowMod {
	inst := openflow.Goto(l.next(), l.allow())
	if table == tableTagged {
		inst = openflow.Apply(again(l.next()))
	}
	return openflow.FlowMod{Cookie: cookieMuted, Table: table, Priority: prioSource, HardTimeout: mutedSeconds,
		Match: openflow.Match{openflow.InPort(in), openflow.EthSrc(mac)}.Canonical(), Instructions: inst}
}

// sourceOf returns the source address of a frame.
func sourceOf(frame []byte) (mac intent.MAC, ok bool) {
	if len(frame) < 12 {
		return mac, false
	}
	copy(mac[:], frame[6:12])
	return mac, !mac.IsGroup() && !mac.IsZero()
}

// ethField returns the address that m matches without a mask.
func ethField(m openflow.Match, id openflow.FieldID) (mac intent.MAC, ok bool) {
	v, ok := m.Get(id)
	if !ok || len(v) != len(mac) {
		return mac, false
	}
	copy(mac[:], v)
	return mac, !bytes.Equal(mac[:], make([]byte, 6)) && !mac.IsGroup()
}
