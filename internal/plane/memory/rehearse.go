package memory

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

// Step is one thing that a frame met with on its way.
type Step struct {
	Entry plane.Entry // that was asked for; its Kind is "" where none was
	Found bool        // there is one
	Text  string      // what came of it, beside what the entry says
	Drop  Drop        // the frame ended here, or a copy of it
	ACL   *ACLStep    // the ACL of the binding was asked; nil: it was not
}

// ACLStep is what an ACL has decided.
type ACLStep struct {
	ID        intent.ACLID
	Direction intent.Direction
	Entry     *intent.ACLEntry // nil: none matched
}

// Outcome is what a frame would meet with, and what would become of it.
type Outcome struct {
	Steps []Step
	Outs  []Out
	Drop  Drop   // of the frame itself
	Drops []Drop // of copies of it

	Entries   []plane.Entry    // all that were asked for
	Installed *plane.Installed // what there is of them
}

// Rehearse finds out by the rules of this package what would become of a frame where those entries
// are installed that read gives. read is asked for what the frame depends on, when it does. Nothing is
// changed by it.
func Rehearse(ctx context.Context, p plane.Tracer, fr plane.Arriving) (Outcome, error) {
	f := New(Options{})
	r := &rehearsal{plane: p, ctx: ctx, seen: map[plane.Entry]bool{}, has: plane.NewInstalled()}
	f.rehearsal, f.installed, f.devices = r, r.has.State, r.has.Devices
	var outs []Out
	var why Drop
	if fr.Port != "" {
		outs, why = f.FromPort(fr.Port, fr.Frame)
	} else {
		outs, why = f.FromTunnelTOS(fr.Tunnel.Peer, fr.Tunnel.VNI, fr.TOS, fr.Frame)
	}
	if r.err != nil {
		return Outcome{}, fmt.Errorf("read what is installed: %w", r.err)
	}
	done := Outcome{Steps: r.steps, Outs: outs, Drop: why, Entries: r.asked, Installed: r.has}
	for reason, n := range f.drops {
		if reason == string(why) {
			n--
		}
		for range n {
			done.Drops = append(done.Drops, Drop(reason))
		}
	}
	slices.Sort(done.Drops)
	return done, nil
}

// rehearsal is what a Fabric has that only says what would become of a frame.
type rehearsal struct {
	ctx   context.Context
	plane plane.Tracer
	seen  map[plane.Entry]bool
	has   *plane.Installed
	asked []plane.Entry
	steps []Step
	err   error
}

// consult has the entry there before it is looked at. f.mu is held.
func (f *Fabric) consult(e plane.Entry) {
	r := f.rehearsal
	if r == nil || r.seen[e] || r.err != nil {
		return
	}
	r.seen[e] = true
	r.asked = append(r.asked, e)
	if r.err = r.plane.ReadEntry(r.ctx, r.has, e); r.err != nil {
		return
	}
	switch e.Kind {
	case plane.EntryBinding, plane.EntrySwitch:
		clear(f.members)
		for at, b := range f.installed.Bindings {
			f.members[b.Switch] = append(f.members[b.Switch], at)
		}
		for _, all := range f.members {
			slices.SortFunc(all, intent.BindingKey.Compare)
		}
		for port, tagged := range r.has.Tagged {
			if tagged {
				f.vlans[port] = max(f.vlans[port], 1)
			}
		}
	case plane.EntryLearned:
		key := intent.MACKey{Switch: e.Switch, MAC: e.MAC}
		if at, ok := r.has.Learned[key]; ok && f.learned[key] == nil {
			f.consult(plane.Entry{Kind: plane.EntryBinding, At: at})
			f.learned[key] = &station{at: at}
		}
	case plane.EntryDecap:
		if id, ok := r.has.AnySource[e.Tunnel.VNI]; ok {
			f.ownVNI[e.Tunnel.VNI] = id
		}
	case plane.EntryRoute:
		if r.has.Own[plane.RouterIP{Router: e.Router, IP: e.IP}] {
			f.own[ownKey{e.Router, e.IP}] = struct{}{}
		}
	}
}

func (f *Fabric) consultMAC(kind plane.EntryKind, key intent.MACKey) plane.Entry {
	e := plane.Entry{Kind: kind, Switch: key.Switch, MAC: key.MAC}
	f.consult(e)
	return e
}

func (f *Fabric) consultIP(kind plane.EntryKind, key intent.IPKey) plane.Entry {
	e := plane.Entry{Kind: kind, Switch: key.Switch, IP: key.IP}
	f.consult(e)
	return e
}

