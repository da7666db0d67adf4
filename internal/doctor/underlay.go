package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// mostPeers bounds how many peers are looked at one by one.
const mostPeers = 200

func underlay(s Subject) []Finding {
	var all []Finding
	on := map[netip.Addr]netlink.Link{} // the devices of tunnel IPs
	for _, ip := range s.TunnelIPs {
		l := deviceOf(ip)
		if l == nil {
			all = append(all, finding(Bad, "tunnel IP", ip.String(), "it is not an address of this machine", "ip addr add "+ip.String()+"/LENGTH dev DEVICE, or set another with vtep-ctl"))
			continue
		}
		on[ip] = l
		all = append(all, finding(OK, "tunnel IP", ip.String(), "it is on device "+l.Attrs().Name, ""))
		if offload(l.Attrs().Name, ethFlagLRO) {
			all = append(all, finding(Warn, "tunnel IP", ip.String(), "large-receive-offload is on at "+l.Attrs().Name, "ethtool -K "+l.Attrs().Name+" lro off"))
		}
	}
	switch {
	case len(s.TunnelIPs) > 0:
	case s.PID == 0:
		all = append(all, finding(Note, "tunnel IP", "", "none is given: the underlay is not looked at", "name the one that it is to have: vtep doctor --tunnel-ip IP --port NAME"))
	default:
		all = append(all, finding(Warn, "tunnel IP", "", "there is none: no tunnel can be", "start with --tunnel-ip IP"))
	}
	widest, need := widestPort(s)
	for i, peer := range s.Peers {
		if i == mostPeers {
			all = append(all, finding(Note, "peer", "", fmt.Sprintf("%d more peers are not looked at", len(s.Peers)-i), ""))
			break
		}
		all = append(all, lookAtPeer(s, peer, on, widest, need)...)
	}
	return all
}

// widestPort is the port with the greatest MTU.
func widestPort(s Subject) (mtu int, name string) {
	for _, p := range s.Ports {
		if l, err := netlink.LinkByName(p); err == nil && l.Attrs().MTU > mtu {
			mtu, name = l.Attrs().MTU, p
		}
	}
	return mtu, name
}

// room is what a tunnel to a peer adds to a frame, as the MTU of the underlay counts.
func room(peer netip.Addr) int {
	if peer.Is6() {
		return 70
	}
	return 50
}

// NeededSize is the size of the largest packet that a tunnel to the peer may have to carry, from its IP header
// on; 0: it is not known.
func NeededSize(s Subject, peer netip.Addr) int {
	if mtu, _ := widestPort(s); mtu > 0 {
		return mtu + room(peer)
	}
	return 0
}

// deviceOf is the device that has an address; nil: none has.
func deviceOf(ip netip.Addr) netlink.Link {
	links, err := listed(netlink.LinkList())
	if err != nil {
		return nil
	}
	for _, l := range links {
		addrs, err := listed(netlink.AddrList(l, netlink.FAMILY_ALL))
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if got, ok := netip.AddrFromSlice(a.IP); ok && got.Unmap() == ip {
				return l
			}
		}
	}
	return nil
}

func lookAtPeer(s Subject, peer netip.Addr, on map[netip.Addr]netlink.Link, widest int, need string) []Finding {
	var all []Finding
	add := func(level Level, check, text, remedy string) {
		all = append(all, finding(level, check, peer.String(), text, remedy))
	}
	i := slices.IndexFunc(s.TunnelIPs, func(ip netip.Addr) bool { return ip.Is4() == peer.Is4() })
	if i < 0 {
		add(Bad, "peer", "there is no tunnel IP of its family", "vtep-ctl set Physical_Switch NAME tunnel_ips=...")
		return all
	}
	options := &netlink.RouteGetOptions{SrcAddr: net.IP(s.TunnelIPs[i].AsSlice())}
	routes, err := netlink.RouteGetWithOptions(net.IP(peer.AsSlice()), options)
	if err != nil || len(routes) == 0 || routes[0].Type != unix.RTN_UNICAST {
		add(Bad, "route", "there is none to it from "+s.TunnelIPs[i].String(), "ip route add "+peer.String()+" via NEXTHOP, or see why it is not there: ip route get "+peer.String()+" from "+s.TunnelIPs[i].String())
		return all
	}
	r := routes[0]
	out, err := netlink.LinkByIndex(r.LinkIndex)
	if err != nil {
		add(Warn, "route", "its device can't be looked at: "+err.Error(), "")
		return all
	}
	dev, mtu := out.Attrs().Name, out.Attrs().MTU
	if r.MTU > 0 {
		mtu = r.MTU
	}
	hop := peer
	if r.Gw != nil {
		if gw, ok := netip.AddrFromSlice(r.Gw); ok {
			hop = gw.Unmap()
		}
	}
	add(OK, "route", fmt.Sprintf("by device %s, next hop %s, MTU %d", dev, hop, mtu), "")
	room := room(peer)
	if widest > 0 && mtu < widest+room {
		add(Warn, "mtu", fmt.Sprintf("the way to it takes packets of %d bytes, but port %s (MTU %d) may send what needs %d: larger frames are dropped", mtu, need, widest, widest+room),
			fmt.Sprintf("ip link set %s mtu %d, and as much on the way; or give the hosts the MTU %d", dev, widest+room, mtu-room))
	} else if widest > 0 {
		add(OK, "mtu", fmt.Sprintf("the way to it takes what the ports may send (%d bytes)", widest+room), "")
	}
	all = append(all, neighbour(peer, hop, out)...)
	if own := on[s.TunnelIPs[i]]; own != nil && peer.Is4() && own.Attrs().Index != r.LinkIndex {
		if strict(dev) {
			add(Warn, "rp_filter", "its packets come in at "+dev+" perhaps, where rp_filter is strict, and the tunnel IP is on "+own.Attrs().Name, "sysctl -w net.ipv4.conf."+dev+".rp_filter=2")
		}
	}
	return all
}

// neighbour looks for the link-layer address of the next hop.
func neighbour(peer, hop netip.Addr, out netlink.Link) []Finding {
	if out.Attrs().EncapType != "ether" || out.Attrs().RawFlags&unix.IFF_NOARP != 0 {
		return nil
	}
	family := netlink.FAMILY_V4
	if hop.Is6() {
		family = netlink.FAMILY_V6
	}
	list, err := listed(netlink.NeighList(out.Attrs().Index, family))
	if err != nil {
		return nil
	}
	for _, n := range list {
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok || ip.Unmap() != hop {
			continue
		}
		switch {
		case n.State&(netlink.NUD_FAILED|netlink.NUD_INCOMPLETE) != 0:
			return []Finding{finding(Bad, "neighbour", peer.String(), fmt.Sprintf("nobody answers for the next hop %s at %s", hop, out.Attrs().Name), "see that it is there: ping "+hop.String())}
		case len(n.HardwareAddr) > 0:
			return []Finding{finding(OK, "neighbour", peer.String(), fmt.Sprintf("the next hop %s is %s", hop, n.HardwareAddr), "")}
		}
	}
	return []Finding{finding(Note, "neighbour", peer.String(), fmt.Sprintf("nothing is known of the next hop %s yet", hop), "ping "+hop.String())}
}

// strict says whether packets that come in at a device which answers would not leave by are dropped.
func strict(dev string) bool {
	most := ""
	for _, name := range []string{"all", dev} {
		b, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + name + "/rp_filter")
		if v := strings.TrimSpace(string(b)); err == nil && v > most {
			most = v
		}
	}
	return most == "1"
}
