package ovs

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

// What flows of routers leave to the agent, by the low bits of their cookies.
const (
	puntOwn        = iota + 1 // to an address of the router
	puntNoRoute               //
	puntTTL                   // it has passed too many routers
	puntNoNeighbor            // who has the next hop's address is not known
	puntHeard                 // ARP or Neighbor Discovery that the router is to look at
	puntTooBig                // it does not fit into the way out
)

// lostPunts are why those go nowhere for which there is no time.
var lostPunts = [256]string{puntOwn: "unserved", puntNoRoute: "no_route", puntTTL: "ttl_exceeded", puntNoNeighbor: "neighbor_rate", puntHeard: "answer_rate", puntTooBig: "too_big"}

func isPunt(p *openflow.PacketIn) bool {
	return p.Cookie&^0xff == cookiePunt && lostPunts[p.Cookie&0xff] != ""
}

// puntRate is how many packets of a kind are looked at in a second; the rest is dropped. So many again are kept for the
// first shareRate of each switch: one that floods the agent does not keep others from it.
const (
	puntRate  = 2048
	shareRate = 64
)

// bucket counts what may be done in a second.
type bucket struct {
	left int
	from time.Time
}

func (b *bucket) take(now time.Time, rate int) bool {
	if now.Sub(b.from) >= time.Second {
		b.left, b.from = rate, now
	}
	b.left--
	return b.left >= 0
}

// budget is what may be done in a second for all switches.
type budget struct {
	all, kept bucket
	of        map[intent.SwitchID]*bucket
}

func (b *budget) take(now time.Time, id intent.SwitchID) bool {
	own := b.of[id]
	if own == nil {
		if b.of == nil {
			b.of = map[intent.SwitchID]*bucket{}
		}
		own = &bucket{}
		b.of[id] = own
	}
	return own.take(now, shareRate) && b.kept.take(now, puntRate) || b.all.take(now, puntRate)
}

// maxPunted is how much of a frame the agent is shown.
const maxPunted = 2048

// punt takes a packet of a router. The frame is as it is in its switch.
func (e *engine) punt(b *bridge, p *openflow.PacketIn) {
	kind := p.Cookie & 0xff
	id, at, tunnel, ok := e.cameBy(b, p, kind == puntHeard)
	router, routed := e.site.routerOf(id)
	frame := p.Data
	if !ok || !routed || len(frame) < packet.HeaderLen {
		return
	}
	now := time.Now()
	switch kind {
	case puntHeard:
		e.hear(now, id, at, router, frame, int(p.TotalLen))
		return
	case puntNoNeighbor:
		if why := badPacket(frame); why != "" {
			e.dropped(why, at)
			return
		}
		if !e.asking.take(now, id) {
			e.dropped("neighbor_rate", at)
			return
		}
		ip, out := hopOf(p.Match, packet.EtherType(frame) == packet.EtherIPv6)
		for next, port := range e.routing.ports {
			if port == out {
				e.emit(plane.Punted{Reason: plane.PuntNoNeighbor, Switch: id, At: at, From: tunnel, Hop: intent.IPKey{Switch: next, IP: ip},
					Frame: frame[:min(len(frame), maxPunted)], Length: int(p.TotalLen)})
			}
		}
		return
	}
	if why := badPacket(frame); why != "" {
		e.dropped(why, at)
		return
	}
	var answer []byte
	switch kind {
	case puntOwn:
		if answer = e.echoes.Answer(now, id, frame, packet.MAC(router.MAC)); answer == nil {
			e.dropped("unserved", at)
			return
		}
	case puntNoRoute:
		e.dropped("no_route", at)
		answer = e.tell(id, router, frame, packet.NoRoute, 0)
	case puntTTL:
		e.dropped("ttl_exceeded", at)
		answer = e.tell(id, router, frame, packet.TimeExceeded, 0)
	case puntTooBig:
		e.dropped("too_big", at)
		answer = e.tell(id, router, frame, packet.TooBig, fitting(p.Match))
	}
	switch {
	case answer == nil || at.Port == "":
	case e.telling.take(now, id):
		e.deliver(id, at, answer)
	case kind == puntOwn:
		e.dropped("unserved", at)
	}
}

// cameBy says in which switch a packet came in, and where there; no Port: by a tunnel.
func (e *engine) cameBy(b *bridge, p *openflow.PacketIn, there bool) (id intent.SwitchID, at intent.BindingKey, t intent.Tunnel, ok bool) {
	in, ok := p.Match.InPort()
	if !ok {
		return id, at, t, false
	}
	if id = b.ls; !there {
		id, ok = intent.SwitchID{}, false
		for switchID, port := range e.routing.ports {
			if port == in {
				id, ok = switchID, true
			}
		}
		in = 0
		if mark, is := p.Match.Get(openflow.FieldMark); is && len(mark) == 4 {
			in = binary.BigEndian.Uint32(mark)
		}
	}
	if l := e.switches[id]; ok && l != nil && in != 0 {
		at, _ = l.member(in)
	}
	return id, at, t, ok
}

