package main

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/problem"
)

// paths says where known unicast is handled: in one line where that is the same everywhere, as without XDP.
func (p *statusPage) paths(s *vtepStatus) {
	if len(s.Paths) == 0 {
		return
	}
	alike := func(o agent.PathStatus) agent.PathStatus { o.Device, o.Role = "", ""; return o }
	first, same := alike(s.Paths[0]), true
	rows := [][]string{{"DEVICE", "IS", "IN", "OUT"}}
	for _, o := range s.Paths {
		same = same && alike(o) == first
		rows = append(rows, []string{problem.Name(o.Device), o.Role, p.withWhy(o.In, o.InWhy), p.withWhy(o.Out, o.OutWhy)})
	}
	if same && first.In == first.Out && first.InWhy == first.OutWhy {
		fmt.Fprintf(&p.b, "\nknown unicast is handled by %s\n", p.withWhy(strings.ToUpper(first.In), first.InWhy))
	} else {
		p.table(rows)
	}
	if s.XDPFrames != nil {
		n := s.XDPFrames
		fmt.Fprintf(&p.b, "frames by XDP: %d encapsulated, %d decapsulated, %d between ports; %d left to TC\n",
			n["encapsulated"], n["decapsulated"], n["bridged"], n["passed"])
	}
}
