package evpn

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
)

// Status is what a bridge does at one moment.
type Status struct {
	AS           uint32           `json:"as"`
	RouterID     string           `json:"router_id"`
	Database     string           `json:"database"` // "connecting", "active", "standby": another bridge has the lock
	Announcing   bool             `json:"announcing"`
	Neighbors    []NeighborStatus `json:"neighbors"`
	Switches     []SwitchStatus   `json:"switches"`
	Routers      []RouterStatus   `json:"routers"`
	Ports        []PortStatus     `json:"ports"`     // that are links of Ethernet segments
	Announced    int              `json:"announced"` // routes
	Refused      map[string]int   `json:"refused"`   // routes of neighbours that don't become rows, by reason
	Transactions uint64           `json:"transactions"`
	Rows         uint64           `json:"rows"` // written
	Failures     uint64           `json:"failures"`
	Failure      string           `json:"failure"` // the last one, or why there is no database; "" if it is over
	Pending      int              `json:"pending"` // MACs and switches to look at
}

// connecting is the state of a database that has not been read, or that there is no connection to.
const connecting = "connecting"

// NeighborStatus is one session.
type NeighborStatus struct {
	Address string    `json:"address"`
	State   string    `json:"state"` // as in RFC 4271
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason"` // why there is no session, or what is missing in it
	Routes  int       `json:"routes"`
	Flaps   int       `json:"flaps"`

	Ignored map[string]uint64 `json:"ignored"` // what of its messages the library can't read, by what it is
}

// SwitchStatus is one logical switch.
type SwitchStatus struct {
	Name       string   `json:"name"`
	VNI        uint32   `json:"vni"` // 0: no part of the fabric
	Import     []string `json:"import"`
	Export     []string `json:"export"`
	VTEPs      []string `json:"vteps"` // of others
	Local      int      `json:"local"` // MACs that are announced
	Remote     int      `json:"remote"`
	Duplicates []string `json:"duplicates"`
	Fault      string   `json:"fault"`

	Segments []SegmentStatus `json:"segments"` // of hosts of others
}

// Status asks what is going on.
func (b *Bridge) Status(ctx context.Context) (s Status, err error) {
	err = b.ask(ctx, func() { s = b.status() })
	return s, err
}

// Progress is what of a Status tells whether there is something to do. It costs little to ask for.
type Progress struct {
	Database     string
	Announcing   bool
	Transactions uint64
	Pending      int
}

// Progress asks for it.
func (b *Bridge) Progress(ctx context.Context) (p Progress, err error) {
	err = b.ask(ctx, func() {
		db := b.database
		p = Progress{db.writer.State(), b.ready, db.writer.Transactions, len(db.marked) + len(db.markedPorts) + db.held}
		if !db.writer.Idle() {
			p.Pending++
		}
	})
	return p, err
}

func (b *Bridge) status() Status {
	db := b.database
	s := Status{AS: b.Config().AS, RouterID: b.Config().RouterID.String(), Database: db.writer.State(), Announcing: b.ready, Neighbors: []NeighborStatus{},
		Switches: []SwitchStatus{}, Routers: []RouterStatus{}, Ports: b.portStatus(), Announced: len(b.speaker.announced), Refused: map[string]int{}, Transactions: db.writer.Transactions, Rows: db.rows,
		Failures: db.writer.Failures, Failure: cmp.Or(db.writer.Failure, b.failure), Pending: len(db.marked) + len(db.markedPorts) + db.held}
	if err := db.replica.LastError(); s.Database == connecting && err != nil {
		s.Failure = err.Error()
	}
	for _, r := range b.refused {
		s.Refused[r.why.Error()]++
	}
	for id, r := range b.routes {
		if why := b.why(id, r); why != "" {
			s.Refused[why]++
		}
	}
	for _, n := range b.Config().Neighbors {
		at := b.sessions[n.Address]
		if at == nil {
			continue // it is being removed
		}
		state := cmp.Or(b.speaker.relay.State(n.Address), at.state) // where there is no connection, the library waits for an answer
		s.Neighbors = append(s.Neighbors, NeighborStatus{n.Address.String(), state, at.since, b.noSession(at), at.routes, at.flaps, b.speaker.relay.Ignored(n.Address)})
	}
	for _, n := range db.networks {
		s.Switches = append(s.Switches, n.status(time.Now()))
	}
	slices.SortFunc(s.Switches, func(x, y SwitchStatus) int { return cmp.Compare(x.Name, y.Name) })
	for _, r := range db.routers {
		if r.net != nil || r.fault != "" {
			s.Routers = append(s.Routers, r.status())
		}
		for _, why := range r.why {
			s.Refused[why]++
		}
	}
	slices.SortFunc(s.Routers, func(x, y RouterStatus) int { return cmp.Compare(x.Name, y.Name) })
	return s
}

