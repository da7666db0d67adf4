package ebpf

import (
	"context"
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// nativeCounts are the names of enum native_count.
var nativeCounts = [layout.NativeCounts]string{
	layout.NativeEncapsulated: "encapsulated", layout.NativeDecapsulated: "decapsulated", layout.NativeBridged: "bridged", layout.NativePassed: "passed",
}

// Paths implements plane.PathShower.
func (p *Plane) Paths(context.Context) (plane.Paths, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return plane.Paths{}, errClosed
	}
	all := plane.Paths{Ports: map[string]plane.Path{}, Underlay: map[string]plane.Path{}}
	for name, prt := range p.ports {
		if prt.attached != 0 {
			all.Ports[name] = p.pathOf(prt.attached)
		}
	}
	for index := range p.ways {
		if index != 0 {
			all.Underlay[p.nameOf(uint32(index))] = p.pathOf(index)
		}
	}
	if p.native.maps == nil {
		return all, nil
	}
	all.Frames = map[string]uint64{}
	for i, name := range nativeCounts {
		var cpus []uint64
		if err := p.native.maps.Counts.Lookup(uint32(i), &cpus); err != nil {
			return all, fmt.Errorf("ebpf plane: read map native_counts: %w", err)
		}
		for _, n := range cpus {
			all.Frames[name] += n
		}
	}
	return all, nil
}

var (
	errCaptured  = errors.New("frames are captured")
	errNoProgram = errors.New("no program of the short way in runs on it")
)

// pathOf says where the frames of a device are handled.
func (p *Plane) pathOf(index int) plane.Path {
	in, out := p.native.err, p.native.err
	d := p.native.devices[index]
	switch {
	case in != nil:
	case p.showing != nil:
		in, out = errCaptured, errCaptured
	case d == nil:
		in, out = errNoProgram, errNoProgram
	default:
		in, out = d.in, d.out
	}
	return plane.Path{In: placeOf(in), Out: placeOf(out)}
}

func placeOf(why error) plane.Place {
	if why == nil {
		return plane.Place{XDP: true}
	}
	return plane.Place{Why: why.Error()}
}
