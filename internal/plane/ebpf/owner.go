package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// attachable are the names of those that devices get.
var attachable = []string{"vtep_port", "vtep_overlay", "vtep_underlay"}

// checkOwner refuses pins whose programs run on devices of another network namespace: the
// same interface numbers mean other devices there.
func (p *Plane) checkOwner() error {
	if !p.pins.Elsewhere() {
		if err := p.objs.Config.Lookup(uint32(0), &p.settings); err != nil {
			return fmt.Errorf("read map config: %w", err)
		}
		p.whole = p.settings.Flags&layout.ConfigWhole != 0
		return nil
	}
	alive, err := p.attached.Forwarding([]*ebpf.Program{p.objs.VtepPort, p.objs.VtepOverlay, p.objs.VtepUnderlay}, attachable)
	if err != nil {
		return err
	}
	if alive {
		return fmt.Errorf("the pins in %s belong to a VTEP in another network namespace: give this one another name or pin directory", p.pins.Dir)
	}
	// That namespace is gone, and with it everything the maps speak of.
	if err := p.pins.Remove(); err != nil {
		return err
	}
	p.objs.set().Close()
	p.pins.Close()
	if p.pins, err = kernel.OpenPins(p.opts.PinDir, p.space.Inode); err != nil {
		return err
	}
	p.attached.Pins = p.pins
	return p.pins.Load(p.opts.source(p.startSizes()), p.objs.set())
}

// mayShare names the program that VTEPs with other UDP ports have on the same devices of the underlay: what is not
// for one of them goes on to the next.
func (p *Plane) mayShare(prog *ebpf.Program) string {
	if prog == p.objs.VtepUnderlay {
		return "vtep_underlay"
	}
	return ""
}
