package ovs

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
)

// A source that no flow knows comes to the agent with its first frame, which is forwarded all
// the same. Two flows then stand for what was learned: in table 1 where frames to it go, in
// table 0 that frames from there are no news. Flows of the action learn would need no agent, but
// Open vSwitch runs it again with the counters of cached flows, and so a host that has moved is
// learned back where it was.

// station is a MAC that is known at a binding.
type station struct {
	at     intent.BindingKey
	seen   time.Time // when a frame of it was last noticed
	count  uint64    // frames of it that were counted then
	static bool      // somebody made its flow by hand: it does not age
	spoke  bool      // static: the host has sent frames all the same
	tagged bool      // it sends frames that have another tag

	watched bool // its next frame is to be told of
}

// stations are all of them.
type stations struct {
	bySwitch map[intent.SwitchID]map[intent.MAC]*station
	onPort   map[string]uint32
	total    uint32
	moved    func(intent.MACKey) // is told whose place is another
}

func newStations(moved func(intent.MACKey)) *stations {
	return &stations{bySwitch: map[intent.SwitchID]map[intent.MAC]*station{}, onPort: map[string]uint32{}, moved: moved}
}

// of returns those of a switch; the map is the one that changes later.
func (s *stations) of(id intent.SwitchID) map[intent.MAC]*station {
	m := s.bySwitch[id]
	if m == nil {
		m = map[intent.MAC]*station{}
		s.bySwitch[id] = m
	}
	return m
}

func (s *stations) get(key intent.MACKey) *station { return s.bySwitch[key.Switch][key.MAC] }

func (s *stations) set(key intent.MACKey, st *station) {
	s.remove(key)
	s.of(key.Switch)[key.MAC] = st
	s.onPort[st.at.Port]++
	s.total++
	s.moved(key)
}

func (s *stations) remove(key intent.MACKey) {
	st := s.get(key)
	if st == nil {
		return
	}
	delete(s.bySwitch[key.Switch], key.MAC)
	if s.onPort[st.at.Port]--; s.onPort[st.at.Port] == 0 {
		delete(s.onPort, st.at.Port)
	}
	s.total--
	s.moved(key)
}

// learn takes a frame whose source no flow knows.
func (e *engine) learn(b *bridge, p *openflow.PacketIn) {
	l := e.switches[b.ls]
	mac, ok := sourceOf(p.Data)
	in, known := p.Match.InPort()
	if b.physical || l == nil || !ok || !known {
		return
	}
	at, ok := l.member(in)
	if !ok || e.site.roles[at] == intent.Standby {
		return
	}
	key := intent.MACKey{Switch: b.ls, MAC: mac}
	st := e.stations.get(key)
	switch {
	case st != nil && st.at == at && st.watched:
		st.watched, st.seen = false, time.Now()
		st.tagged = st.tagged || p.Table == tableTagged
	case st != nil && st.at == at && (p.Table != tableTagged || st.tagged) && (!st.static || st.spoke):
		st.seen = time.Now() // its flow is on its way
		return
	case st != nil && st.at == at:
		st.spoke = true
		st.tagged = st.tagged || p.Table == tableTagged
	case !e.room(st, at):
		e.mute(b, l, p.Table, in, mac)
	default:
		if st != nil {
			e.unlearn(key)
		}
		e.stations.set(key, &station{at: at, seen: time.Now(), tagged: p.Table == tableTagged})
	}
	s := flowSet{}
	if st = e.stations.get(key); st != nil && st.at == at {
		l.local(s, mac, st)
		b.put(s)
	}
	e.emit(plane.Seen{Key: key, At: at})
}

// room says whether one more MAC may be learned at a binding; st is what is known of it now.
func (e *engine) room(st *station, at intent.BindingKey) bool {
	if limit := e.site.ports[at.Port].MACLimit; limit != 0 && (st == nil || st.at.Port != at.Port) && e.stations.onPort[at.Port] >= limit {
		e.counters.add("port_limit", 1)
		return false
	}
	if limit := e.site.MACLimit; limit != 0 && st == nil && e.stations.total >= limit {
		e.counters.add("mac_table_limit", 1)
		return false
	}
	return true
}

// mute has a source that can't be learned not come here with each of its frames.
func (e *engine) mute(b *bridge, l *logical, table uint8, in uint32, mac intent.MAC) {
	m := muted(table, in, mac, l)
	if b.conn == nil || b.conn.Send(&m) != nil {
		return
	}
	b.have[keyOf(m.Table, m.Priority, m.Match)] = newFlow(&m, intent.BindingKey{})
}

