package ebpf

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// segment reads whether a VTEP is attached to the segment of a port, as the programs ask it of what comes from there.
func (r *reading) segment(name string, ip netip.Addr) {
	dev, _ := look[uint32, layout.Device](r, r.p.objs.Devices, uint32(r.p.devices.Named(name).Index))
	if _, ok := look[layout.SegmentKey, uint32](r, r.p.objs.Segments, layout.SegmentKey{Port: dev.Port, IP: layout.AddressOf(ip)}); ok && dev.Port != 0 {
		r.into.Segments[name] = intent.Segment{ip}
	}
}