// consultFlood has all there that says who gets a frame which is not for one host.
func (f *Fabric) consultFlood(dst intent.MACKey, fr frame, fromPort bool) {
	if f.rehearsal == nil {
		return
	}
	all := plane.Entry{Kind: plane.EntrySwitch, Switch: dst.Switch}
	f.consult(all)
	ls := f.installed.Switches[dst.Switch]
	members := all
	if key, otherwise, ok := intent.MemberKey(dst.MAC, fr.membership() == fromHost); ok && ls.SnoopGroups {
		for _, mac := range []intent.MAC{key, otherwise} {
			e := f.consultMAC(plane.EntryMembers, intent.MACKey{Switch: dst.Switch, MAC: mac})
			if _, has := f.installed.Members[intent.MACKey{Switch: dst.Switch, MAC: mac}]; has {
				members = e
				break
			}
		}
	}
	f.note(members, true, "")
	if !fromPort && !(dst.MAC.IsGroup() && ls.Flooding != intent.FloodAll) {
		return
	}
	keys := []intent.MAC{intent.UnknownDst}
	if dst.MAC.IsGroup() {
		keys = []intent.MAC{dst.MAC, intent.UnknownDst}
	}
	for _, mac := range keys {
		key := intent.MACKey{Switch: dst.Switch, MAC: mac}
		e := f.consultMAC(plane.EntryFlood, key)
		set, ok := f.installed.Floods[key]
		if ok || mac == intent.UnknownDst {
			f.note(e, ok && len(set) > 0, "")
			break
		}
	}
}

// rehearseLearning tells what the frame's source is known as.
func (f *Fabric) rehearseLearning(src intent.MACKey, in intent.BindingKey) {
	if f.rehearsal == nil {
		return
	}
	e := f.consultMAC(plane.EntryLearned, src)
	switch s := f.learned[src]; {
	case src.MAC == bfdMAC:
		f.note(e, false, "its source is not learned: it is that of BFD")
	case s == nil:
		f.note(e, false, "its source is not known yet: it would be learned here")
	case s.at == in:
		f.note(e, true, "its source is known here")
	default:
		f.note(e, true, "its source is known elsewhere: it would move here")
	}
}

// note tells of a step. f.mu is held.
func (f *Fabric) note(e plane.Entry, found bool, format string, args ...any) {
	if f.rehearsal != nil {
		f.rehearsal.steps = append(f.rehearsal.steps, Step{Entry: e, Found: found, Text: fmt.Sprintf(format, args...)})
	}
}

// noteDrop tells that the frame, or a copy of it, ends here.
func (f *Fabric) noteDrop(e plane.Entry, why Drop) Drop {
	if f.rehearsal != nil && why != Forwarded {
		f.rehearsal.steps = append(f.rehearsal.steps, Step{Entry: e, Drop: why})
	}
	return why
}

// room is the size of the largest frame that the device of a port takes, with its Ethernet header; 0: any.
func (f *Fabric) room(at intent.BindingKey, fr frame) int {
	if f.rehearsal == nil || f.rehearsal.has.MTU[at.Port] == 0 {
		return 0
	}
	room := f.rehearsal.has.MTU[at.Port] + headerLen
	if fr.tagged() && at.VLAN == 0 { // the outermost tag is not part of what an MTU limits
		room += tagLen
	}
	return room
}

// way says how packets get to a peer. Only a rehearsal asks for it.
func (f *Fabric) way(peer netip.Addr) (plane.Way, bool) {
	if f.rehearsal == nil {
		return plane.Way{}, false
	}
	f.consult(plane.Entry{Kind: plane.EntryWay, IP: peer})
	w, ok := f.rehearsal.has.Ways[peer]
	return w, ok
}

// outerLen is what a tunnel adds to a frame, seen from the outer IP header.
func outerLen(peer netip.Addr) int {
	if peer.Is4() {
		return 20 + 8 + 8
	}
	return 40 + 8 + 8
}

// tooLong says whether a frame does not fit the way to a peer, and how large a packet in it may be.
func (f *Fabric) tooLong(peer netip.Addr, fr frame) (mtu int, is bool) {
	w, ok := f.way(peer)
	if !ok || w.MTU == 0 || len(fr)+outerLen(peer) <= w.MTU {
		return 0, false
	}
	if f.installed.FragmentOuter && peer.Is4() && !fr.toldOfSize() {
		return 0, false
	}
	return w.MTU - outerLen(peer) - headerLen, true
}

