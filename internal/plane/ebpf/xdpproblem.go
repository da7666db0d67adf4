package ebpf

import (
	"github.com/vtep/vtep/internal/problem"
)

// nativeProblems says which devices lack what --xdp=require asks for.
func (p *Plane) nativeProblems() (list []problem.Problem) {
	if p.opts.XDP != XDPRequire || p.showing != nil {
		return nil
	}
	tell := func(object string, index int) {
		way := p.pathOf(index)
		text := ""
		switch {
		case !way.In.XDP:
			text = "what comes by it is handled at TC: " + way.In.Why
		case !way.Out.XDP:
			text = "what is for it is handled at TC: " + way.Out.Why
		default:
			return
		}
		list = append(list, problem.Problem{Kind: problem.NoXDP, Object: object, Text: text,
			Remedy: "see to that, or run the VTEP with --xdp=auto"})
	}
	for name, prt := range p.ports {
		if prt.attached != 0 {
			tell(problem.Port(name), prt.attached)
		}
	}
	for index := range p.ways {
		tell(problem.Device(p.nameOf(uint32(index))), index)
	}
	return list
}
