package metrics

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vtep/vtep/internal/evpn"
	"github.com/vtep/vtep/internal/httpserve"
)

// EVPNSource gives the status of a bridge with a fabric of EVPN. It is called once for each request, and by any goroutine.
type EVPNSource func(context.Context) (evpn.Status, error)

// evpnFamilies are all that "vtep evpn" has beside those of the process and of Go's runtime. The table of docs/evpn.md is
// about these.
var evpnFamilies []*family

func ofEVPN(f *family) *family {
	f.name = "vtep_evpn_" + f.name
	evpnFamilies = append(evpnFamilies, f)
	return f
}

func evpnGauge(name, help string, labels ...string) *family {
	return ofEVPN(&family{name, help, false, labels})
}

func evpnCounter(name, help string, labels ...string) *family {
	return ofEVPN(&family{name, help, true, labels})
}

var (
	evpnInfo       = evpnGauge("info", "Always 1; its labels say what runs.", "version", "as", "router_id")
	evpnState      = evpnGauge("state", "1 for the state that the bridge is in, 0 for the others.", "state")
	evpnUp         = evpnGauge("neighbor_up", "Whether there is a BGP session with the neighbor.", "neighbor")
	evpnRoutes     = evpnGauge("neighbor_routes", "Routes that the neighbor announces.", "neighbor")
	evpnFlaps      = evpnCounter("neighbor_session_ends_total", "How often a session with the neighbor has ended.", "neighbor")
	evpnIgnored    = evpnCounter("neighbor_ignored_total", "What was left out of the neighbor's messages: routes and communities that nobody here can read.", "neighbor")
	evpnAnnounced  = evpnGauge("announced_routes", "Routes that are announced.")
	evpnRefused    = evpnGauge("refused_routes", "Routes of neighbors that become no rows, by the reason as of \"evpn/status\".", "reason")
	evpnSwitches   = evpnGauge("logical_switches", "Logical switches that are part of the fabric.")
	evpnLocal      = evpnGauge("logical_switch_local_macs", "MACs of the logical switch that are announced.", "logical_switch")
	evpnRemote     = evpnGauge("logical_switch_remote_macs", "MACs of the logical switch that others announce.", "logical_switch")
	evpnVTEPs      = evpnGauge("logical_switch_vteps", "VTEPs that others announce in the logical switch.", "logical_switch")
	evpnDuplicates = evpnGauge("duplicate_macs", "MACs that are left to other VTEPs for a time since they go to and fro.")
	evpnPrefixes   = evpnGauge("router_prefixes", "Prefixes of the router, by whether they are announced (local) or of others (remote).", "router", "of")
	evpnSegments   = evpnGauge("segment_ports", "Ports that are links of Ethernet segments, by whether this VTEP is the designated forwarder for their networks.", "state")
	evpnFaults     = evpnGauge("faults", "Logical switches, routers and ports with something that is wrong for the fabric.")
	evpnPending    = evpnGauge("pending", "MACs and logical switches whose rows have to be looked at.")
	evpnWritten    = evpnCounter("rows_written_total", "Rows that were inserted, changed or deleted.")
	evpnDone       = evpnCounter("transactions_total", "Transactions that succeeded.")
	evpnFailed     = evpnCounter("transactions_failed_total", "Transactions that failed, and were made anew.")
	evpnLeftOut    = evpnGauge("series_left_out", "Logical switches and routers that have no series of their own, because there are too many.", "of")
)

// ListenEVPN serves the metrics of a bridge over HTTP until the server is closed.
func ListenEVPN(o httpserve.Options, version string, source EVPNSource) (*httpserve.Server, error) {
	return listen(o, func(ctx context.Context) (prometheus.Collector, health) {
		return &evpnCollector{version, source, ctx, descsOf(evpnFamilies)}, func(ctx context.Context) (string, bool, error) {
			s, err := source(ctx)
			state := evpnStateOf(s)
			return state, state == "active", err
		}
	})
}

// evpnStates are those of a bridge: it is ready in the first.
var evpnStates = []string{"active", "waiting", "standby", "connecting"}

func evpnStateOf(s evpn.Status) string {
	if s.Database == "active" && !s.Announcing {
		return "waiting" // for the routes of neighbours
	}
	return s.Database
}

// evpnCollector makes metrics of a status, each time that it is asked.
type evpnCollector struct {
	version string
	source  EVPNSource
	ctx     context.Context
	descs   map[*family]*prometheus.Desc
}

func (c *evpnCollector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range evpnFamilies {
		to <- c.descs[f]
	}
}

// Collect takes a status. One that can't be had fails the request.
func (c *evpnCollector) Collect(to chan<- prometheus.Metric) {
	s, err := c.source(c.ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(c.descs[evpnState], fmt.Errorf("gather the metrics: %w", err))
		return
	}
	w := &writer{c.descs, to}
	w.set(evpnInfo, 1, c.version, fmt.Sprint(s.AS), s.RouterID)
	for _, known := range evpnStates {
		w.set(evpnState, flag(evpnStateOf(s) == known), known)
	}
	for _, n := range s.Neighbors {
		w.set(evpnUp, flag(n.State == "established"), n.Address)
		w.set(evpnRoutes, float64(n.Routes), n.Address)
		w.set(evpnFlaps, float64(n.Flaps), n.Address)
		ignored := uint64(0)
		for _, times := range n.Ignored {
			ignored += times
		}
		w.set(evpnIgnored, float64(ignored), n.Address)
	}
	w.set(evpnAnnounced, float64(s.Announced))
	for _, why := range slices.Sorted(maps.Keys(s.Refused)) {
		w.set(evpnRefused, float64(s.Refused[why]), why)
	}
	w.fabric(&s)
	w.set(evpnPending, float64(s.Pending))
	w.set(evpnWritten, float64(s.Rows))
	w.set(evpnDone, float64(s.Transactions))
	w.set(evpnFailed, float64(s.Failures))
}

// fabric is what takes part.
func (w *writer) fabric(s *evpn.Status) {
	part, duplicates, faults := 0, 0, 0
	for _, n := range s.Switches {
		if n.VNI != 0 {
			part++
		}
		if duplicates += len(n.Duplicates); n.Fault != "" {
			faults++
		}
	}
	for _, r := range s.Routers {
		if r.Fault != "" {
			faults++
		}
	}
	ports := map[string]int{}
	for _, p := range s.Ports {
		if ports[p.State]++; p.Fault != "" {
			faults++
		}
	}
	for _, state := range evpn.PortStates {
		w.set(evpnSegments, float64(ports[state]), state)
	}
	w.set(evpnSwitches, float64(part))
	w.set(evpnDuplicates, float64(duplicates))
	w.set(evpnFaults, float64(faults))
	for _, n := range some(w, evpnLeftOut, "logical_switches", s.Switches, func(n evpn.SwitchStatus) string { return n.Name }) {
		w.set(evpnLocal, float64(n.Local), n.Name)
		w.set(evpnRemote, float64(n.Remote), n.Name)
		w.set(evpnVTEPs, float64(len(n.VTEPs)), n.Name)
	}
	for _, r := range some(w, evpnLeftOut, "routers", s.Routers, func(r evpn.RouterStatus) string { return r.Name }) {
		w.set(evpnPrefixes, float64(r.Local), r.Name, "local")
		w.set(evpnPrefixes, float64(r.Remote), r.Name, "remote")
	}
}
