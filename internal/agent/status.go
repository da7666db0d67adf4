package agent

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/fdb"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Status is how the VTEP does, in numbers. Lists are in the order of their names.
type Status struct {
	Switch  string `json:"switch"`
	State   State  `json:"state"`
	Version string `json:"-"`

	TunnelIPs []string       `json:"tunnel_ips"`
	AnySource bool           `json:"accept_any_source"` // who sends need not be named by a row
	Ports     []PortStatus   `json:"ports"`
	Switches  []SwitchStatus `json:"logical_switches"`
	Tunnels   []TunnelStatus `json:"tunnels"`
	MACs      MACStatus      `json:"macs"`
	Floods    int            `json:"flood_sets"`
	Groups    GroupStats     `json:"groups"`
	Drops     []DropStatus   `json:"drops"`

	Paths     []PathStatus      `json:"paths"`
	XDPFrames map[string]uint64 `json:"xdp_frames"` // handled by native XDP since the process was started; null: there is none

	RatesOver float64 `json:"rates_over_seconds"` // what the rates of ports are over; 0: they are not known yet
	RoseOver  float64 `json:"rose_over_seconds"`  // what DropStatus.Rose is over; 0: it is not known yet

	CommitToPlane Latency `json:"commit_to_plane_seconds"` // from when a change of rows came to when the plane had it
	FrameToRow    Latency `json:"frame_to_row_seconds"`    // from when a new or moved MAC was told of to when its row was there
}

// State is what the agent is at, in a word.
type State string

// The states of an agent.
const (
	Starting  State = "starting"  // the database does not say yet what forwarding should be
	NoSwitch  State = "no_switch" // it has no row of the switch
	Standby   State = "standby"   // another process runs the switch
	Frozen    State = "frozen"    // forwarding does not follow the database
	Unsettled State = "unsettled" // the dataplane has not taken all of it yet
	Running   State = "running"
)

// States are all of them.
func States() []State { return []State{Starting, NoSwitch, Standby, Frozen, Unsettled, Running} }

// TrafficStatus is how many frames and bytes there were, and how many in a second, over Status.RatesOver. In is what comes
// from the hosts of a port, or from a peer, Out what goes to them.
type TrafficStatus struct {
	InPackets  uint64 `json:"in_packets"`
	InBytes    uint64 `json:"in_bytes"`
	OutPackets uint64 `json:"out_packets"`
	OutBytes   uint64 `json:"out_bytes"`

	InPacketRate  float64 `json:"in_packets_per_second"`
	InByteRate    float64 `json:"in_bytes_per_second"`
	OutPacketRate float64 `json:"out_packets_per_second"`
	OutByteRate   float64 `json:"out_bytes_per_second"`
}

// PortStatus is how a port does. Its traffic is that of its bindings together, former ones included.
type PortStatus struct {
	Name     string `json:"name"`
	State    string `json:"state"` // "up", "down", or "refused"
	Why      string `json:"why"`   // it is not up
	Bindings int    `json:"bindings"`
	MACs     int    `json:"macs"` // learned on it

	TrafficStatus
}

// SwitchStatus is what a logical switch has here.
type SwitchStatus struct {
	Name       string `json:"name"`
	UUID       string `json:"uuid"`
	VNI        uint32 `json:"vni"`
	Bindings   int    `json:"bindings"`
	LocalMACs  int    `json:"local_macs"`  // learned on ports
	RemoteMACs int    `json:"remote_macs"` // behind other VTEPs
	Peers      int    `json:"peers"`       // whose frames enter it
}

// TunnelStatus is how the tunnel to another VTEP does. Its traffic is counted inside of it, from when the process knows the
// peer.
type TunnelStatus struct {
	Local  string     `json:"local"`
	Remote string     `json:"remote"`
	VNIs   int        `json:"vnis"`
	State  string     `json:"state"` // "up" or "down"
	Why    string     `json:"why"`   // it is down
	BFD    *BFDStatus `json:"bfd"`   // null: there is no session

	*TrafficStatus // nil: the dataplane does not count by tunnel
}

// BFDStatus is what a session of BFD says, in the words of the column bfd_status.
type BFDStatus struct {
	Forwarding  bool   `json:"forwarding"`
	State       string `json:"state"`
	Diagnostic  string `json:"diagnostic"`
	RemoteState string `json:"remote_state"`
	Flaps       uint64 `json:"flaps"` // how often it stopped forwarding, since the process was started
}

// MACStatus is the table of learned MACs. The counters are since the process was started.
type MACStatus struct {
	Entries int    `json:"entries"`
	Limit   uint32 `json:"limit"`
	Remote  int    `json:"remote"` // MACs behind other VTEPs, which are not learned
	Learned uint64 `json:"learned"`
	Moved   uint64 `json:"moved"`
	Aged    uint64 `json:"aged"`
	Evicted uint64 `json:"evicted"`
}

// DropStatus is how many frames were dropped for one reason.
type DropStatus struct {
	Reason string `json:"reason"`
	Total  uint64 `json:"total"`
	Rose   uint64 `json:"rose"` // in the last minute; see Status.RoseOver
}

// Status tells how the VTEP does. It reads the counters; all else is known already.
func (a *Agent) Status(ctx context.Context) (Status, error) {
	// A large change keeps the counters from being read, too, however long: whoever asks is told before that.
	if _, err := ask(ctx, a, func(context.Context) (struct{}, error) { return struct{}{}, nil }); err != nil {
		return Status{}, err
	}
	_, now, err := a.totals.read(ctx, a.opts.Plane)
	if err != nil {
		return Status{}, err
	}
	paths, frames, err := a.paths(ctx)
	if err != nil {
		return Status{}, err
	}
	return ask(ctx, a, func(context.Context) (Status, error) {
		s := a.status(now)
		s.Paths, s.XDPFrames = paths, frames
		a.remember(now)
		return s, nil
	})
}