// unmute has the sources heard again that could not be learned.
func (e *engine) unmute() {
	for _, b := range e.bridges {
		b.unmute()
	}
}

// unmute has the sources of a bridge heard again.
func (b *bridge) unmute() {
	for k, f := range b.have {
		if f.mod.Cookie == cookieMuted && b.conn != nil {
			_ = b.conn.Send(&openflow.FlowMod{Command: openflow.DeleteStrict, Table: k.table, Priority: k.priority, Match: f.mod.Match,
				Cookie: cookieMuted, CookieMask: ^uint64(0)})
			delete(b.have, k)
			b.touch(k)
		}
	}
}

// member returns the binding whose patch port has a number.
func (l *logical) member(port uint32) (intent.BindingKey, bool) {
	i, ok := slices.BinarySearchFunc(l.members, port, func(m patch, port uint32) int { return cmp.Compare(m.inner, port) })
	if !ok {
		return intent.BindingKey{}, false
	}
	return l.members[i].at, true
}

// place returns which of the members a binding is.
func (l *logical) place(at intent.BindingKey) (i int, ok bool) {
	if l.places == nil {
		l.places = make(map[intent.BindingKey]int, len(l.members))
		for i := range l.members {
			l.places[l.members[i].at] = i
		}
	}
	i, ok = l.places[at]
	return i, ok
}

func (l *logical) number(at intent.BindingKey) uint32 {
	if i, ok := l.place(at); ok {
		return l.members[i].inner
	}
	return 0
}

func remoteKey(mac intent.MAC) flowKey {
	return keyOf(tableOut, prioRemote, openflow.Match{openflow.EthDst(mac)})
}

func localKey(mac intent.MAC) flowKey {
	return keyOf(tableOut, prioLocal, openflow.Match{openflow.EthDst(mac)})
}

func hairpinKey(in uint32, mac intent.MAC) flowKey {
	return keyOf(tableOut, prioHairpin, hairpin(in, mac).Canonical())
}

func sourceKey(table uint8, in uint32, mac intent.MAC) flowKey {
	return keyOf(table, prioSource, openflow.Match{openflow.InPort(in), openflow.EthSrc(mac)}.Canonical())
}

// unlearn forgets a MAC, and has its flows go.
func (e *engine) unlearn(key intent.MACKey) {
	st := e.stations.get(key)
	if st == nil {
		return
	}
	e.stations.remove(key)
	b := e.bridges[e.names.of[key.Switch]]
	if b == nil {
		return
	}
	b.drop(localKey(key.MAC))
	l := e.switches[key.Switch]
	if l == nil {
		return
	}
	if in := l.number(st.at); in != 0 {
		b.drop(hairpinKey(in, key.MAC))
		b.drop(sourceKey(tableIn, in, key.MAC))
		b.drop(sourceKey(tableTagged, in, key.MAC))
	}
}

// watch implements Watch: without its flow a source is new.
func (e *engine) watch(keys []intent.MACKey) {
	for _, key := range keys {
		st, l, b := e.stations.get(key), e.switches[key.Switch], e.bridges[e.names.of[key.Switch]]
		if st == nil || l == nil || b == nil || st.static {
			continue
		}
		st.watched = true
		if in := l.number(st.at); in != 0 {
			b.drop(sourceKey(tableIn, in, key.MAC))
			b.drop(sourceKey(tableTagged, in, key.MAC))
		}
	}
}

// forget implements Forget.
func (e *engine) forget(keys []intent.MACKey) {
	for _, key := range keys {
		e.unlearn(key)
	}
	e.unmute()
}

// unbind forgets what was learned at a binding that is no more.
func (e *engine) unbind(id intent.SwitchID, at intent.BindingKey) {
	for mac, st := range e.stations.of(id) {
		if st.at == at {
			e.unlearn(intent.MACKey{Switch: id, MAC: mac})
		}
	}
}

func (e *engine) forgetSwitch(id intent.SwitchID) {
	for mac := range e.stations.of(id) {
		e.unlearn(intent.MACKey{Switch: id, MAC: mac})
	}
	delete(e.stations.bySwitch, id)
	for _, b := range []*budget{&e.asking, &e.hearing, &e.telling} {
		delete(b.of, id)
	}
	delete(e.switches, id)
}