// badPacket says why a packet can't be forwarded for what is in it; "": it can.
func badPacket(frame []byte) string {
	b := frame[packet.HeaderLen:]
	if packet.EtherType(frame) == packet.EtherIPv6 {
		if _, ok := packet.ParseIPv6(b); !ok {
			return "bad_ip"
		}
		return ""
	}
	ip, ok := packet.ParseIPv4(b)
	switch {
	case !ok:
		return "bad_ip"
	case ip.SourceRouted():
		return "source_route"
	}
	return ""
}

// dropped counts a packet that had come in somewhere.
func (e *engine) dropped(reason string, at intent.BindingKey) {
	e.counters.add(reason, 1)
	if at.Port != "" {
		e.counters.place[plane.PlaceDrops{Reason: reason, Port: at.Port, VLAN: int(at.VLAN)}]++
	}
}

// tell makes a message that tells the sender of a packet what a router has with it, with the size that would do; nil: it is
// not told.
func (e *engine) tell(id intent.SwitchID, router intent.Router, frame []byte, what packet.Trouble, mtu uint32) []byte {
	v6 := packet.EtherType(frame) == packet.EtherIPv6
	for _, ip := range e.site.addressesIn(id) {
		if ip.Is6() == v6 {
			return packet.Error(frame, what, packet.MAC(router.MAC), ip, mtu)
		}
	}
	return nil
}

// hear takes a message of ARP or Neighbor Discovery.
func (e *engine) hear(now time.Time, id intent.SwitchID, at intent.BindingKey, router intent.Router, frame []byte, length int) {
	answer := packet.EtherType(frame) == packet.EtherARP
	if answer {
		a, ok := packet.ParseARP(frame[packet.HeaderLen:])
		if sender := intent.MAC(a.SenderMAC); !ok || sender.IsGroup() || sender.IsZero() {
			e.dropped("bad_arp", at)
			return
		}
	} else {
		if !packet.IsND(frame) {
			e.dropped("unserved", at)
			return
		}
		n, ok := packet.ParseND(frame)
		if !ok {
			e.dropped("bad_nd", at)
			return
		}
		if e.site.switches[id].addresses[n.Target] && n.Type == packet.Solicitation && at.Port != "" {
			if e.telling.take(now, id) {
				e.deliver(id, at, advertisement(n, packet.MAC(frame[6:12]), packet.MAC(router.MAC)))
			} else {
				e.dropped("unserved", at)
			}
			return
		}
		answer = n.Type == packet.Advertisement
	}
	switch {
	case !answer:
		e.dropped("unserved", at)
	case !e.hearing.take(now, id):
		e.dropped("answer_rate", at)
	default:
		e.emit(plane.Punted{Reason: plane.PuntAnswer, Switch: id, At: at, Frame: frame[:min(len(frame), maxPunted)], Length: length})
	}
}

// advertisement is what a router answers to a solicitation for its address.
func advertisement(n packet.ND, from, mac packet.MAC) []byte {
	a := packet.ND{Type: packet.Advertisement, Flags: packet.FlagRouter | packet.FlagSolicited | packet.FlagOverride,
		Src: n.Target, Dst: n.Src, Target: n.Target, MAC: mac}
	if n.Src.IsUnspecified() { // it looks for somebody who has its address
		from, a.Dst, a.Flags = packet.MAC{0x33, 0x33, 5: 1}, packet.AllNodes, packet.FlagRouter|packet.FlagOverride
	}
	return a.Frame(from, mac)
}

// deliver sends a frame to a binding of a switch.
func (e *engine) deliver(id intent.SwitchID, at intent.BindingKey, frame []byte) {
	if err := e.send(frame, plane.Destination{Switch: id, At: at}); err != nil {
		e.log.Debug("a frame of a router was not sent", "port", at.Port, "vlan", at.VLAN, "err", err)
	}
}

// NotSent implements plane.PuntKeeper.
func (p *Plane) NotSent(ctx context.Context, at intent.BindingKey, n uint32) error {
	if err := p.do(ctx, func() {
		for range n {
			p.engine.dropped("no_neighbor", at)
		}
	}); err != nil {
		return fmt.Errorf("count what was not sent: %w", err)
	}
	return nil
}
