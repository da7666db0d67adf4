package agent

import (
	"github.com/vtep/vtep/internal/neighbor"
	"github.com/vtep/vtep/internal/problem"
)

// tellFull tells from where routers are asked for more neighbors, or answered by more, than they take from one place.
func (a *Agent) tellFull(full []neighbor.Full) {
	var list []problem.Problem
	for _, f := range full {
		p := problem.Problem{Kind: problem.NeighborLimit, Object: problem.LogicalSwitch(a.compiler.State().Switches[f.Switch].Name)}
		if f.At.Port != "" {
			p.Object = problem.PortVLAN(f.At.Port, f.At.VLAN)
		}
		if f.Answers {
			p.Text = "hosts there have answered for so many addresses that routers take no more of them, and drop packets to others that they answer for (no_neighbor)"
			p.Remedy = "look for what answers for addresses that it does not have; where a router does, have a route to it (static_routes)"
		} else {
			p.Text = "packets come from there to so many addresses at once of which nobody is known that routers ask for no more, and drop them (no_neighbor)"
			p.Remedy = "look for what sends to addresses that nobody has"
		}
		list = append(list, p)
	}
	a.opts.Problems.Replace("neighbors", list...)
}
