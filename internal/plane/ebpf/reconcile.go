package ebpf

import (
	"errors"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// reconcile makes everything equal to next, whatever is there now: it reads all maps, says
// anew what must be in them, and writes the differences.
func (p *Plane) reconcile(next *intent.State) error {
	before := p.devices
	if err := p.loadDevices(); err != nil {
		return err
	}
	if err := p.loadNumbers(); err != nil {
		return err
	}
	p.readAhead()
	was := p.portDevices()
	p.adopt()
	if p.remembered == nil {
		p.remembered = map[intent.SwitchID]bool{}
		if p.whole {
			p.remembered = p.contents.Adopted.Switches()
		}
	}
	p.tRemotes.Anew(next.Unicast.Len())
	p.stage(next, intent.Whole(next))
	for name, prt := range p.ports {
		p.tellReplaced(name, was[name], prt.Device)
		index := uint32(prt.Device)
		dev, had := p.contents.Adopted.Devices[index]
		flags := dev.Flags
		if was[name] == prt.Device {
			flags = lossesIn(before, prt.Device, flags) // what was told since is in no map if the change before has failed
		}
		if p.lostUnseen(prt.Device, flags) {
			p.tellBounced(prt)
		}
		if had && index != 0 {
			p.tDevices.Set(index, dev) // what was set on it is known until it is attached, which may take a while, or detached
		}
	}
	// Who gets a slot next has to know that it was used: what was counted and learned there is
	// none of its.
	for slot, m := range p.tMembers.Have {
		if p.contents.BySlot[slot] == nil {
			p.tMembers.Set(slot, layout.Member{Gen: m.Gen})
		}
	}
	if err := p.compareAll(); err != nil {
		return err
	}
	p.tDevices.Gone = nil // they are written when they are attached, removed when they are detached
	p.contents.Stale = true
	devices := p.tDevices.Have
	p.forgetAll()
	err := p.install()
	p.contents.Adopted = layout.Adopted{} // numbers given back may have other owners from now on
	if err != nil {
		return err
	}
	return errors.Join(p.detachUnwanted(devices), p.detachNatives(), p.pins.Prune(), p.pins.PruneStages(p.objs.Stages), p.keepPrograms(), p.recount(), p.clearWatched())
}

// portDevices are the devices of ports, as far as they have some.
func (p *Plane) portDevices() map[string]int {
	devices := make(map[string]int, len(p.ports))
	for name, prt := range p.ports {
		devices[name] = prt.Device
	}
	return devices
}

// loadAll reads all maps.
func (p *Plane) loadAll() error {
	var errs []error
	for _, t := range p.mapTables.all {
		errs = append(errs, t.Load())
	}
	return errors.Join(errs...)
}

// loadNumbers reads those that say which numbers are given out, and for what.
func (p *Plane) loadNumbers() error {
	var errs []error
	for _, t := range p.mapTables.all {
		if !p.mapTables.isPlain(t) {
			errs = append(errs, t.Load())
		}
	}
	return errors.Join(errs...)
}

// readAhead has the maps that compareAll compares read while it is said what is wanted in them.
func (p *Plane) readAhead() {
	for _, t := range p.mapTables.all {
		if p.mapTables.isPlain(t) {
			t.ReadAhead()
		}
	}
}

// compareAll stages what makes all maps equal to what is wanted: of those that were not read nothing is kept.
func (p *Plane) compareAll() error {
	var errs []error
	for _, t := range p.mapTables.all {
		if p.mapTables.isPlain(t) {
			errs = append(errs, t.Compare())
		} else {
			t.Diff()
		}
	}
	return errors.Join(errs...)
}

// forgetAll lets go of what was read.
func (p *Plane) forgetAll() {
	for _, t := range p.mapTables.all {
		t.Forget()
	}
}

// adopt empties the plane's memory and takes the numbers from what was read.
func (p *Plane) adopt() {
	p.contents.Adopt(p.settings.NextBD, layout.Limits{
		Members: p.objs.Members.MaxEntries(), Slots: min(p.limit("members"), p.limit("bindings")),
		Ports: p.objs.Quotas.MaxEntries(), Peers: min(p.limit("peers"), p.objs.Paths.MaxEntries()),
	}, p.deviceName)
	p.ports, p.unreachable, p.due = map[string]*port{}, map[netip.Addr]error{}, nil
	p.rerouted, p.coveredIn, p.retired, p.leaving, p.overlay.underlays = true, nil, nil, nil, nil
	p.adoptACLs()
}

// deviceName names a device that there is; "": there is none.
func (p *Plane) deviceName(ifindex uint32) string { return p.devices.ByIndex[int(ifindex)].Name }

// detachUnwanted lets go of the devices that an earlier process or State had as ports.
func (p *Plane) detachUnwanted(have map[uint32]layout.Device) error {
	var errs []error
	keep := map[int]bool{p.overlay.ifindex: true}
	for _, prt := range p.ports {
		keep[prt.Device] = true
	}
	for index := range p.overlay.underlays {
		keep[index] = true
	}
	for index, d := range have {
		if !keep[int(index)] {
			errs = append(errs, p.detachPort(int(index), d.Flags))
			err := p.objs.Devices.Delete(&index)
			if err != nil && !isMissing(err) {
				errs = append(errs, err)
			}
		}
	}
	indexes, err := p.attached.Linked()
	errs = append(errs, err)
	for _, i := range indexes {
		if !keep[i] {
			errs = append(errs, p.attached.UnpinLink(i))
		}
	}
	return errors.Join(errs...)
}