// noSession is why there is no session, or what is missing in it.
func (b *Bridge) noSession(s *session) string {
	if s.over {
		return s.overWhy()
	}
	return b.speaker.relay.Trouble(s.address)
}

func (n *network) status(now time.Time) SwitchStatus {
	s := SwitchStatus{Name: n.row.Name, VNI: n.vni, Import: []string{}, Export: []string{}, VTEPs: []string{}, Duplicates: []string{}, Fault: n.fault, Segments: n.segmentStatus()}
	if n.vni != 0 {
		if n.auto {
			s.Import = append(s.Import, fmt.Sprintf("*:%d", n.vni))
		}
		for _, t := range n.imp {
			s.Import = append(s.Import, t.String())
		}
		for _, t := range n.exp {
			s.Export = append(s.Export, t.String())
		}
	}
	for ip := range n.vteps {
		s.VTEPs = append(s.VTEPs, ip.String())
	}
	slices.Sort(s.VTEPs)
	for mac, h := range n.hosts {
		if now.Before(h.until) && h.here() == nil {
			s.Duplicates = append(s.Duplicates, mac)
		}
		switch {
		case h.here() != nil:
			s.Local++
		case len(h.paths) > 0:
			s.Remote++
		}
	}
	slices.Sort(s.Duplicates)
	return s
}

// why says why a route is in no switch, "" if it is in one.
func (b *Bridge) why(id path, r *route) string {
	switch {
	case b.database.own[r.vtep] && b.speaker.announced[id.key] == nil:
		return whyTunnel
	case b.database.own[r.vtep]:
		return whyOwn
	case r.kind == Attached && b.database.bySegment[r.segment] == nil:
		return whyES
	case r.kind == Attached:
		return ""
	case len(r.in) > 0:
		return ""
	}
	why := whyOther
	for n := range b.imports.networks(r) {
		why = b.refuses(n, r)
	}
	return why
}

func (s Status) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "AS %d, router %s, database %s", s.AS, s.RouterID, s.Database)
	if s.Database == connecting && s.Failure != "" {
		fmt.Fprintf(&b, " (%s)", s.Failure)
	}
	if !s.Announcing {
		b.WriteString(", waiting for the routes of neighbors before hosts are announced")
	}
	b.WriteString("\nneighbors:\n")
	for _, n := range s.Neighbors {
		fmt.Fprintf(&b, "  %s %s since %s, %d routes", n.Address, n.State, n.Since.Format(time.DateTime), n.Routes)
		if n.Flaps > 0 {
			fmt.Fprintf(&b, ", ended %d times", n.Flaps)
		}
		if n.Reason != "" {
			fmt.Fprintf(&b, " (%s)", n.Reason)
		}
		b.WriteByte('\n')
		for _, what := range slices.Sorted(maps.Keys(n.Ignored)) {
			fmt.Fprintf(&b, "    %d times left out of its routes: %s\n", n.Ignored[what], what)
		}
	}
	b.WriteString("switches:\n")
	for _, n := range s.Switches {
		if n.VNI == 0 {
			fmt.Fprintf(&b, "  %s: no VNI, no part of the fabric\n", n.Name)
			if n.Fault != "" {
				fmt.Fprintf(&b, "    %s\n", n.Fault)
			}
			continue
		}
		fmt.Fprintf(&b, "  %s: VNI %d, import %s, export %s, %d MACs here, %d elsewhere, VTEPs [%s]\n", n.Name, n.VNI, strings.Join(n.Import, ","),
			strings.Join(n.Export, ","), n.Local, n.Remote, strings.Join(n.VTEPs, " "))
		for _, mac := range n.Duplicates {
			fmt.Fprintf(&b, "    %s goes to and fro: two hosts may have it; left to the other VTEP for a time\n", mac)
		}
		for _, e := range n.Segments {
			fmt.Fprintf(&b, "    %v\n", e)
		}
		if n.Fault != "" {
			fmt.Fprintf(&b, "    %s\n", n.Fault)
		}
	}
	for i, r := range s.Routers {
		if i == 0 {
			b.WriteString("routers:\n")
		}
		b.WriteString("  " + r.Name + ":")
		if r.Switch != "" {
			fmt.Fprintf(&b, " VNI %d in switch %s, %d prefixes here, %d elsewhere", r.VNI, r.Switch, r.Local, r.Remote)
		}
		if r.Fault != "" {
			b.WriteString(" " + r.Fault)
		}
		b.WriteByte('\n')
	}
	for i, p := range s.Ports {
		if i == 0 {
			b.WriteString("ports of segments:\n")
		}
		fmt.Fprintf(&b, "  %v\n", p)
	}
	fmt.Fprintf(&b, "%d routes announced, %d rows written in %d transactions", s.Announced, s.Rows, s.Transactions)
	if s.Failures > 0 {
		fmt.Fprintf(&b, ", %d failed", s.Failures)
	}
	if s.Database != connecting && s.Failure != "" {
		fmt.Fprintf(&b, " (%s)", s.Failure)
	}
	b.WriteByte('\n')
	for _, why := range slices.Sorted(maps.Keys(s.Refused)) {
		fmt.Fprintf(&b, "%d routes don't become rows: %s\n", s.Refused[why], why)
	}
	return b.String()
}

