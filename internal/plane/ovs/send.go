package ovs

import (
	"context"
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
)

// Send implements plane.Sender.
func (p *Plane) Send(ctx context.Context, frame []byte, to plane.Destination) (err error) {
	if e := p.do(ctx, func() { err = p.engine.send(frame, to) }); e != nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

var errNowhere = errors.New("there is nobody to send it to")

func (e *engine) send(frame []byte, to plane.Destination) error {
	l, b := e.switches[to.Switch], e.bridges[e.names.of[to.Switch]]
	if l == nil || b == nil || b.conn == nil {
		return errNotConnected
	}
	if to.Hop.IsValid() {
		if done, err := e.handOn(frame, to.Switch, to.Hop); done {
			return err
		}
	}
	tunnels := func(set intent.FloodSet) (all openflow.Actions) {
		if l.egress == 0 {
			return nil
		}
		all = openflow.Actions{l.allow()}
		for _, t := range set[:min(len(set), maxTunnels)] {
			all = append(all, encapsulate(t)...)
		}
		return all
	}
	var actions openflow.Actions
	switch {
	case to.At.Port != "":
		if i, ok := l.place(to.At); ok {
			actions = l.members[i].deliver()
		}
	case to.Tunnel.Peer.IsValid():
		actions = tunnels(intent.FloodSet{to.Tunnel})
	default:
		for i := range l.members[:l.reached()] {
			if l.members[i].isFlooded() && l.members[i].at != to.Except {
				actions = append(actions, l.members[i].deliver()...)
			}
		}
		if set := l.ls.floods[intent.UnknownDst]; len(set) > 0 {
			actions = append(actions, tunnels(set)...)
		}
	}
	switch {
	case len(actions) > 0:
	case to.At.Port == "" && !to.Tunnel.Peer.IsValid():
		e.counters.add(dropReasons[l.nobody()], 1)
		return plane.ErrDropped
	default:
		return errNowhere
	}
	return b.conn.Send(&openflow.PacketOut{InPort: openflow.PortController, Actions: actions, Data: frame})
}
