package agent

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// tellProblems tells what has changed of what is wrong with rows.
func (a *Agent) tellProblems() {
	if gone, came := a.compiler.TakeProblems(); len(gone)+len(came) > 0 {
		a.opts.Problems.Change(gone, came)
	}
}

// tellReport tells what is wrong in the dataplane.
func (a *Agent) tellReport(r plane.Report, err error) {
	list := problemsOf(a.opts.Name, r)
	if err != nil {
		list = append(list, problem.Problem{Kind: problem.Unsettled, Object: problem.PhysicalSwitch(a.opts.Name),
			Text: "forwarding is not as it should be: " + err.Error(), Remedy: "it is tried again and again; the cause has to go"})
	}
	a.opts.Problems.Replace("plane", list...)
}

// problemsOf makes problems of a report. What follows from another is not told again: the
// bindings of a port that has no device.
func problemsOf(name string, r plane.Report) []problem.Problem {
	list := slices.Clone(r.Problems)
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
		add(problem.Peer(peer), r.Peers[peer], problem.NoRoute)
	}
	if r.Tunnels != nil {
		add(problem.PhysicalSwitch(name), r.Tunnels, problem.TunnelsRefused)
	}
	for _, table := range slices.Sorted(maps.Keys(r.Full)) {
		add(problem.PhysicalSwitch(name), r.Full[table], problem.TableFull)
	}
	return list
}
