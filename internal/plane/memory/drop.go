package memory

// Drop says why a frame went nowhere. It is also a key of Stats.Drops.
type Drop string

const (
	Forwarded      Drop = ""                // not dropped
	Runt           Drop = "runt"            // shorter than its headers
	NoPort         Drop = "no_port"         // the port is not under management
	UnboundVLAN    Drop = "unbound_vlan"    // no binding for the frame's VLAN, or none for untagged frames
	Reserved       Drop = "reserved"        // the destination is 01:80:c2:00:00:0x
	UnknownTunnel  Drop = "unknown_tunnel"  // neither its source nor its VNI is known
	TaggedInside   Drop = "tagged_inside"   // a decapsulated frame with a tag
	SplitHorizon   Drop = "split_horizon"   // from a tunnel to a MAC behind a tunnel
	Hairpin        Drop = "hairpin"         // the destination is where the frame came from
	NoDestination  Drop = "no_destination"  // there is nobody to send it to
	BadTunnelFrame Drop = "tagged_overlay"  // a frame with a tag, to a MAC behind a tunnel
	DeviceGone     Drop = "device_gone"     // the port of the destination has no device
	BFD            Drop = "bfd"             // of BFD between VTEPs, which is not for hosts
	Congested      Drop = "vxlan_receive"   // there was congestion on its way, of which its packet can't tell
	SendFailed     Drop = "vxlan_send"      // the socket of a Wire did not take its packet
	FloodLimited   Drop = "flood_limited"   // has no known destination, and its switch does not flood it
	BadSource      Drop = "bad_source"      // from a group address or from 00:00:00:00:00:00
	DoubleTagged   Drop = "double_tagged"   // has a second tag and would leave untagged by a port that has VLANs
	BadARP         Drop = "bad_arp"         // of ARP, and not as RFC 826 has it for IPv4
	BadND          Drop = "bad_nd"          // of Neighbor Discovery for a router, and not valid
	BadIP          Drop = "bad_ip"          // to a router, with a header that is not right
	SourceRoute    Drop = "source_route"    // to a router, with a source route
	Unroutable     Drop = "unroutable"      // to a router that may not forward it, or can't
	NoRoute        Drop = "no_route"        // to a router that knows no way
	NoNeighbor     Drop = "no_neighbor"     // to a router that knows nobody with the address
	TTLExceeded    Drop = "ttl_exceeded"    // has passed too many routers
	Unserved       Drop = "unserved"        // to a router itself, and nothing that it answers
	SpoofedRouter  Drop = "spoofed_router"  // from a port, in the name of a router
	ACLIngress     Drop = "acl_ingress"     // an entry of an ACL denies it where it came in
	ACLEgress      Drop = "acl_egress"      // an entry of an ACL denies it where it would leave
	ACLUnreadable  Drop = "acl_unreadable"  // it lacks or hides what an entry of an ACL asks for
	NotDesignated  Drop = "not_designated"  // another VTEP forwards for the segment of the port that it would leave by, or came in at
	LocalBias      Drop = "local_bias"      // flooded by a VTEP that has given it to the same segment itself
	TooBig         Drop = "too_big"         // larger than the way out allows; of a rehearsal alone
	NoTunnel       Drop = "no_tunnel"       // would leave in a tunnel, but there can be none; of a rehearsal, or of the agent
	PortLimit      Drop = "port_limit"      // not a frame: a MAC not learned because its port is full
	TableLimit     Drop = "mac_table_limit" // not a frame: a MAC not learned because all are full
)

func (f *Fabric) count(why Drop) {
	if why == Forwarded {
		return
	}
	f.drops[string(why)]++
	if len(f.capturing) > 0 {
		f.dropped = append(f.dropped, why)
	}
	at := f.came
	at.Reason = string(why)
	if f.places[at]++; len(f.places) > maxPlaces {
		for other := range f.places { // any
			if other != at {
				delete(f.places, other)
				break
			}
		}
	}
}

// maxPlaces bounds the places of which drops are counted.
const maxPlaces = 4096
