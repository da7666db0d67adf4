package ovs

import (
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// The pipeline. A frame passes the bridge of the physical switch, then the bridge of its
// logical switch, and back:
//
//	PS, table 0            in by a port:        VLAN, or none -> tag off, patch port of the binding
//	                       in by a patch port:  tag on, port
//	LS, table 0            in by a patch port:  source known? else tell the agent    -> table 1
//	                       in by a tunnel port: source and VNI of a peer?            -> table 1
//	LS, table 1            source that nobody can have, then destination: reserved, remote, local, group, all
//	LS, table 2            as table 0, for frames that still have a tag
//	LS, table 7            who gets what is flooded out of tunnels, where there are Ethernet segments; see segment.go
//	PS, table 3            the entries of ACLs for ingress; see acl.go
//	LS, table 12           those for egress
//	PS, table 20           notes for the next process; no frame comes there
//	strays, table 0        in by a tunnel, in a VNI of no switch: dropped
//
// Register 1 has the tunnel port by which a frame may leave, or no port: a frame with a tag, or
// one that came by a tunnel, does not go into a tunnel. Instead of a port it then has
// OFPP_TABLE, which Open vSwitch takes, as an output, for another look at table 0: a flow there
// drops the frame, and counts it by where it came in. So a frame that is forwarded passes no
// more tables than it would without the counting. A copy to the port that the frame came by is
// left out by Open vSwitch itself: one to a learned MAC is counted, those of a flood are not.
const (
	tableIn     uint8 = 0 // of every bridge
	tableOut    uint8 = 1
	tableTagged uint8 = 2
	tableACL    uint8 = 3 // of ingress
	tableCopies uint8 = 7
	tableACLOut uint8 = 12 // of egress
	tableNotes  uint8 = 20

	regEgress  = 1
	regACL     = 2 // the number of the ACL that is asked
	regTo      = 3 // the port that the frame is for if it may pass
	regVerdict = 4
)

// Instead of a tunnel port in regEgress.
const (
	noEgress   uint32 = 0xfff9  // OFPP_TABLE: none
	backToPort uint32 = 1 << 16 // the frame is for where it came from
)

// Priorities. Those of the bridge of the physical switch are what Open vSwitch's emulator has
// since 3.6, as are the cookie and the priority of what is learned.
const (
	prioVLAN         uint16 = 200 // PS: a VLAN of a port
	prioPriorityTag  uint16 = 150 // PS: VID 0
	prioDoubleTagged uint16 = 110 // PS: what must not leave untagged
	prioUntagged     uint16 = 100 // PS: no tag; and what comes by a patch port
	prioUnbound      uint16 = 1   // PS: the rest

	prioDenied    uint16 = 950 // either, table 0: an ACL has denied it
	prioNowhere   uint16 = 900 // LS, table 0: no way out was found in table 1
	prioBFD       uint16 = 700 // LS, table 0: BFD in a tunnel
	prioTagged    uint16 = 400 // LS, table 0: to table 2
	prioTunTagged uint16 = 400 // LS, table 0: a tag in a tunnel
	prioSource    uint16 = 300 // LS: a source that is known
	prioNoSource  uint16 = 200 // LS: a source that nobody can have; and a peer
	prioAnyPeer   uint16 = 150 // LS: any peer of the switch's own VNI
	prioNew       uint16 = 100 // LS: a source that is new
	prioStranger  uint16 = 10  // LS: no peer

	prioSelf uint16 = 65535 // LS, table 12: a copy to where the frame came from
	prioACL  uint16 = 65000 // tables 3 and 12: the first of an ACL's flows; others follow by their order
	prioNote uint16 = 1

	prioNobody   uint16 = 2500 // LS, table 1: a source that nobody can have
	prioReserved uint16 = 2000 // LS, table 1
	prioRemote   uint16 = 1500

	prioAttachedBack uint16 = 1501
	prioAudience     uint16 = 100 // LS, table 7

	prioHairpin uint16 = 1001
	prioLocal   uint16 = 1000
	prioGroup   uint16 = 900
	prioPassed  uint16 = 10 // in a switch that does not flood all: what it floods
	prioFlood   uint16 = 0

	// More than that of prioGroup, prioPassed or prioFlood:
	plusHere  uint16 = 1 // what must not go into tunnels
	plusAlone uint16 = 2 // from the only port of the switch
	// More than that of prioPassed:
	plusListed uint16 = 3 // to an address that has a set of its own
)

// Cookies tell what is ours. The one of learned addresses is the emulator's.
const (
	cookieLearned uint64 = 0x5000
	cookieBase    uint64 = 0x76746570 << 32 // "vtep"
	cookieMask    uint64 = 0xffffffff << 32

	cookieFlow     = cookieBase
	cookieSource   = cookieBase | 1 // the source of a frame is known
	cookieMuted    = cookieBase | 2 // it is known not to be learned
	cookieBack     = cookieBase | 3 // a learned MAC is where the frame came from
	cookieDrop     = cookieBase | 0x100
	cookiePunt     = cookieBase | 0x200 // a packet of a router that the agent is to look at
	cookieNeighbor = cookieBase | 4     // who has an address
	cookieACL      = cookieBase | 1<<31 // an entry of an ACL, by the low bits
)

// Reasons for which flows drop frames, by the low bits of their cookies.
var dropReasons = []string{
	dropUnbound:       "unbound_vlan",
	dropDoubleTagged:  "double_tagged",
	dropReserved:      "reserved",
	dropStranger:      "unknown_tunnel",
	dropTaggedInside:  "tagged_inside",
	dropBFD:           "bfd",
	dropBadSource:     "bad_source",
	dropHairpin:       "hairpin",
	dropSplitHorizon:  "split_horizon",
	dropNoTunnel:      "no_tunnel",
	dropTagged:        "tagged_overlay",
	dropNobody:        "no_destination",
	dropLimited:       "flood_limited",
	dropACLIngress:    "acl_ingress",
	dropACLEgress:     "acl_egress",
	dropACLUnreadable: "acl_unreadable",
	dropBadARP:        "bad_arp",
	dropBadND:         "bad_nd",
	dropBadIP:         "bad_ip",
	dropUnroutable:    "unroutable",
	dropNoRoute:       "no_route",
	dropNoNeighbor:    "no_neighbor",
	dropTTLExceeded:   "ttl_exceeded",
	dropUnserved:      "unserved",
	dropSpoofedRouter: "spoofed_router",
	dropNotDesignated: "not_designated",
	dropLocalBias:     "local_bias",
}

const (
	dropUnbound = iota
	dropDoubleTagged
	dropReserved
	dropStranger
	dropTaggedInside
	dropBFD
	dropBadSource
	dropHairpin
	dropSplitHorizon
	dropNoTunnel
	dropTagged
	dropNobody
	dropLimited
	dropACLIngress
	dropACLEgress
	dropACLUnreadable
	dropBadARP
	dropBadND
	dropBadIP
	dropUnroutable
	dropNoRoute
	dropNoNeighbor
	dropTTLExceeded
	dropUnserved
	dropSpoofedRouter
	dropNotDesignated
	dropLocalBias
)

// Bytes of a frame that the agent needs to see: the addresses.
const packetInLen = 14

// controllerID is the one that packets are sent to.
const controllerID = 0x7674

// mutedSeconds is for how long a source that could not be learned is not heard again.
const mutedSeconds = 5

const (
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
)

// hasTag are the matches for a frame that has a tag. Behind one that was taken off, Open
// vSwitch sees the next as the frame's type, or as a tag if vlan-limit lets it look deeper.
var hasTag = []openflow.Field{openflow.Tagged(), ethType(etherVLAN), ethType(etherQinQ)}

func ethType(t uint16) openflow.Field {
	return openflow.Field{ID: openflow.FieldEthType, Value: []byte{byte(t >> 8), byte(t)}}
}

// bfdMAC and bfdPackets are what BFD between VTEPs is known by. It is not for hosts.
var bfdMAC = [6]byte{0x00, 0x23, 0x20, 0x00, 0x00, 0x01}

var bfdPackets = []openflow.Field{
	ethType(0x0800), {ID: openflow.FieldIPProto, Value: []byte{17}},
	{ID: openflow.FieldIPv4Dst, Value: []byte{169, 254, 1, 0}, Mask: []byte{255, 255, 255, 254}},
	{ID: openflow.FieldUDPDst, Value: []byte{3784 >> 8, 3784 & 0xff}},
}

// neighborMessages are ARP and the messages of Neighbor Discovery (RFC 4861).
var neighborMessages = func() []openflow.Match {
	all := []openflow.Match{{ethType(0x0806)}}
	for kind := byte(133); kind <= 137; kind++ {
		all = append(all, openflow.Match{ethType(0x86dd), {ID: openflow.FieldIPProto, Value: []byte{58}},
			{ID: openflow.FieldICMPv6, Value: []byte{kind}}})
	}
	return all
}()

// nobody are the sources that no host can have.
var nobody = []openflow.Field{openflow.EthSrcMasked(groupBit, groupBit), openflow.EthSrc([6]byte{})}

var (
	groupBit    = [6]byte{0x01}
	broadcast   = intent.MAC{255, 255, 255, 255, 255, 255}
	reservedMAC = intent.MAC{0x01, 0x80, 0xc2, 0x00, 0x00, 0x00}
	reservedBit = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}
)