// Route is one route as a person sees it.
type Route struct {
	Neighbor string   `json:"neighbor"` // "": announced here
	Type     int      `json:"type"`     // of EVPN
	ESI      string   `json:"esi"`      // the Ethernet segment; "": none
	RD       string   `json:"rd"`
	MAC      string   `json:"mac"`
	Prefix   string   `json:"prefix"` // of type 5
	IP       string   `json:"ip"`
	VTEP     string   `json:"vtep"`
	VNI      uint32   `json:"vni"`
	Targets  []string `json:"targets"`
	Sequence int64    `json:"sequence"` // -1: it has none
	Sticky   bool     `json:"sticky"`
	Gateway  bool     `json:"gateway"`       // the default gateway community
	Router   string   `json:"router_mac"`    // "": none
	Flags    []string `json:"nd_flags"`      // of its address (RFC 9047)
	L3VNI    uint32   `json:"l3_vni"`        // of a host, the second label; 0: none
	Ballot   int      `json:"df_preference"` // of type 4, for the election of the designated forwarder; -1: it has none
	Via      string   `json:"via"`           // of type 5, the host that is the next hop; "": the VTEP
	Row      string   `json:"row"`           // the logical switch whose row it is, or router; "": none
	Why      string   `json:"why"`           // it is none
}

// Routes asks for all routes, or those of a MAC, an IP address, or a prefix.
func (b *Bridge) Routes(ctx context.Context, about string) (all []Route, err error) {
	err = b.ask(ctx, func() { all = b.list(canonical(about)) })
	return all, err
}

// about says whether a route is one that was asked for.
func (k key) about(what string) bool {
	if what == "" || k.mac == what || k.kind == Prefix && k.to.String() == what {
		return true
	}
	ip, err := netip.ParseAddr(what)
	return err == nil && (k.ip == ip || k.to.IsValid() && k.to.Contains(ip))
}

func (b *Bridge) list(what string) []Route {
	all := []Route{}
	for k, r := range b.speaker.announced {
		if k.about(what) {
			all = append(all, r.shown("", "", "announced here"))
		}
	}
	for id, r := range b.routes {
		if !id.about(what) {
			continue
		}
		row, why := "", b.why(id, r)
		if r.kind == Attached && why == "" {
			why = "says who is attached to a segment of a port here"
		}
		for _, n := range r.in {
			if n.l3 != nil {
				if c, ok := n.l3.chosen[r.dest()]; ok && c.route == r {
					row = n.l3.row.Name
				} else if row == "" {
					why = n.l3.whyNot(r)
				}
				continue
			}
			h := n.hosts[id.mac]
			switch {
			case r.kind == Multicast:
				row = n.row.Name
			case r.kind == Discovery:
				why = "says where a segment is"
			case h.here() != nil:
				why = "the host is here"
			case b.placedByOther(n, id.mac):
				why = "another writer has a row of it"
			default:
				row, why = h.whether(r)
			}
		}
		all = append(all, r.shown(id.peer.String(), row, why))
	}
	for id, r := range b.refused {
		if id.about(what) {
			all = append(all, (&route{key: id.key}).shown(id.peer.String(), "", r.why.Error()))
		}
	}
	slices.SortFunc(all, func(x, y Route) int {
		return cmp.Or(cmp.Compare(x.Type, y.Type), cmp.Compare(x.MAC, y.MAC), cmp.Compare(x.Prefix, y.Prefix), cmp.Compare(x.IP, y.IP), cmp.Compare(x.RD, y.RD), cmp.Compare(x.Neighbor, y.Neighbor))
	})
	return all
}

