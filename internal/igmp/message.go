// Package igmp reads and writes the messages by which hosts join and leave groups of IP multicast:
// IGMP (RFC 1112, 2236, 3376) in IPv4, MLD (RFC 2710, 3810) in IPv6; and reads the hellos of PIM
// (RFC 7761), which tell where routers are.
//
// It does as a switch must that listens to others (RFC 4541), not as a host or a router: a Message
// says what is in a frame, and nothing has state. Whatever is not exactly as the standards have it
// is refused with a Reason, so that what is done by a message can't be had with less.
package igmp

import (
	"net/netip"
	"time"
)

// Kind is what a Message is for.
type Kind uint8

const (
	Query  Kind = iota + 1 // a router, or who stands for one, asks hosts for their groups
	Report                 // a host tells of groups that it is in, or leaves
	Router                 // a router is there, or about to go
)

// Message is one message. It shares nothing with the frame that it was read from.
type Message struct {
	Kind    Kind
	IPv6    bool       // it is of MLD, or of PIM over IPv6
	Version uint8      // of IGMP 1 to 3, of MLD 1 or 2; of a Router 0
	Source  netip.Addr // of the packet; 0.0.0.0 or :: where the sender has no address

	// Of a Query.
	Group       netip.Addr    // the zero Addr: of all groups
	MaxResponse time.Duration // hosts take up to that time to answer
	Robustness  uint8         // how often messages are sent, lest one is lost; 0: not told
	Interval    time.Duration // between queries of all groups; 0: not told

	// Of a Report, in the order of the packet.
	Records []Record

	// Of a Router: how long it is there without another hello; 0: it goes.
	Hold time.Duration
}

// Record is what a Report says of one group.
type Record struct {
	Group netip.Addr
	// Leave: the host is not in the group any more, or wants less of it. Whether others behind the
	// same port are in it only a query can tell.
	Leave bool
}

// Reason says why a frame is no Message.
type Reason string

func (r Reason) Error() string { return string(r) }

const (
	Other       Reason = "other"           // of another protocol, or a type that says nothing of hosts or routers
	Malformed   Reason = "malformed"       // shorter than it says, in fragments, ...
	BadChecksum Reason = "bad_checksum"    // of its IP header, or its own
	BadTTL      Reason = "bad_ttl"         // not 1: it may have been sent from far away
	NoAlert     Reason = "no_router_alert" // it lacks the Router Alert option that it must have
	BadAddress  Reason = "bad_address"     // of its source, destination or group, none that it can have
)

// MAC is the address of the Ethernet frames to a group (RFC 1112, 6.4; RFC 2464, 7). Those of 32
// groups of IPv4 are the same.
func MAC(group netip.Addr) [6]byte {
	if group.Is4() {
		a := group.As4()
		return [6]byte{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}
	}
	a := group.As16()
	return [6]byte{0x33, 0x33, a[12], a[13], a[14], a[15]}
}

// Addresses that messages are sent to.
var (
	allHosts4      = netip.AddrFrom4([4]byte{224, 0, 0, 1})
	allRouters4    = netip.AddrFrom4([4]byte{224, 0, 0, 2})
	pimRouters4    = netip.AddrFrom4([4]byte{224, 0, 0, 13})
	reportsV3      = netip.AddrFrom4([4]byte{224, 0, 0, 22})
	allHosts6      = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1})
	allRouters6    = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 2})
	pimRouters6    = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 13})
	reportsV2ofMLD = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 22})
)