// Brief is a Status in a few numbers, that costs nothing.
type Brief struct {
	State                          State
	Ports, Switches, Tunnels, MACs int
}

// Brief tells how the VTEP does in a few numbers. It reads nothing from the dataplane.
func (a *Agent) Brief(ctx context.Context) (Brief, error) {
	return ask(ctx, a, func(context.Context) (Brief, error) {
		s := a.compiler.State()
		return Brief{a.state(), len(s.Ports), len(s.Switches), a.tally.peers.Len(), a.table.Len()}, nil
	})
}

func (a *Agent) status(now reading) Status {
	state, report := a.compiler.State(), a.reporter.Report()
	s := Status{Switch: a.opts.Name, State: a.state(), TunnelIPs: []string{}, AnySource: state.AcceptAnySource, Floods: len(state.Floods),
		CommitToPlane: a.commitToPlane.read(), FrameToRow: a.frameToRow.read()}
	for _, ip := range state.TunnelIPs.All() {
		s.TunnelIPs = append(s.TunnelIPs, ip.String())
	}
	s.Ports = a.portStatus(now, &s.RatesOver)
	s.Switches = switchStatus(state, &a.tally, a.table)
	s.Tunnels = a.tunnelStatus(state, report, now)
	counts := a.table.Counts()
	s.MACs = MACStatus{a.table.Len(), state.MACLimit, state.Unicast.Len(), counts.Learned, counts.Moved, counts.Aged, counts.Evicted}
	s.Groups = a.groupStats()
	s.Drops = a.dropStatus(now, &s.RoseOver)
	return s
}

func (a *Agent) state() State {
	_, present := a.compiler.Present()
	switch {
	case !a.owner && a.lockSeen:
		return Standby
	case !a.ready:
		return Starting
	case a.frozen:
		return Frozen
	case !present:
		return NoSwitch
	case !a.known:
		return Unsettled
	}
	return Running
}

func (a *Agent) portStatus(now reading, over *float64) []PortStatus {
	before, known := a.recent.rates(now.at)
	seconds := now.at.Sub(before.at).Seconds()
	if known {
		*over = seconds
	}
	all := []PortStatus{}
	for name := range a.compiler.State().Ports {
		p := PortStatus{Name: name, Bindings: a.tally.ports[name], MACs: a.table.OnPort(name), TrafficStatus: traffic(now.ports[name])}
		p.State, p.Why = a.seen.port(name)
		if was, had := before.ports[name]; known && had {
			p.since(was, seconds)
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(p, q PortStatus) int { return cmp.Compare(p.Name, q.Name) })
	return all
}

func switchStatus(s *intent.State, t *tally, learned *fdb.Table) []SwitchStatus {
	all := []SwitchStatus{}
	for id, ls := range s.Switches {
		of := t.switches[id]
		all = append(all, SwitchStatus{ls.Name, id.String(), ls.VNI, of.bindings, learned.InSwitch(id), of.remotes, of.tunnels})
	}
	slices.SortFunc(all, func(p, q SwitchStatus) int { return cmp.Or(cmp.Compare(p.Name, q.Name), cmp.Compare(p.UUID, q.UUID)) })
	return all
}

func (a *Agent) tunnelStatus(s *intent.State, r *plane.Report, now reading) []TunnelStatus {
	before, known := a.recent.rates(now.at)
	seconds := now.at.Sub(before.at).Seconds()
	all := []TunnelStatus{}
	for _, peer := range slices.SortedFunc(a.tally.peers.Keys(), netip.Addr.Compare) {
		vnis, _ := a.tally.peers.Get(peer)
		t := TunnelStatus{Local: s.Source(peer).String(), Remote: peer.String(), VNIs: vnis}
		t.State, t.Why = a.seen.tunnel(peer)
		if b, ok := r.BFD[peer]; ok {
			t.BFD = &BFDStatus{b.Forwarding, b.State, b.Diagnostic, b.RemoteState, a.seen.sessions[peer].flaps}
		}
		if c, counted := now.peers.Get(peer); counted {
			of := traffic(c)
			if was, had := before.peers.Get(peer); known && had {
				of.since(was, seconds)
			}
			t.TrafficStatus = &of
		}
		all = append(all, t)
	}
	return all
}

func traffic(c plane.Traffic) TrafficStatus {
	return TrafficStatus{InPackets: c.InPackets, InBytes: c.InBytes, OutPackets: c.OutPackets, OutBytes: c.OutBytes}
}

// since sets the rates, of what came after so much, in so many seconds.
func (t *TrafficStatus) since(was plane.Traffic, seconds float64) {
	t.InPacketRate, t.InByteRate = rate(was.InPackets, t.InPackets, seconds), rate(was.InBytes, t.InBytes, seconds)
	t.OutPacketRate, t.OutByteRate = rate(was.OutPackets, t.OutPackets, seconds), rate(was.OutBytes, t.OutBytes, seconds)
}

// rate is by how much a counter grew in a second.
func rate(was, is uint64, seconds float64) float64 { return float64(is-min(was, is)) / seconds }

func (a *Agent) dropStatus(now reading, over *float64) []DropStatus {
	before, known := a.recent.oldest(now.at)
	grown := map[string]uint64{}
	if known && now.at.After(before.at) {
		*over = now.at.Sub(before.at).Seconds()
		grown = rose(before.drops, now.drops)
	}
	all := []DropStatus{}
	for _, reason := range slices.Sorted(maps.Keys(now.drops)) {
		all = append(all, DropStatus{reason, now.drops[reason], grown[reason]})
	}
	return all
}
