package evpn

import (
	"cmp"
	"container/list"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
)

// The keys of Logical_Switch.other_config.
const (
	keyImport = "evpn_import" // route targets, instead of any whose number is the VNI
	keyExport = "evpn_export" // route targets, instead of AS:VNI
	keyVTEPs  = "evpn_vteps"  // written by the bridge: whose rows are its own
	keyOff    = "evpn"        // "false": the switch is no part of the fabric
)

// Moves are a duplicate, of two hosts with one MAC, when there are so many in such a time: RFC 7432, section 15.1, with one
// less than its default, so that it is not the neighbour who has to find out. A duplicate is left to the others for a time.
const (
	mostMoves  = 4
	movesTime  = 180 * time.Second
	movesPause = 180 * time.Second
)

// path is a route of a neighbour.
type path struct {
	peer netip.Addr
	id   uint32 // of ADD-PATH
	key
}

// network is a logical switch.
type network struct {
	row     hwvtep.LogicalSwitch
	wants   uint32   // the VNI that its row asks for
	vni     uint32   // 0: it has none, and is no part of the fabric
	rivals  []string // names of other switches that want the same VNI
	auto    bool     // imports by the VNI
	labels  bool     // the labels of others are their VNIs
	imp     []target // else these
	exp     []target
	fault   string // what is wrong with its configuration
	hosts   map[string]*host
	floods  map[path]*route                     // of Multicast
	heads   map[hwvtep.UUID]map[netip.Addr]bool // our VTEPs that want what is flooded, by row
	vteps   map[netip.Addr]int                  // how many routes lead to each
	left    map[netip.Addr]bool                 // those to which the last one was withdrawn
	forgets bool                                // a database of old: the row can't remember whose rows are the bridge's
	text    string                              // what the row is to remember; "": not known, or nothing
	former  bool                                // of VTEPs that are not in vteps any more, too, as long as there are rows of them
	freed   bool                                // rows have gone since, or lead elsewhere
	pace    pace                                // of what is written of members
	spoken  map[string]map[key]struct{}         // what is announced, by its group

	router   *router         // that has an interface in it; nil: none has
	l3       *router         // whose packets to other VTEPs are in it: it is no switch of hosts then
	wired    wired           // what was seen of that last
	gateway  string          // the MAC that was announced as the router's; "": none
	prefixes map[path]*route // of l3: those of Prefix, and hosts with a second label

	segments map[esi]*segment
	ports    map[hwvtep.UUID]struct{} // that have bindings of it
	own      map[esi]*attachment      // ports of ours that are links of segments, with a binding of it
}

// host is a MAC in a network.
type host struct {
	network *network

	paths  []*route
	locals map[hwvtep.UUID]*local

	highest  uint32 // sequence that others have announced
	known    bool   // that they have announced any
	sequence uint32 // what is announced here, if moved
	moved    bool
	moves    []time.Time // last ones to here
	until    time.Time   // the MAC is a duplicate, and left to others till then, while there are any
	beside   bool        // it was heard here beside the bridge's row that places it elsewhere, and which stands since

	past *list.Element // nil: the host is somewhere
}

// local is a row of a host at one of our VTEPs.
type local struct {
	vtep   netip.Addr
	number uint32     // of the locator: that of the segment of the port; 0: it is of none, or the VTEP does not tell
	ip     netip.Addr // invalid: not known
	ours   bool       // the VTEP is one of the database's switches
	lost   bool       // another VTEP has it since
}

func newNetwork() *network {
	return &network{hosts: map[string]*host{}, floods: map[path]*route{}, heads: map[hwvtep.UUID]map[netip.Addr]bool{}, vteps: map[netip.Addr]int{}, left: map[netip.Addr]bool{},
		spoken: map[string]map[key]struct{}{}, prefixes: map[path]*route{}, segments: map[esi]*segment{}, ports: map[hwvtep.UUID]struct{}{}}
}

