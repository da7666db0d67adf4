package ebpf

import (
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// A link that was lost and is back is as good as lost: who was behind the port may be elsewhere now. Nobody hears of it while
// there is no process, and the kernel may tell of both at once. But it counts, and what the count was is kept with the
// device: in its flags, the last bits of the number, and that they are there, which earlier versions have not written.
const (
	deviceCounted    = 1 << 1
	deviceLossShift  = 2
	deviceLosses     = 1<<6 - 1
	deviceLossesMask = deviceCounted | deviceLosses<<deviceLossShift
)

// lossFlags are the flags of a device that has lost its link so often.
func lossFlags(losses uint32) uint32 { return deviceCounted | losses&deviceLosses<<deviceLossShift }

// noteLosses puts what is known of a device into its flags.
func (p *Plane) noteLosses(index int, flags uint32) uint32 {
	return lossesIn(p.devices, index, flags)
}

// lossesIn puts what is known among devices of one into its flags.
func lossesIn(devices host.Devices, index int, flags uint32) uint32 {
	if n, ok := devices.Losses[index]; ok {
		return flags&^deviceLossesMask | lossFlags(n)
	}
	return flags
}

// lossesAre takes a device's count from a message, after the rest of it. It was up until then, or not.
func (p *Plane) lossesAre(index int, n uint32, wasUp bool) {
	before, known := p.devices.Losses[index]
	if known && int32(n-before) <= 0 {
		return // or it is older than what was read
	}
	p.devices.Losses[index] = n
	prt := p.portOf(index)
	if prt == nil {
		return
	}
	if known && wasUp && prt.state.Up {
		p.tellBounced(prt)
	}
	if dev := p.tDevices.Want.Get(uint32(index)); prt.attached == index {
		p.tDevices.Set(uint32(index), layout.Device{Port: dev.Port, Flags: p.noteLosses(index, dev.Flags)})
		p.repair()
	}
}

// lossesSince takes a device's count, and what it was before all were read anew.
func (p *Plane) lossesSince(index int, before host.Devices) {
	n, counted := p.devices.Losses[index]
	if was, known := before.Losses[index]; known && counted {
		p.devices.Losses[index] = was
		p.lossesAre(index, n, before.ByIndex[index].Up)
	}
}

// lostUnseen says whether a device has lost its link since its flags were written.
func (p *Plane) lostUnseen(index int, flags uint32) bool {
	n, ok := p.devices.Losses[index]
	return ok && flags&deviceCounted != 0 && flags&deviceLossesMask != lossFlags(n)
}

// tellBounced tells that a port was without link, and what it is now.
func (p *Plane) tellBounced(prt *port) {
	p.queue.add(plane.PortChanged{Name: prt.Name, Exists: true})
	p.queue.add(prt.state)
}
