package agent

import (
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// publishProblems tells what has changed of what is wrong with rows. While forwarding does not
// follow them that is kept back: what they lack has no effect, and would hide the one cause.
func (a *Agent) publishProblems() {
	gone, came := a.compiler.TakeProblems()
	if a.frozen {
		a.keepBack(gone, -1)
		a.keepBack(came, 1)
		return
	}
	for p, n := range a.keptBack {
		for ; n > 0; n-- {
			came = append(came, p)
		}
		for ; n < 0; n++ {
			gone = append(gone, p)
		}
	}
	a.keptBack = nil
	if len(gone)+len(came) > 0 {
		a.opts.Problems.Change(gone, came)
	}
}

func (a *Agent) keepBack(list []problem.Problem, n int) {
	for _, p := range list {
		if a.keptBack == nil {
			a.keptBack = map[problem.Problem]int{}
		}
		if a.keptBack[p] += n; a.keptBack[p] == 0 {
			delete(a.keptBack, p)
		}
	}
}

// publishReport tells what is wrong in the dataplane.
func (a *Agent) publishReport(r plane.Report, err error) {
	list := problemsOf(a.opts.Name, r)
	if err != nil {
		list = append(list, problem.Problem{Kind: problem.Unsettled, Object: problem.PhysicalSwitch(a.opts.Name),
			Text: "forwarding is not as it should be: " + err.Error(), Remedy: "it is tried again and again; the cause has to go"})
	}
	a.opts.Problems.Replace("plane", list...)
}

// sameCause says whether an error is of a peer for what is told of the switch already.
func sameCause(peer, tunnels error) bool {
	var p, t *problem.Error
	return errors.As(peer, &p) && errors.As(tunnels, &t) && p.Kind == t.Kind
}

// problemsOf makes problems of a report. What follows from another is not told again: the
// bindings of a port that has no device.
func problemsOf(name string, r plane.Report) []problem.Problem {
	list := slices.Clone(r.Problems)
	if len(r.Ports)+len(r.Disturbed)+len(r.Bindings)+len(r.Peers)+len(r.Sessions)+len(r.ACLs)+len(r.Full) == 0 && r.Tunnels == nil {
		return list // as after nearly each Apply
	}
	add := func(object string, err error, otherwise problem.Kind) {
		list = append(list, problem.Of(object, err, otherwise))
	}
	for _, port := range slices.Sorted(maps.Keys(r.Ports)) {
		add(problem.Port(port), r.Ports[port], problem.PortRefused)
	}
	for _, port := range slices.Sorted(maps.Keys(r.Disturbed)) {
		add(problem.Port(port), r.Disturbed[port], problem.Disturbed)
	}
	for _, at := range slices.SortedFunc(maps.Keys(r.Bindings), intent.BindingKey.Compare) {
		if r.Ports[at.Port] == nil {
			add(problem.PortVLAN(at.Port, at.VLAN), r.Bindings[at], problem.BindingRefused)
		}
	}
	for _, peer := range slices.SortedFunc(maps.Keys(r.Peers), netip.Addr.Compare) {
		if !sameCause(r.Peers[peer], r.Tunnels) {
			add(problem.Peer(peer), r.Peers[peer], problem.NoRoute)
		}
	}
	for _, peer := range slices.SortedFunc(maps.Keys(r.Sessions), netip.Addr.Compare) {
		add(problem.Peer(peer), r.Sessions[peer], problem.NoBFD)
	}
	for _, id := range slices.SortedFunc(maps.Keys(r.ACLs), intent.ACLID.Compare) {
		add("ACL "+id.String(), r.ACLs[id], problem.BadACL)
	}
	if r.Tunnels != nil {
		add(problem.PhysicalSwitch(name), r.Tunnels, problem.TunnelsRefused)
	}
	for _, table := range slices.Sorted(maps.Keys(r.Full)) {
		add(problem.PhysicalSwitch(name), r.Full[table], problem.TableFull)
	}
	return list
}