// configure reads the row: what it asks for. Where a route target is wrong nothing is imported, or exported, by the
// others either.
func (n *network) configure(row hwvtep.LogicalSwitch) {
	n.row, n.wants = row, 0
	if key, ok := row.TunnelKey.Get(); ok && key > 0 && key < 1<<24 && row.OtherConfig[keyOff] != "false" {
		n.wants = uint32(key)
	}
	n.imp, _ = parseTargets(row.OtherConfig[keyImport]) // findFaults tells
	n.exp, _ = parseTargets(row.OtherConfig[keyExport])
	n.auto = strings.TrimSpace(row.OtherConfig[keyImport]) == ""
	n.labels = row.OtherConfig[keyLabels] == "true" || row.OtherConfig[keyLabels] != "false" && !n.auto
}

// serve gives it the VNI, or 0 if another switch has it.
func (n *network) serve(vni uint32, rivals []string, as uint32) {
	n.vni, n.rivals = vni, rivals
	if strings.TrimSpace(n.row.OtherConfig[keyExport]) == "" {
		n.exp = []target{autoTarget(as, n.vni)}
	}
	n.findFaults()
}

// findFaults looks for what is wrong with the row.
func (n *network) findFaults() {
	var faults []string
	if len(n.rivals) > 0 {
		what := "which is no part of the fabric then"
		if n.vni == 0 {
			what = "and this one is no part of the fabric until it has one of its own"
		}
		faults = append(faults, fmt.Sprintf("VNI %d is that of %s, too, %s", n.wants, strings.Join(n.rivals, " and "), what))
	}
	for _, key := range []string{keyImport, keyExport} {
		if _, err := parseTargets(n.row.OtherConfig[key]); err != nil {
			faults = append(faults, fmt.Sprintf("other_config:%s: %v", key, err))
		}
	}
	if mode := n.row.ReplicationMode; mode != "" && mode != hwvtep.ReplicationModeSourceNode {
		faults = append(faults, "replication_mode is "+string(mode)+": EVPN needs source_node")
	}
	n.fault = strings.Join(faults, "; ")
}

// imports says whether a route is for this network. Of targets that are not AS:VNI with an AS of two octets, those with
// the VNI as their number count, too.
func (n *network) imports(r *route) bool {
	if n.vni == 0 {
		return false
	}
	for _, t := range r.targets {
		if n.auto && t.value == n.vni || slices.Contains(n.imp, t) {
			return true
		}
	}
	return false
}

func (n *network) host(mac string) *host {
	h := n.hosts[mac]
	if h == nil {
		h = &host{network: n, locals: map[hwvtep.UUID]*local{}}
		n.hosts[mac] = h
	}
	return h
}

// best is the route that counts of those that others announce and that lead somewhere, nil if there is none.
func (h *host) best() (best *route) {
	for _, r := range h.paths {
		if (best == nil || r.better(best)) && h.network.reach(h, r).IsValid() {
			best = r
		}
	}
	return best
}

// address is the lowest of those that the best route's VTEP, or others of its segment, announce for the MAC.
func (h *host) address(best *route) netip.Addr {
	var ips []netip.Addr
	for _, r := range h.paths {
		if (r.vtep == best.vtep || r.segment != (esi{}) && r.segment == best.segment) && isHost(r.ip) {
			ips = append(ips, r.ip)
		}
	}
	if len(ips) == 0 {
		return netip.Addr{}
	}
	return slices.MinFunc(ips, netip.Addr.Compare)
}

// isHost says whether an address is one that a host may have.
func isHost(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLoopback() && ip != broadcast
}

// here returns the row that says where among our VTEPs the host is, nil if another one has it.
func (h *host) here() (found *local) {
	if len(h.locals) == 0 {
		return nil // as is usual: costs nothing
	}
	for _, id := range slices.SortedFunc(maps.Keys(h.locals), compareUUID) {
		if l := h.locals[id]; l.ours && !l.lost && (found == nil || l.vtep.Less(found.vtep)) {
			found = l
		}
	}
	return found
}

