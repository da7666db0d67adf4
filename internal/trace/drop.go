package trace

import (
	"fmt"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/problem"
)

// texts say what each reason means, as docs/reference.md does.
var texts = map[memory.Drop]string{
	memory.Runt:           "it is shorter than its headers",
	memory.NoPort:         "it came in at a device that is no port",
	memory.UnboundVLAN:    "there is no binding for its port and VLAN",
	memory.Reserved:       "it is for the neighbour on the wire, and is not one of reserved_macs",
	memory.UnknownTunnel:  "no row of an active switch names its peer with its VNI",
	memory.TaggedInside:   "it came in a tunnel and has a tag",
	memory.SplitHorizon:   "it came in a tunnel and is for a host behind a tunnel",
	memory.Hairpin:        "it is for a host behind the port and VLAN that it came from",
	memory.NoDestination:  "it is for all, or for an unknown host, and nobody else is in the logical switch",
	memory.BadTunnelFrame: "it has a tag, besides that of its binding, and would leave in a tunnel",
	memory.DeviceGone:     "the port by which it would leave has no network device",
	memory.BFD:            "it is of BFD between VTEPs, which is not for hosts",
	memory.Congested:      "there was congestion on its way, of which its packet can't tell",
	memory.FloodLimited:   "it has no known destination, and the switch does not flood it",
	memory.BadSource:      "its source is an address that no host can have",
	memory.DoubleTagged:   "it has a second tag and would leave untagged by a port that has VLANs",
	memory.BadARP:         "it is of ARP in a switch that has a router, and not as RFC 826 has it",
	memory.BadND:          "it is of Neighbor Discovery for a router, and not valid",
	memory.BadIP:          "it is to a router, and its IP header is wrong, or its TTL 0",
	memory.SourceRoute:    "it is to a router, and names other routers that it wants to pass",
	memory.Unroutable:     "it is to a router, and not of IP, or to or from an address that does not leave its link",
	memory.NoRoute:        "it is to a router that has no route to its destination",
	memory.NoNeighbor:     "it is to a router, and nobody is known who has the address of its next hop: it may wait until somebody answers",
	memory.TTLExceeded:    "it has passed as many routers as its TTL allows",
	memory.Unserved:       "it is to a router itself, and nothing that it answers",
	memory.SpoofedRouter:  "it came in at a port, from the address of a router",
	memory.ACLIngress:     "the ACL of its port and VLAN, or of the interface by which it came to the router, denies it",
	memory.ACLEgress:      "the ACL of the port and VLAN, or of the interface of the router, by which it would leave denies it",
	memory.ACLUnreadable:  "it lacks or hides what an entry of an ACL asks for",
	memory.NotDesignated:  "another VTEP forwards for the Ethernet segment of its port: for what is flooded out of tunnels, or with evpn_single_active for all",
	memory.LocalBias:      "the VTEP that floods it is attached to the Ethernet segment of the port, too, and has given it to that itself",
	memory.TooBig:         "it is larger than the way out allows",
	memory.NoTunnel:       "it would leave in a tunnel, but there can be none: vtep/problems says why",
}

// need says which row would have to be for the frame to get on, "": no row would help.
func (w *writer) need(why memory.Drop, last plane.Entry) string {
	ls := w.ofSwitch(last.Switch)
	switch why {
	case memory.NoPort:
		return fmt.Sprintf("a Physical_Port row named %s in our Physical_Switch, and a network device of that name", problem.Name(last.At.Port))
	case memory.UnboundVLAN:
		return fmt.Sprintf("in Physical_Port %s an element of vlan_bindings for VLAN %d, with the Logical_Switch", problem.Name(last.At.Port), last.At.VLAN)
	case memory.UnknownTunnel:
		t := last.Tunnel
		return fmt.Sprintf("a Ucast_Macs_Remote or Mcast_Macs_Remote row of a Logical_Switch with a binding here, whose Physical_Locator has dst_ip %v, and VNI %d as its tunnel_key or as that of the Logical_Switch", t.Peer, t.VNI)
	case memory.NoDestination:
		return fmt.Sprintf("a Mcast_Macs_Remote row of unknown-dst in %s with the peers that get such frames, or another binding of it", ls)
	case memory.FloodLimited:
		return fmt.Sprintf("a Ucast_Macs_Remote row of its destination in %s, or a host there that has sent something; or the key \"flood\" of its other_config removed", ls)
	case memory.NoRoute:
		return fmt.Sprintf("in Logical_Router %s an element of static_routes for a prefix of %v, or one of switch_binding", w.router(last.Router), last.IP)
	case memory.NoNeighbor:
		return fmt.Sprintf("a Ucast_Macs_Remote row in %s with ipaddr %v; or a host there that answers when the router asks for that address", ls, last.IP)
	case memory.ACLIngress, memory.ACLEgress, memory.ACLUnreadable:
		return "an ACL_entry that permits it, with a lower sequence than the one that decided"
	case memory.NotDesignated:
		return fmt.Sprintf("none, unless this VTEP is to forward there: then Physical_Port %s without its VLAN %d in other_config:evpn_blocked", problem.Name(last.At.Port), last.At.VLAN)
	case memory.LocalBias:
		return "none: the VTEP that sent it should have given it to its own port of the segment"
	case memory.Reserved:
		return "the address in other_config:reserved_macs of the Logical_Switch or of the Physical_Switch"
	case memory.TaggedInside, memory.BadTunnelFrame:
		return "other_config:inner_tags of the Logical_Switch"
	case memory.NoTunnel:
		return "a tunnel IP in Physical_Switch.tunnel_ips that is an address of this machine"
	case memory.SplitHorizon:
		return fmt.Sprintf("none: the peer should have sent it to where that row of %s leads", ls)
	}
	return ""
}

func (w *writer) drop(why memory.Drop, last plane.Entry) Drop {
	text := texts[why]
	if why == memory.TooBig {
		text += w.size(last)
	}
	return Drop{Reason: string(why), Text: text, Need: w.need(why, last)}
}

// size says how much the way out takes.
func (w *writer) size(last plane.Entry) string {
	is := w.outcome.Installed
	switch {
	case last.Kind == plane.EntryWay && is.Ways[last.IP].MTU > 0:
		return fmt.Sprintf(": the way to %v takes packets of %d bytes", last.IP, is.Ways[last.IP].MTU)
	case last.Kind == plane.EntryBinding && is.MTU[last.At.Port] > 0:
		return fmt.Sprintf(": the MTU of port %s is %d", problem.Name(last.At.Port), is.MTU[last.At.Port])
	}
	return ""
}

// noSwitch is the zero SwitchID.
var noSwitch intent.SwitchID
