package plane

import "context"

// PathShower is a Plane that can handle known unicast in the drivers of devices, by native XDP. It may be asked by any
// goroutine.
type PathShower interface {
	// Paths says where the frames of each device are handled.
	Paths(ctx context.Context) (Paths, error)
}

// Paths is where frames are handled.
type Paths struct {
	Ports    map[string]Path   // by name; those that have a device
	Underlay map[string]Path   // by name of the device by which peers are reached
	Frames   map[string]uint64 // by XDP, since the process began: "encapsulated", "decapsulated", "bridged"; and "passed" on to TC; nil: there is none
}

// Path is where the frames of a device are handled.
type Path struct {
	In  Place // those that come by it
	Out Place // those that leave by it, and whose other device has XDP
}

// Place is one of the hooks of the kernel.
type Place struct {
	XDP bool   // native XDP; else TC
	Why string // it is TC
}