// lowest is the lowest of our VTEPs that have a row of the host, another one's or not.
func (h *host) lowest() (vtep netip.Addr) {
	for _, l := range h.locals {
		if l.ours && (!vtep.IsValid() || l.vtep.Less(vtep)) {
			vtep = l.vtep
		}
	}
	return vtep
}

func compareUUID(a, b hwvtep.UUID) int { return cmp.Compare(a.String(), b.String()) }

// heard takes note of a sequence that another VTEP has announced.
func (h *host) heard(r *route) {
	h.known, h.highest = true, max(h.highest, r.sequence)
}

// claim is for a row that has come: the host has been heard here. It says whether it may be announced.
func (h *host) claim(now time.Time) bool {
	best := h.best()
	switch {
	case best != nil && now.Before(h.until):
		return false
	case best != nil && best.fixed():
		return false
	case h.beyond(best):
		h.follow(best)
		return true
	case best == nil && !h.known:
		return true // never known elsewhere
	case h.moved && h.sequence > h.highest:
		return true // still the last that was announced: it has gone from port to port, or nobody has heard it since
	case best == nil:
		h.outdo() // nobody else has it: that is no move, and left to the others it would be nowhere
		return true
	case best.sequence == math.MaxUint32 && !h.lowest().Less(best.vtep):
		return false // no sequence is above that
	}
	h.until = time.Time{}
	h.moves = slices.DeleteFunc(h.moves, func(t time.Time) bool { return now.Sub(t) > movesTime })
	if len(h.moves) >= mostMoves {
		h.moves, h.until = nil, now.Add(movesPause)
		return false
	}
	h.moves = append(h.moves, now)
	h.outdo()
	return true
}

// outdo gives the host the sequence after all that were heard, or the last one that there is.
func (h *host) outdo() {
	h.sequence, h.moved = h.highest, true
	if h.sequence < math.MaxUint32 {
		h.sequence++
	}
}

// yield gives the host up if another VTEP's route is better than what is announced here. It says whether it was.
func (h *host) yield() bool {
	own, best := h.here(), h.best()
	if own != nil && h.beyond(best) {
		h.follow(best)
		return false
	}
	if own == nil || best == nil || !best.better(&route{vtep: own.vtep, sequence: h.sequence}) {
		return false
	}
	for _, l := range h.locals {
		l.lost = true
	}
	return true
}

// routes are what is announced of a MAC.
func (n *network) routes(mac string, rd func(vtep netip.Addr, vni uint32) string) (all []*route) {
	h := n.hosts[mac]
	if h == nil || n.vni == 0 || n.l3 != nil || len(n.exp) == 0 || !unicast(mac) {
		return nil
	}
	l := h.here()
	if l == nil {
		return nil
	}
	r := route{key: key{kind: MACIP, rd: rd(l.vtep, n.vni), mac: mac}, vtep: l.vtep, vni: n.vni, targets: n.exp, sequence: h.sequence, moved: h.moved}
	r.segment = n.segmentOf(l)
	all = append(all, &r)
	if l.ip.IsValid() {
		with := r
		with.ip = l.ip
		all = append(all, &with)
	}
	return all
}

// members are the VTEPs of others that get what is flooded.
func (n *network) members() []end {
	all := make([]end, 0, len(n.floods))
	for _, r := range n.floods {
		all = append(all, n.end(r))
	}
	slices.SortFunc(all, end.compare)
	return slices.Compact(all)
}

// said are the keys of what is announced of a group: of a MAC, of Multicast, of prefixes. It is a copy.
func (n *network) said(group string) map[key]struct{} { return maps.Clone(n.spoken[group]) }

func (n *network) note(k key) {
	group := k.group()
	if n.spoken[group] == nil {
		n.spoken[group] = map[key]struct{}{}
	}
	n.spoken[group][k] = struct{}{}
}

func (n *network) unsay(k key) {
	group := k.group()
	if delete(n.spoken[group], k); len(n.spoken[group]) == 0 {
		delete(n.spoken, group)
	}
}
