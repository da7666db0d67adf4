package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

var errNotInState = errors.New("it is not in force")

// Send implements plane.Sender. Copies leave by the Wire, if there is one, and else by Options.Sent.
func (p *Plane) Send(_ context.Context, data []byte, to plane.Destination) error {
	if len(data) < minFrame {
		return errors.New("send: the frame is shorter than its header")
	}
	unlock, err := p.use()
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	f := p.fabric
	outs, why, err := f.send(slices.Clone(frame(data)), to)
	f.countSent(why)
	wire, sent := f.wire, f.opts.Sent
	unlock()
	switch {
	case wire != nil:
		wire.deliver(outs)
	case sent != nil && len(outs) > 0:
		sent(outs)
	}
	if err == nil && why != Forwarded {
		err = plane.ErrDropped
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

func (f *Fabric) send(fr frame, to plane.Destination) ([]Out, Drop, error) {
	f.came, f.outer = plane.PlaceDrops{}, 0
	if _, ok := f.installed.Switches[to.Switch]; !ok {
		return nil, Forwarded, fmt.Errorf("switch %v: %w", to.Switch, errNotInState)
	}
	if b, ok := f.installed.Bindings[to.At]; to.At.Port != "" && (!ok || b.Switch != to.Switch || !f.devices[to.At.Port]) {
		return nil, Forwarded, fmt.Errorf("binding %v: %w", to.At, errNotInState)
	}
	if why := f.guardRouter(to.Switch, to.Hop, intent.Egress, fr); why != Forwarded {
		return nil, why, nil
	}
	switch {
	case to.At.Port != "":
		outs, why := f.deliver(nil, to.At, fr)
		return outs, why, nil
	case to.Tunnel.Peer.IsValid():
		if !f.tunnelsWork() {
			return nil, NoTunnel, nil
		}
		return f.encapsulate(nil, to.Tunnel, fr), Forwarded, nil
	}
	outs, why := f.sendToAll(fr, to)
	return outs, why, nil
}

// sendToAll sends to whom frames of unknown destination get, whether or not the switch floods those.
func (f *Fabric) sendToAll(fr frame, to plane.Destination) (outs []Out, why Drop) {
	nobody := true
	for _, at := range f.members[to.Switch] {
		if at == to.Except {
			continue
		}
		nobody = false
		if f.installed.Bindings[at].Role == intent.Standby {
			continue
		}
		outs, why = f.deliver(outs, at, fr)
		f.countSent(why)
	}
	for _, t := range f.installed.Floods[intent.FloodKey{Switch: to.Switch, MAC: intent.UnknownDst}] {
		nobody = false
		outs = f.encapsulate(outs, t, fr)
	}
	if nobody {
		return nil, NoDestination
	}
	return outs, Forwarded
}

// countSent counts a drop of what has come in nowhere.
func (f *Fabric) countSent(why Drop) {
	if why != Forwarded {
		f.drops[string(why)]++
	}
}

// UsedNeighbors implements plane.NeighborUser.
func (p *Plane) UsedNeighbors(_ context.Context, keys []intent.IPKey, within time.Duration) []bool {
	used := make([]bool, len(keys))
	unlock, err := p.use()
	if err != nil {
		return used
	}
	defer unlock()
	now := p.fabric.opts.Now()
	for i, key := range keys {
		at, ok := p.fabric.used[key]
		used[i] = ok && now.Sub(at) <= within
	}
	return used
}

// isProbing says that an address is the one by which the VTEP asks hosts of a switch, which has no router, whether
// they are there.
func (f *Fabric) isProbing(id intent.SwitchID, mac intent.MAC) bool {
	ls := f.installed.Switches[id]
	return ls.Probe && ls.Router == (intent.RouterID{}) && mac == f.installed.ARPSource && !mac.IsZero()
}

// takeAnswer takes what a host at a port sends to that address: who it is from has been learned.
func takeAnswer(fr frame) Drop {
	if !fr.tagged() && (fr.etherType() == packet.EtherARP || packet.IsND(fr)) {
		return Forwarded
	}
	return NoDestination
}
