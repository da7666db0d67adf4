package ebpf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

var errNotInState = errors.New("it is not in force")

// skbContext is the part of struct __sk_buff up to its control block.
type skbContext struct {
	_  [12]uint32
	Cb [5]uint32
	_  [124]byte // of its 192
}

// Send implements plane.Sender. A program sends the frame, by the same code as those of hosts.
func (p *Plane) Send(_ context.Context, frame []byte, to plane.Destination) error {
	if len(frame) < 14 {
		return errors.New("ebpf plane: send: the frame is shorter than its header")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	if err := p.send(frame, to); err != nil {
		return fmt.Errorf("ebpf plane: send: %w", err)
	}
	return nil
}

func (p *Plane) send(frame []byte, to plane.Destination) error {
	d := p.contents.ByUUID[to.Switch]
	if d == nil {
		return fmt.Errorf("switch %v: %w", to.Switch, errNotInState)
	}
	var ctx skbContext
	switch {
	case to.At.Port != "":
		b := p.contents.Bindings[to.At]
		if b == nil || b.Slot == 0 || b.Domain != d || b.Device == 0 {
			return fmt.Errorf("binding %v: %w", to.At, errNotInState)
		}
		ctx.Cb = [5]uint32{layout.SendMember, b.Slot, d.BD}
	case to.Tunnel.Peer.IsValid():
		pr := p.contents.Peers[to.Tunnel.Peer]
		if pr == nil {
			return fmt.Errorf("tunnel %v: %w", to.Tunnel, errNotInState)
		}
		ctx.Cb = [5]uint32{layout.SendTunnel, pr.Number, to.Tunnel.VNI}
	default:
		ctx.Cb = [5]uint32{layout.SendFlood, d.BD}
		if b := p.contents.Bindings[to.Except]; b != nil {
			ctx.Cb[2] = b.Slot
		}
	}
	if to.Hop.IsValid() {
		ctx.Cb[3] = p.contents.GuardOf(d, to.Hop)
	}
	return p.runSend(frame, &ctx, 1)
}

func (p *Plane) runSend(frame []byte, ctx *skbContext, times uint32) error {
	in, err := binary.Append(nil, binary.NativeEndian, ctx)
	if err != nil {
		return err
	}
	return p.space.Run(func() error {
		// Of what the kernel writes back only the verdict matters.
		verdict, err := p.objs.VtepSend.Run(&ebpf.RunOptions{Data: frame, Context: in, Repeat: times})
		if err != nil {
			return kernel.Explain("run a program", err)
		}
		if verdict != 0 {
			return plane.ErrDropped
		}
		return nil
	})
}

// NotSent implements plane.PuntKeeper.
func (p *Plane) NotSent(_ context.Context, at intent.BindingKey, n uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	if err := p.countNotSent(at, n); err != nil {
		return fmt.Errorf("ebpf plane: count what was not sent: %w", err)
	}
	return nil
}

func (p *Plane) countNotSent(at intent.BindingKey, n uint32) error {
	ctx := skbContext{Cb: [5]uint32{layout.SendNobody, layout.DropNoNeighbor}}
	if prt := p.ports[at.Port]; prt != nil && prt.Device != 0 {
		ctx.Cb[2], ctx.Cb[3] = layout.ByPort|uint32(at.VLAN), uint32(prt.Device)
	}
	return p.runSend(make([]byte, 14), &ctx, n)
}
