package evpn

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/evpn/relay"
)

// Kind is the type of an EVPN route (RFC 7432, section 7).
type Kind uint8

// The kinds of routes.
const (
	Discovery Kind = 1 // Ethernet auto-discovery (A-D): says how rows of MACIP are reached
	MACIP     Kind = 2 // MAC/IP advertisement
	Multicast Kind = 3 // inclusive multicast Ethernet tag
	Attached  Kind = 4 // Ethernet segment: for its other VTEPs
	Prefix    Kind = 5 // IP prefix (RFC 9136)
)

// key tells one route from another of the same neighbour. The label is no part of it: a route may be
// withdrawn with another one.
type key struct {
	kind Kind
	rd   string
	tag  uint32
	mac  string // lower case; "" for Multicast and Prefix
	ip   netip.Addr
	to   netip.Prefix // of Prefix, without host bits
	esi  esi          // of Discovery and Attached; of MACIP it is no part of the key
}

// group is what a key is announced with: the MAC, or one of others that no MAC is called.
func (k key) group() string {
	switch k.kind {
	case Prefix:
		return prefixes
	case Discovery:
		return discoveries
	}
	return k.mac
}

// The groups of all routes of Prefix, and of Discovery; "" is that of Multicast.
const (
	prefixes    = "prefixes"
	discoveries = "discoveries"
)

// route is what one neighbour, or this speaker, says.
type route struct {
	key
	vtep     netip.Addr // where to send: the next hop; of Multicast the originating router
	vni      uint32     // the label
	targets  []target
	sequence uint32
	moved    bool          // it has a sequence
	sticky   bool          // may not move
	gateway  bool          // the default gateway's: as good as sticky
	flags    relay.NDFlags // of RFC 9047

	peer  netip.Addr // the neighbour; invalid: this speaker
	index uint32     // of ADD-PATH
	in    []*network // that have the route
	epoch int        // in which session, of those with its neighbor, it was heard last
	stale bool       // that has ended, and the neighbor, which is to be back, has not said it again

	segment  esi            // where the host is attached
	single   bool           // of Discovery: one VTEP of the segment forwards, not all
	election relay.Election // of Attached

	// Of a router.
	l3vni      uint32     // of a host: the second label; 0: none
	l3targets  []target   // of what is announced: those of the router, beside targets
	routerMAC  string     // whom to send to in the VNI of the router; "": nobody says
	via        netip.Addr // of Prefix: the next hop is a host (RFC 9136, section 4.1); invalid: the VTEP
	preference uint32     // LOCAL_PREF
	hops       int        // length of the AS path
}

// path is what a route is known by.
func (r *route) path() path { return path{r.peer, r.index, r.key} }

func (r *route) fixed() bool { return r.sticky || r.gateway }

// better orders the routes of a MAC: those of neighbors that are away last, sticky before others, then by the higher sequence, then by the lower address of the
// VTEP. (RFC 7432, section 15.1, has the last for two with the same sequence.) Of those of one VTEP the one without a segment comes first, and whatever
// else they differ in orders them, too: rows must not depend on which was heard first.
func (r *route) better(o *route) bool {
	if r.stale != o.stale {
		return o.stale
	}
	if r.fixed() != o.fixed() {
		return r.fixed()
	}
	if c := cmp.Compare(r.sequence, o.sequence); c != 0 {
		return c > 0
	}
	return cmp.Or(r.vtep.Compare(o.vtep), bytes.Compare(r.segment[:], o.segment[:]), cmp.Compare(r.vni, o.vni), cmp.Compare(r.rd, o.rd), cmp.Compare(r.tag, o.tag),
		r.ip.Compare(o.ip), r.peer.Compare(o.peer), cmp.Compare(r.index, o.index)) < 0
}

// whyThere is by what a route is better than one of a neighbor that is away.
const whyThere = "its neighbor is there"

// betterBy says by what a route is better than another one.
func (r *route) betterBy(o *route) string {
	switch {
	case r.stale != o.stale:
		return whyThere
	case r.fixed() != o.fixed():
		return "may not move"
	case r.sequence != o.sequence:
		return "higher sequence"
	case r.vtep == o.vtep:
		return "the first of several of this VTEP"
	}
	return "lower address of the VTEP"
}

// target is a route target (RFC 4360): an AS or an IPv4 address, and a number.
type target struct {
	admin string // "65001", or "192.0.2.1"
	wide  bool   // the AS has four octets, or it is an address: the number has 16 bits
	value uint32
}

func (t target) String() string { return t.admin + ":" + strconv.FormatUint(uint64(t.value), 10) }

func (t target) compare(o target) int {
	return cmp.Or(strings.Compare(t.admin, o.admin), cmp.Compare(t.value, o.value))
}

// autoTarget is the target of a VNI where none is configured: of a large AS the lower half.
func autoTarget(as, vni uint32) target {
	return target{admin: strconv.FormatUint(uint64(as&0xffff), 10), value: vni}
}

// parseTarget reads "65001:33", or "192.0.2.1:33".
func parseTarget(text string) (target, error) {
	admin, number, ok := strings.Cut(text, ":")
	if !ok {
		return target{}, fmt.Errorf("route target %q is not AS:NUMBER or IP:NUMBER", text)
	}
	value, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return target{}, fmt.Errorf("route target %q: %s is not a number of 32 bits", text, number)
	}
	t := target{admin: admin, value: uint32(value)}
	if ip, err := netip.ParseAddr(admin); err == nil && ip.Is4() {
		t.wide = true
	} else {
		as, err := strconv.ParseUint(admin, 10, 32)
		if err != nil {
			return target{}, fmt.Errorf("route target %q: %s is neither an AS nor an IPv4 address", text, admin)
		}
		t.admin, t.wide = strconv.FormatUint(as, 10), as > 0xffff // without zeros before it, as in routes
	}
	if t.wide && value > 0xffff {
		return target{}, fmt.Errorf("route target %q: behind %s the number has 16 bits", text, admin)
	}
	return t, nil
}

// parseTargets reads some, with commas or blanks between them.
func parseTargets(text string) (all []target, err error) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		t, err := parseTarget(word)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// unicast says whether the text is the MAC of a host: not of a group, nor zero.
func unicast(mac string) bool {
	if len(mac) != 17 || mac == "00:00:00:00:00:00" {
		return false
	}
	first, err := strconv.ParseUint(mac[:2], 16, 8)
	return err == nil && first&1 == 0
}
