package agent

import (
	"cmp"
	"context"
	"slices"

	"github.com/vtep/vtep/internal/plane"
)

// PathStatus says where known unicast of a device is handled: "xdp", in its driver, or "tc".
type PathStatus struct {
	Device string `json:"device"`
	Role   string `json:"role"` // "port" or "underlay"
	In     string `json:"in"`   // what comes by it
	InWhy  string `json:"in_why"`
	Out    string `json:"out"` // what leaves by it, as far as it comes by "xdp"
	OutWhy string `json:"out_why"`
}

// paths asks the plane, if it has more than one.
func (a *Agent) paths(ctx context.Context) (list []PathStatus, frames map[string]uint64, err error) {
	list = []PathStatus{}
	shower, ok := a.opts.Plane.(plane.PathShower)
	if !ok {
		return list, nil, nil
	}
	all, err := shower.Paths(ctx)
	if err != nil {
		return list, nil, err
	}
	for role, of := range map[string]map[string]plane.Path{"port": all.Ports, "underlay": all.Underlay} {
		for name, p := range of {
			list = append(list, PathStatus{name, role, hookOf(p.In), p.In.Why, hookOf(p.Out), p.Out.Why})
		}
	}
	slices.SortFunc(list, func(p, q PathStatus) int { return cmp.Or(cmp.Compare(p.Role, q.Role), cmp.Compare(p.Device, q.Device)) })
	return list, all.Frames, nil
}

func hookOf(p plane.Place) string {
	if p.XDP {
		return "xdp"
	}
	return "tc"
}