// adoptFlows learns from the flows of a bridge what an earlier process had learned.
func (e *engine) adoptFlows(b *bridge) {
	if b.physical {
		return
	}
	b.ls, b.built = intent.SwitchID{}, nil
	for id, name := range e.names.of {
		if name == b.name {
			b.ls = id
		}
	}
	ls := e.site.switches[b.ls]
	if ls == nil {
		return
	}
	l := e.buildLogical(ls, b.name, e.site.tunnelPorts()[ls.id])
	e.switches[ls.id] = l
	known := map[intent.MAC]uint32{}
	tagged := map[intent.MAC]bool{}
	for k, f := range b.have {
		if f.mod.Cookie != cookieSource {
			continue
		}
		mac, ok := ethField(f.mod.Match, openflow.FieldEthSrc)
		in, is := f.mod.Match.InPort()
		if !ok || !is {
			continue
		}
		if k.table == tableTagged {
			tagged[mac] = true
		} else {
			known[mac] = in
		}
	}
	for k, f := range b.have {
		if k.table != tableOut || f.mod.Cookie != cookieLearned {
			continue
		}
		mac, ok := ethField(f.mod.Match, openflow.FieldEthDst)
		key := intent.MACKey{Switch: b.ls, MAC: mac}
		if !ok || e.stations.get(key) != nil {
			continue
		}
		at, out, ok := l.outlet(f.mod.Instructions)
		if !ok || e.site.roles[at] == intent.Standby {
			continue
		}
		in, ours := known[mac]
		e.stations.set(key, &station{at: at, seen: time.Now(), static: !ours || in != out, tagged: tagged[mac]})
		if !ours {
			e.emit(plane.Seen{Key: key, At: at})
		}
	}
}

// outlet says where the actions of a flow send frames.
func (l *logical) outlet(inst openflow.Instructions) (at intent.BindingKey, port uint32, ok bool) {
	for _, a := range inst.Actions() {
		if to, is := a.(openflow.SetFieldAction); is && to.Field.ID == openflow.FieldReg(regTo) && len(to.Field.Value) == 4 { // asked by an ACL
			port = binary.BigEndian.Uint32(to.Field.Value)
			if at, ok = l.member(port); ok {
				return at, port, true
			}
		}
		if out, is := a.(openflow.OutputAction); is {
			if at, ok = l.member(out.Port); ok {
				return at, out.Port, true
			}
			if out.Port < 0xff00 {
				return at, 0, false // a port that is no member, perhaps not any more
			}
		}
	}
	if len(l.members) == 0 {
		return at, 0, false
	}
	return l.members[0].at, 0, true // it goes elsewhere, but it is of this switch
}

// flowChanged takes a change that somebody else made, or that came with time.
func (e *engine) flowChanged(b *bridge, u *openflow.FlowUpdate) {
	switch u.Event {
	case openflow.FlowAdded, openflow.FlowModified:
		k, f := flowOf(u)
		b.have[k] = f
		if !e.madeByHand(b, k, f) {
			b.touch(k)
		}
	case openflow.FlowGone:
		k, f := flowOf(u)
		delete(b.have, k)
		b.touch(k)
		if mac, ok := ethField(f.mod.Match, openflow.FieldEthDst); ok && !b.physical && k.table == tableOut && f.mod.Cookie == cookieLearned {
			key := intent.MACKey{Switch: b.ls, MAC: mac}
			if st := e.stations.get(key); st != nil {
				e.unlearn(key)
				e.emit(plane.Gone{Key: key, At: st.at})
			}
		}
	}
}

// madeByHand takes a flow of table 1 that somebody made, as a MAC that is there until he
// deletes it.
func (e *engine) madeByHand(b *bridge, k flowKey, f *flow) bool {
	if b.physical || k.table != tableOut || f.mod.Cookie != cookieLearned {
		return false
	}
	mac, ok := ethField(f.mod.Match, openflow.FieldEthDst)
	l := e.switches[b.ls]
	if !ok || l == nil {
		return false
	}
	if want := b.want[k]; want != nil && want.does == f.does {
		return false
	}
	at, _, ok := l.outlet(f.mod.Instructions)
	if !ok || e.site.roles[at] == intent.Standby {
		return false
	}
	key := intent.MACKey{Switch: b.ls, MAC: mac}
	e.unlearn(key)
	delete(b.touched, k)
	e.stations.set(key, &station{at: at, seen: time.Now(), static: true})
	e.emit(plane.Seen{Key: key, At: at})
	return true
}

// keptByHand says whether a flow stands for a MAC that somebody made.
func (e *engine) keptByHand(b *bridge, f *flow) bool {
	if f.mod.Cookie != cookieLearned || f.mod.Table != tableOut {
		return false
	}
	mac, ok := ethField(f.mod.Match, openflow.FieldEthDst)
	if !ok {
		return false
	}
	st := e.stations.get(intent.MACKey{Switch: b.ls, MAC: mac})
	return st != nil && st.static
}
