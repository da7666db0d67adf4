package ebpf

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// puntReasons are the events that carry frames, by enum punt_reason.
var puntReasons = map[uint32]plane.PuntReason{
	layout.PuntMembership: plane.PuntMembership, layout.PuntNoNeighbor: plane.PuntNoNeighbor, layout.PuntAnswer: plane.PuntAnswer,
}

// refusedNames are what Stats.Drops calls what was too much to be shown, by enum punt_reason.
var refusedNames = []string{
	layout.PuntAddress: "address_rate", layout.PuntMembership: "membership_rate", layout.PuntNoNeighbor: "neighbor_rate", layout.PuntAnswer: "answer_rate",
}

// punter turns what the programs show into events, once their numbers are known (see learner).
func (p *Plane) punter() {
	p.readRing(p.punts, func(b []byte, _ int) { p.handlePunt(b) })
}

// handlePunt queues the event for one struct punt_head and what follows it.
func (p *Plane) handlePunt(b []byte) {
	var head layout.PuntHead
	n, err := binary.Decode(b, binary.NativeEndian, &head)
	if err != nil {
		return
	}
	frame := b[n:]
	frame = frame[:min(len(frame), int(head.Length))]
	if head.Reason == layout.PuntAddress {
		if s, ok := p.directory.sighting(head.BD, head.MAC, head.Slot, head.Gen); ok {
			p.queue.add(plane.Address{Key: s.Key, At: s.At, IP: head.IP.Addr()})
		}
		return
	}
	e, ok := p.directory.punted(&head, frame)
	switch {
	case ok:
		p.queue.add(e)
	case head.Reason == layout.PuntNoNeighbor && len(frame) == int(head.Length): // else it is counted already
		if err := p.NotSent(context.Background(), intent.BindingKey{}, 1); err != nil {
			p.log.Debug("a dropped packet was not counted", "err", err)
		}
	}
}

// punted is the event of a frame; false: what it is about has gone meanwhile.
func (d *directory) punted(head *layout.PuntHead, frame []byte) (e plane.Punted, ok bool) {
	reason, ok := puntReasons[head.Reason]
	id, is := d.switchOf(head.BD)
	if !ok || !is {
		return e, false
	}
	e = plane.Punted{Reason: reason, Switch: id, Frame: bytes.Clone(frame), Length: int(head.Length)}
	if reason == plane.PuntNoNeighbor {
		hop, ok := d.switchOf(head.VNI)
		if !ok {
			return e, false
		}
		e.Hop = intent.IPKey{Switch: hop, IP: head.IP.Addr()}
	}
	if head.Slot == 0 {
		if reason == plane.PuntMembership {
			e.From = intent.Tunnel{Peer: head.IP.Addr(), VNI: head.VNI}
		}
	} else if s, ok := d.sighting(head.BD, head.MAC, head.Slot, head.Gen); ok {
		e.At = s.At
	} else {
		return e, false
	}
	return e, true
}

// readRefused reads how many frames were too many to be shown.
func (p *Plane) readRefused(drops map[string]uint64) error {
	for i, name := range refusedNames {
		var c layout.PuntCount
		if err := p.objs.Punted.Lookup(uint32(i), &c); err != nil {
			return fmt.Errorf("read map punted: %w", err)
		}
		drops[name] += c.Refused
	}
	return nil
}
