package ebpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Why the programs show a frame, as enum punt_reason.
const (
	puntAddress = iota
	puntMembership
	puntNoNeighbor
	puntAnswer
)

// puntReasons are the events that carry frames, by enum punt_reason.
var puntReasons = map[uint32]plane.PuntReason{
	puntMembership: plane.PuntMembership, puntNoNeighbor: plane.PuntNoNeighbor, puntAnswer: plane.PuntAnswer,
}

// refusedNames are what Stats.Drops calls what was too much to be shown, by enum punt_reason.
var refusedNames = []string{"address_rate", "membership_rate", "neighbor_rate", "answer_rate"}

// punter turns what the programs show into events, once their numbers are known (see learner).
func (p *Plane) punter() {
	p.readRing(p.punts, p.handlePunt)
}

// handlePunt queues the event for one struct punt_head and what follows it.
func (p *Plane) handlePunt(b []byte) {
	var head vtepPuntHead
	if len(b) < int(unsafe.Sizeof(head)) {
		return
	}
	if err := binary.Read(bytes.NewReader(b), binary.NativeEndian, &head); err != nil {
		return
	}
	frame := b[unsafe.Sizeof(head):]
	frame = frame[:min(len(frame), int(head.Length))]
	p.mu.Lock()
	defer p.mu.Unlock()
	if head.Reason == puntAddress {
		if s, ok := p.sighting(head.Bd, head.Mac, head.Slot, head.Gen); ok {
			p.queue.add(plane.Address{Key: s.Key, At: s.At, IP: head.Ip.ip()})
		}
		return
	}
	e, ok := p.punted(&head, frame)
	switch {
	case ok:
		p.queue.add(e)
	case head.Reason == puntNoNeighbor && len(frame) == int(head.Length): // else it is counted already
		if err := p.countNotSent(intent.BindingKey{}, 1); err != nil {
			p.log.Debug("a dropped packet was not counted", "err", err)
		}
	}
}

// punted is the event of a frame; false: what it is about has gone meanwhile.
func (p *Plane) punted(head *vtepPuntHead, frame []byte) (e plane.Punted, ok bool) {
	reason, ok := puntReasons[head.Reason]
	d := p.domains[head.Bd]
	if !ok || d == nil {
		return e, false
	}
	e = plane.Punted{Reason: reason, Switch: d.id, Frame: bytes.Clone(frame), Length: int(head.Length)}
	if reason == plane.PuntNoNeighbor {
		hop := p.domains[head.Vni]
		if hop == nil {
			return e, false
		}
		e.Hop = intent.IPKey{Switch: hop.id, IP: head.Ip.ip()}
	}
	if head.Slot == 0 {
		if reason == plane.PuntMembership {
			e.From = intent.Tunnel{Peer: head.Ip.ip(), VNI: head.Vni}
		}
	} else if b := p.bySlot[head.Slot]; b != nil && b.gen == head.Gen && b.domain == d {
		e.At = b.key
	} else {
		return e, false
	}
	return e, true
}

// readRefused reads how many frames were too many to be shown.
func (p *Plane) readRefused(drops map[string]uint64) error {
	for i, name := range refusedNames {
		var c vtepPuntCount
		if err := p.objs.Punted.Lookup(uint32(i), &c); err != nil {
			return fmt.Errorf("read map punted: %w", err)
		}
		drops[name] += c.Refused
	}
	return nil
}
