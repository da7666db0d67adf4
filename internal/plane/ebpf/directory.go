package ebpf

import (
	"sync"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// directory says what the numbers in events of the programs stand for. The learner and the punter look
// here, with a lock of its own that nobody holds for long: so they go on while Plane.mu is held, as by
// somebody who asks the kernel for routes.
type directory struct {
	mu       sync.Mutex                 // guards what follows
	switches map[uint32]intent.SwitchID // by bd
	slots    map[uint32]entered         // of the bindings that are on a device, in a switch
}

// entered is the present meaning of a slot.
type entered struct {
	at      intent.BindingKey
	bd, gen uint32
}

// switchOf gives the switch; false: it has gone.
func (d *directory) switchOf(bd uint32) (intent.SwitchID, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, ok := d.switches[bd]
	return id, ok
}

// sighting translates a MAC that was learned by the programs; ok is false if its binding
// has meanwhile gone.
func (d *directory) sighting(bd uint32, mac intent.MAC, slot, gen uint32) (_ plane.Sighting, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.slots[slot]
	if !ok || b.bd != bd || b.gen != gen {
		return plane.Sighting{}, false
	}
	return plane.Sighting{Key: intent.MACKey{Switch: d.switches[bd], MAC: mac}, At: b.at}, true
}

// publish brings the directory to what is staged, before the programs can tell of it.
func (p *Plane) publish() {
	d := &p.directory
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.contents.Unentered == nil { // everything is new
		d.switches, d.slots = map[uint32]intent.SwitchID{}, map[uint32]entered{}
		for bd, dom := range p.contents.Domains {
			d.switches[bd] = dom.ID
		}
		for slot := range p.contents.BySlot {
			p.enter(slot)
		}
	}
	for slot := range p.contents.Unentered {
		p.enter(slot)
	}
	for bd := range p.contents.Unnamed {
		if dom := p.contents.Domains[bd]; dom != nil {
			d.switches[bd] = dom.ID
		} else {
			delete(d.switches, bd)
		}
	}
	p.contents.Unentered, p.contents.Unnamed = map[uint32]struct{}{}, map[uint32]struct{}{}
}

// enter writes what a slot means now into the directory, whose lock is held.
func (p *Plane) enter(slot uint32) {
	if b := p.contents.BySlot[slot]; b != nil && b.Domain != nil && b.Device != 0 {
		p.directory.slots[slot] = entered{b.Key, b.Domain.BD, b.Gen}
	} else {
		delete(p.directory.slots, slot)
	}
}