// whether says which row a route of a host is, or why it is none.
func (h *host) whether(r *route) (row, why string) {
	best := h.best()
	if best == nil {
		return "", "no VTEP of its segment is attached"
	}
	switch at := h.network.reach(h, best); {
	case r.vtep == at, h.network.at(best) != nil && r.segment == best.segment:
		return h.network.row.Name, ""
	case r.segment != (esi{}) && r.segment == best.segment:
		return "", fmt.Sprintf("of its segment's VTEPs the row has %v", at)
	default:
		return "", fmt.Sprintf("the one of %v is better: %s", best.vtep, best.betterBy(r))
	}
}

func (b *Bridge) placedByOther(n *network, mac string) bool {
	return slices.ContainsFunc(b.database.ucast[n.row.UUID][mac], func(r hwvtep.UcastMACRemote) bool { return !b.database.mine(n, &r) })
}

func (r *route) shown(neighbor, row, why string) Route {
	s := Route{Neighbor: neighbor, Type: int(r.kind), RD: r.rd, MAC: r.mac, ESI: cmp.Or(r.segment, r.key.esi).String(), VNI: r.vni, Targets: []string{}, Sequence: -1, Ballot: -1, Sticky: r.fixed(), Gateway: r.gateway, Router: r.routerMAC, Flags: r.flags.Names(),
		L3VNI: r.l3vni, Row: row, Why: why}
	if r.kind == Prefix {
		s.Prefix = r.to.String()
	}
	if r.via.IsValid() {
		s.Via = r.via.String()
	}
	if r.ip.IsValid() && !r.ip.IsUnspecified() {
		s.IP = r.ip.String()
	}
	if r.vtep.IsValid() {
		s.VTEP = r.vtep.String()
	}
	if r.election.Algorithm == relay.ByPreference {
		s.Ballot = int(r.election.Preference)
	}
	if r.moved {
		s.Sequence = int64(r.sequence)
	}
	for _, t := range r.targets {
		s.Targets = append(s.Targets, t.String())
	}
	return s
}

func (r Route) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "type %d", r.Type)
	for _, word := range []string{r.RD, r.ESI, r.MAC, r.IP, r.Prefix} {
		if word != "" {
			b.WriteString(" " + word)
		}
	}
	if r.VTEP != "" {
		b.WriteString(" at " + r.VTEP)
		if Kind(r.Type) != Attached {
			fmt.Fprintf(&b, " VNI %d", r.VNI)
		}
		if len(r.Targets) > 0 && Kind(r.Type) != Attached {
			b.WriteString(" targets " + strings.Join(r.Targets, ","))
		}
	}
	if r.Sequence >= 0 {
		fmt.Fprintf(&b, " sequence %d", r.Sequence)
	}
	if r.Ballot >= 0 {
		fmt.Fprintf(&b, " preference %d", r.Ballot)
	}
	if r.Sticky {
		b.WriteString(" sticky")
	}
	if r.Via != "" {
		b.WriteString(" by the host " + r.Via)
	}
	if r.L3VNI != 0 {
		fmt.Fprintf(&b, " router's VNI %d", r.L3VNI)
	}
	if r.Router != "" {
		b.WriteString(" router's MAC " + r.Router)
	}
	if len(r.Flags) > 0 {
		b.WriteString(" ND flags " + strings.Join(r.Flags, ","))
	}
	if r.Neighbor != "" {
		b.WriteString(" from " + r.Neighbor)
	}
	if r.Row != "" {
		return b.String() + ": row in " + r.Row
	}
	return b.String() + ": " + r.Why
}
