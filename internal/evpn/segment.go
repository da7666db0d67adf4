package evpn

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// esi tells one Ethernet segment from another (RFC 7432, section 5): the links by which hosts are attached to
// several VTEPs. All zero is no segment: the host is attached to one VTEP only.
type esi [10]byte

func esiOf(e bgp.EthernetSegmentIdentifier) (id esi) {
	id[0] = byte(e.Type)
	copy(id[1:], e.Value)
	return id
}

// wire is the identifier as the library has it.
func (e esi) wire() bgp.EthernetSegmentIdentifier {
	if e == (esi{}) {
		return bgp.EthernetSegmentIdentifier{}
	}
	return bgp.EthernetSegmentIdentifier{Type: bgp.ESIType(e[0]), Value: slices.Clone(e[1:])}
}

// target is the ES-import target: the six octets behind the type (RFC 7432, section 7.6).
func (e esi) target() bgp.ExtendedCommunityInterface {
	return &bgp.ESImportRouteTarget{ESImport: slices.Clone(e[1:7])}
}

// String is the identifier as FRR writes it, "" for none.
func (e esi) String() string {
	if e == (esi{}) {
		return ""
	}
	return strings.ReplaceAll(fmt.Sprintf("% x", e[:]), " ", ":")
}

// allTags is the Ethernet tag of a route of Discovery that is about the whole segment, not about one network: MAX-ET.
const allTags = 1<<32 - 1

// segment is what the VTEPs of an Ethernet segment tell in a network. All of them reach its hosts, whichever has
// heard a host. A VTEP counts while it tells that it is attached: when it loses the link it withdraws that one route
// at first, not one for each host.
type segment struct {
	attached map[path]*route     // Discovery of the whole segment
	serving  map[path]*route     // Discovery of this network: the VTEP reaches hosts that it has not heard itself
	macs     map[string]struct{} // that have a route of it
}

// segment returns that of an identifier, which it makes if there is none.
func (n *network) segment(e esi) *segment {
	s := n.segments[e]
	if s == nil {
		s = &segment{attached: map[path]*route{}, serving: map[path]*route{}, macs: map[string]struct{}{}}
		n.segments[e] = s
	}
	return s
}

// discoveries are the routes among which those of a key are.
func (s *segment) discoveries(k key) map[path]*route {
	if k.tag == allTags {
		return s.attached
	}
	return s.serving
}

// tidy forgets a segment of which nothing is known.
func (n *network) tidy(e esi) {
	if s := n.segments[e]; s != nil && len(s.attached)+len(s.serving)+len(s.macs) == 0 {
		delete(n.segments, e)
	}
}

// attach notes whether a MAC has routes of a segment.
func (n *network) attach(mac string, e esi) {
	if e == (esi{}) {
		return
	}
	if h := n.hosts[mac]; h != nil {
		for _, r := range h.paths {
			if r.segment == e {
				n.segment(e).macs[mac] = struct{}{}
				return
			}
		}
	}
	delete(n.segment(e).macs, mac)
	n.tidy(e)
}

// single says that only one VTEP of the segment forwards for a host (single-active): so it is if one of them says so.
func (s *segment) single() bool {
	for _, r := range s.attached {
		if r.single {
			return true
		}
	}
	return false
}

// vteps are those that are attached.
func (s *segment) vteps() map[netip.Addr]bool {
	set := make(map[netip.Addr]bool, len(s.attached))
	for _, r := range s.attached {
		set[r.vtep] = true
	}
	return set
}

// reach returns the VTEP to send to for a route of a host, none (invalid) if its segment has none that is attached. One of ours
// that is attached itself needs no other. A row
// has one locator: where all VTEPs of a segment forward, each host has the one that weight says; where one does, the one that
// has announced the host, and when that one has lost the segment the only other one, if there is only one: of several it is
// not known which will forward, until it announces the host. (RFC 7432, sections 8.4 and 14.1.)
func (n *network) reach(h *host, r *route) (best netip.Addr) {
	if r.segment == (esi{}) {
		return r.vtep
	}
	if a := n.at(r); a != nil {
		return a.vtep
	}
	s := n.segments[r.segment]
	if s == nil {
		return best
	}
	vteps, heard := s.vteps(), map[netip.Addr]bool{}
	var last *route
	for _, o := range h.paths {
		if o.segment == r.segment && vteps[o.vtep] {
			heard[o.vtep] = true
			if last == nil || o.better(last) {
				last = o
			}
		}
	}
	single := s.single()
	if single && last != nil {
		return last.vtep
	}
	for _, o := range s.serving {
		if vteps[o.vtep] {
			heard[o.vtep] = true
		}
	}
	if single && len(heard) > 1 {
		return best
	}
	for vtep := range heard {
		if !best.IsValid() || weight(r.mac, best) < weight(r.mac, vtep) {
			best = vtep
		}
	}
	return best
}

// weight is how much a MAC prefers a VTEP (rendezvous hashing): hosts are spread over the VTEPs of a segment, and when one
// comes or goes only those move that come to it, or were at it. It is the same in every process.
func weight(mac string, vtep netip.Addr) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for i := range len(mac) {
		h = (h ^ uint64(mac[i])) * prime
	}
	for _, b := range vtep.As16() {
		h = (h ^ uint64(b)) * prime
	}
	h ^= h >> 33 // the last octets are mixed little
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}

// SegmentStatus is one Ethernet segment of hosts of others.
type SegmentStatus struct {
	ESI    string   `json:"esi"`
	Single bool     `json:"single_active"` // one VTEP forwards, not all
	VTEPs  []string `json:"vteps"`         // that are attached
	MACs   int      `json:"macs"`
}

func (n *network) segmentStatus() []SegmentStatus {
	all := []SegmentStatus{}
	for _, e := range slices.SortedFunc(maps.Keys(n.segments), func(a, b esi) int { return slices.Compare(a[:], b[:]) }) {
		s := n.segments[e]
		st := SegmentStatus{ESI: e.String(), Single: s.single(), VTEPs: []string{}, MACs: len(s.macs)}
		for _, ip := range slices.SortedFunc(maps.Keys(s.vteps()), netip.Addr.Compare) {
			st.VTEPs = append(st.VTEPs, ip.String())
		}
		all = append(all, st)
	}
	return all
}

func (s SegmentStatus) String() string {
	mode := "all-active"
	if s.Single {
		mode = "single-active"
	}
	return fmt.Sprintf("segment %s (%s): %d MACs, VTEPs [%s]", s.ESI, mode, s.MACs, strings.Join(s.VTEPs, " "))
}
