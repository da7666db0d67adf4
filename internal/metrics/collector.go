package metrics

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/problem"
)

// mostSeries bounds how many ports, switches, tunnels, controllers and entries of ACLs have series of their own. Those
// that come first by name have.
const mostSeries = 5000

// collector makes metrics of a snapshot, each time that it is asked.
type collector struct {
	source Source
	ctx    context.Context
	descs  map[*family]*prometheus.Desc
}

func newCollector(ctx context.Context, source Source) *collector {
	return &collector{source: source, ctx: ctx, descs: descsOf(families)}
}

func descsOf(families []*family) map[*family]*prometheus.Desc {
	descs := make(map[*family]*prometheus.Desc, len(families))
	for _, f := range families {
		descs[f] = f.desc()
	}
	return descs
}

func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range families {
		to <- c.descs[f]
	}
}

// Collect takes a snapshot. One that can't be had fails the request.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s, err := c.source(c.ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(c.descs[state], fmt.Errorf("gather the metrics: %w", err))
		return
	}
	w := &writer{c.descs, to}
	w.set(info, 1, s.Version, s.Kernel, s.Plane, s.Agent.Switch)
	for _, known := range agent.States() {
		w.set(state, flag(s.Agent.State == known), string(known))
	}
	w.ports(&s.Agent)
	w.xdp(&s.Agent)
	w.switches(&s.Agent)
	w.tunnels(&s.Agent)
	w.macs(&s.Agent)
	w.acls(s.ACLs)
	w.problems(s.Problems)
	w.database(&s)
	w.histogram(commitToPlane, s.Agent.CommitToPlane)
	w.histogram(frameToRow, s.Agent.FrameToRow)
}