// tooLongFor says whether a routed packet is too long for the way to its next station, by what, and how large it
// may be.
func (f *Fabric) tooLongFor(dst intent.MACKey, fr frame) (e plane.Entry, mtu int, is bool) {
	if f.rehearsal == nil {
		return e, 0, false
	}
	f.consultMAC(plane.EntryUnicast, dst)
	if t, ok := f.installed.Unicast.Get(dst); ok {
		w, ok := f.way(t.Peer)
		return plane.Entry{Kind: plane.EntryWay, IP: t.Peer}, w.MTU - outerLen(t.Peer) - headerLen, ok && w.MTU > 0 && len(fr)+outerLen(t.Peer) > w.MTU
	}
	at, ok := f.installed.Attached[dst]
	if !ok {
		f.consultMAC(plane.EntryLearned, dst)
		s, learned := f.learned[dst]
		if !learned {
			return e, 0, false
		}
		at = s.at
	}
	room := f.room(at, fr)
	return plane.Entry{Kind: plane.EntryBinding, At: at}, room - headerLen, room > 0 && len(fr) > room
}

// toldOfSize says whether the sender of a frame that does not fit is to be told: of unicast that must not be
// fragmented.
func (f frame) toldOfSize() bool {
	switch {
	case f.dst().IsGroup():
		return false
	case f.etherType() == etherIPv4:
		return len(f) > headerLen+7 && f[headerLen+6]&0x40 != 0
	}
	return f.etherType() == etherIPv6
}

// tellSize tells the sender, at a port, that packets of his are too large, in the name of who was to get them.
func (f *Fabric) tellSize(in intent.BindingKey, fr frame, mtu int) []Out {
	if in.Port == "" || fr.tagged() || fr.dst().IsGroup() {
		return nil
	}
	var ip netip.Addr
	switch fr.etherType() {
	case etherIPv4:
		if len(fr) < headerLen+20 {
			return nil
		}
		ip = netip.AddrFrom4([4]byte(fr[headerLen+16:]))
	case etherIPv6:
		if len(fr) < headerLen+40 {
			return nil
		}
		ip = netip.AddrFrom16([16]byte(fr[headerLen+24:]))
	default:
		return nil
	}
	message := packet.Error(fr, packet.TooBig, packet.MAC(fr.dst()), ip, uint32(mtu))
	if message == nil {
		return nil
	}
	f.note(plane.Entry{}, true, "the sender is told that packets of %d bytes would fit", mtu)
	outs, _ := f.deliver(nil, in, message)
	return outs
}

// routerACL is the ACL that asks what a router gets from an address of a switch, or hands to one.
func (f *Fabric) routerACL(key intent.IPKey) (intent.ACLID, bool) {
	if f.rehearsal == nil {
		return f.installed.InterfaceACL(key.Switch, key.IP)
	}
	id, ok := f.rehearsal.has.Guards[key]
	return id, ok
}

// ReadEntry implements plane.Tracer.
func (p *Plane) ReadEntry(_ context.Context, into *plane.Installed, e plane.Entry) error {
	unlock, err := p.use()
	if err != nil {
		return fmt.Errorf("read an entry: %w", err)
	}
	defer unlock()
	f := p.fabric
	into.Take(f.installed, e)
	switch e.Kind {
	case plane.EntryPort:
		into.Devices[e.At.Port] = f.devices[e.At.Port]
	case plane.EntryBinding, plane.EntrySwitch:
		for at := range into.Bindings {
			into.Devices[at.Port] = f.devices[at.Port]
			into.Tagged[at.Port] = f.vlans[at.Port] > 0
		}
	case plane.EntryLearned:
		key := intent.MACKey{Switch: e.Switch, MAC: e.MAC}
		if s := f.learned[key]; s != nil {
			into.Learned[key] = s.at
		}
	case plane.EntryDecap, plane.EntryWay:
		into.NoTunnels = !f.tunnelsWork()
		if e.Kind == plane.EntryWay {
			into.Ways[e.IP] = plane.Way{Source: f.installed.Source(e.IP)}
		}
	}
	return nil
}

// noteACL tells what an ACL says; a nil entry: none of it matches.
func (f *Fabric) noteACL(at plane.Entry, id intent.ACLID, d intent.Direction, entry *intent.ACLEntry, what string) {
	if f.rehearsal == nil {
		return
	}
	f.rehearsal.steps = append(f.rehearsal.steps, Step{Entry: at, Found: entry != nil,
		ACL: &ACLStep{ID: id, Direction: d, Entry: entry}, Text: what})
}