// writer hands out metrics.
type writer struct {
	descs map[*family]*prometheus.Desc
	to    chan<- prometheus.Metric
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (w *writer) set(f *family, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if f.counter {
		kind = prometheus.CounterValue
	}
	for i, l := range labels { // a name of a row may be any bytes
		labels[i] = valid(l)
	}
	m, err := prometheus.NewConstMetric(w.descs[f], kind, value, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(w.descs[f], err)
	}
	w.to <- m
}

func (w *writer) histogram(f *family, l agent.Latency) {
	buckets := map[float64]uint64{}
	for _, b := range l.Buckets {
		buckets[b.LE] = b.Count
	}
	m, err := prometheus.NewConstHistogram(w.descs[f], l.Count, l.Sum, buckets)
	if err != nil {
		m = prometheus.NewInvalidMetric(w.descs[f], err)
	}
	w.to <- m
}

// some returns those of a list that have series of their own, each name once, and tells how many have not.
func some[T any](w *writer, f *family, of string, list []T, name func(T) string) []T {
	seen := make(map[string]bool, min(len(list), mostSeries))
	kept := list[:0:0]
	for _, o := range list {
		if n := valid(name(o)); len(kept) < mostSeries && !seen[n] {
			seen[n] = true
			kept = append(kept, o)
		}
	}
	w.set(f, float64(len(list)-len(kept)), of)
	return kept
}

func (w *writer) ports(s *agent.Status) {
	count := map[string]float64{"up": 0, "down": 0, "refused": 0}
	bound := 0
	for _, p := range s.Ports {
		count[p.State]++
		bound += p.Bindings
	}
	for state, n := range count {
		w.set(ports, n, state)
	}
	w.set(bindings, float64(bound))
	for _, p := range some(w, leftOut, "ports", s.Ports, func(p agent.PortStatus) string { return p.Name }) {
		w.set(portUp, flag(p.State == "up"), p.Name)
		w.set(portBindings, float64(p.Bindings), p.Name)
		w.set(portMACs, float64(p.MACs), p.Name)
		w.set(portInFrames, float64(p.InPackets), p.Name)
		w.set(portInBytes, float64(p.InBytes), p.Name)
		w.set(portOut, float64(p.OutPackets), p.Name)
		w.set(portOutBytes, float64(p.OutBytes), p.Name)
	}
}

func (w *writer) xdp(s *agent.Status) {
	for _, result := range []string{"encapsulated", "decapsulated", "bridged", "passed"} {
		w.set(xdpFrames, float64(s.XDPFrames[result]), result)
	}
}

func (w *writer) switches(s *agent.Status) {
	w.set(switches, float64(len(s.Switches)))
	for _, o := range some(w, leftOut, "logical_switches", s.Switches, func(o agent.SwitchStatus) string { return o.Name }) {
		w.set(switchInfo, 1, o.Name, fmt.Sprint(o.VNI))
		w.set(switchBindings, float64(o.Bindings), o.Name)
		w.set(switchLocals, float64(o.LocalMACs), o.Name)
		w.set(switchRemotes, float64(o.RemoteMACs), o.Name)
		w.set(switchPeers, float64(o.Peers), o.Name)
	}
}

// bfdStates are the states of RFC 5880, by their numbers.
var bfdStates = []string{"admin_down", "down", "init", "up"}

func (w *writer) tunnels(s *agent.Status) {
	count := map[string]float64{"up": 0, "down": 0}
	for _, o := range s.Tunnels {
		count[o.State]++
	}
	for state, n := range count {
		w.set(tunnels, n, state)
	}
	for _, o := range some(w, leftOut, "tunnels", s.Tunnels, func(o agent.TunnelStatus) string { return o.Remote }) {
		w.set(tunnelUp, flag(o.State == "up"), o.Remote)
		w.set(tunnelVNIs, float64(o.VNIs), o.Remote)
		if t := o.TrafficStatus; t != nil {
			w.set(tunnelInFrames, float64(t.InPackets), o.Remote)
			w.set(tunnelInBytes, float64(t.InBytes), o.Remote)
			w.set(tunnelOut, float64(t.OutPackets), o.Remote)
			w.set(tunnelOutBytes, float64(t.OutBytes), o.Remote)
		}
		if o.BFD != nil {
			w.set(bfdUp, flag(o.BFD.Forwarding), o.Remote)
			w.set(bfdState, float64(max(slices.Index(bfdStates, o.BFD.State), 0)), o.Remote)
			w.set(bfdFlaps, float64(o.BFD.Flaps), o.Remote)
		}
	}
}

func (w *writer) macs(s *agent.Status) {
	w.set(floodSets, float64(s.Floods))
	w.set(learned, float64(s.MACs.Entries))
	w.set(learnLimit, float64(s.MACs.Limit))
	w.set(remotes, float64(s.MACs.Remote))
	w.set(macsLearned, float64(s.MACs.Learned))
	w.set(macsMoved, float64(s.MACs.Moved))
	w.set(macsAged, float64(s.MACs.Aged))
	w.set(macsEvicted, float64(s.MACs.Evicted))
	w.set(memberships, float64(s.Groups.Memberships))
	w.set(groupMessages, float64(s.Groups.Queries), "query")
	w.set(groupMessages, float64(s.Groups.Reports), "report")
	w.set(groupMessages, float64(s.Groups.Hellos), "hello")
	for why, n := range s.Groups.Ignored {
		w.set(groupIgnored, float64(n), why)
	}
	w.set(groupRefused, float64(s.Groups.Refused))
	for _, d := range s.Drops {
		w.set(dropped, float64(d.Total), d.Reason)
	}
}

// aclEntry is an entry of an ACL, by the labels that it has.
type aclEntry struct {
	labels [4]string
	agent.ACLEntry
}

func (w *writer) acls(list agent.ACLs) {
	w.set(acls, float64(len(list)))
	var all []aclEntry
	for _, a := range list {
		add := func(direction string, entries []agent.ACLEntry) {
			for _, e := range entries {
				all = append(all, aclEntry{[4]string{a.Name, direction, fmt.Sprint(e.Sequence), e.UUID}, e})
			}
		}
		add("ingress", a.Ingress)
		add("egress", a.Egress)
	}
	for _, e := range some(w, leftOut, "acl_entries", all, func(e aclEntry) string { return e.labels[0] + " " + e.UUID }) {
		w.set(aclFrames, float64(e.Packets), e.labels[:]...)
		w.set(aclBytes, float64(e.Bytes), e.labels[:]...)
	}
}

func (w *writer) problems(list []problem.Problem) {
	count := map[problem.Kind]int{}
	for _, p := range list {
		count[p.Kind]++
	}
	for _, kind := range problem.Kinds() {
		class := "refusal"
		if kind.Doubt() {
			class = "doubt"
		}
		w.set(problems, float64(count[kind]), string(kind), class)
	}
}

func (w *writer) database(s *Snapshot) {
	w.set(dbConnected, flag(s.Connected))
	if u := s.Database; u != nil {
		w.set(dbSessions, float64(u.Sessions))
		w.set(dbRows, float64(u.Rows))
		w.set(dbMonitors, float64(u.Monitors))
		w.set(dbQueued, float64(u.Queued))
		w.set(dbBytes, float64(u.Bytes))
		w.set(dbRequests, float64(u.Requests))
		w.set(dbCommits, float64(u.Commits))
		w.set(dbCompactions, float64(u.Compactions))
	}
	for _, o := range some(w, leftOut, "controllers", s.Controllers, func(o Controller) string { return o.Target }) {
		w.set(ctlConnected, flag(o.Connected), o.Target)
		w.set(ctlSessions, float64(o.Sessions), o.Target)
	}
}
