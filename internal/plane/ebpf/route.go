package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// way is how the kernel sends VXLAN packets to a peer.
type way struct {
	device  int
	gateway netip.Addr // next hop, of the peer's family; the zero Addr: the peer itself
	mtu     uint32     // the least that the route has, or that routers told of; 0: that of the device
	learned bool       // the kernel has learned something of the way, as of its MTU, and will forget it
	one     bool       // the same plain next hop for every packet
}

// question is what the kernel is asked about: the packets that the vxlan device makes. Rules may
// look at each of these.
type question struct {
	to   netip.Addr
	from netip.Addr // the zero Addr: whatever the kernel chooses
	port uint16     // source port
	via  underlay
}

// firstPort is the first of the source ports that the programs use.
const firstPort = 0xc000

// samples is how many source ports are tried where the way depends on them.
const samples = 16

// way asks the kernel for the way to a peer. byFlow says that rules look at more than that.
// asked is how many questions that took.
func (s *space) way(f question, byFlow bool) (w way, asked int, err error) {
	f.port = firstPort
	first, err := s.route(f, false)
	if err != nil {
		return way{}, 1, err
	}
	w = way{device: first.device, gateway: first.gateway, mtu: first.mtu, learned: first.learned, one: !byFlow && !first.via && !first.encap}
	entry, err := s.route(f, true)
	asked = 2
	if err != nil || entry.hops > 1 {
		w.one = false
	} else if entry.nexthop != 0 && entry.hops == 0 {
		// Only its number is told if net.ipv4.nexthop_compat_mode is 0.
		group, err := s.isGroup(entry.nexthop)
		w.one = w.one && err == nil && !group
		asked++
	}
	if w.one || first.via || first.encap {
		return w, asked, nil
	}
	// The kernel chooses flow by flow: what is sent has to fit every way that it may choose.
	w.mtu = s.deviceMTU(first)
	for i := 1; i < samples; i++ {
		f.port = firstPort + uint16(i*997)
		a, err := s.route(f, false)
		asked++
		if err == nil {
			w.mtu, w.learned = min(w.mtu, s.deviceMTU(a)), w.learned || a.learned
		}
	}
	return w, asked, nil
}

// deviceMTU is the MTU of the answer's route, or else of its device.
func (s *space) deviceMTU(a answer) uint32 {
	if a.mtu != 0 {
		return a.mtu
	}
	l, err := s.links.LinkByIndex(a.device)
	if err != nil {
		return 1<<16 - 1
	}
	return uint32(l.Attrs().MTU)
}

// answer is what the kernel says of one flow, or of the entry that its route comes from.
type answer struct {
	device  int
	gateway netip.Addr
	mtu     uint32
	learned bool   // it expires
	via     bool   // its next hop is of another family
	encap   bool   // it adds headers of its own
	hops    int    // next hops of the entry, if it names several
	nexthop uint32 // number of the entry's nexthop object; 0: none
}

// What x/sys/unix does not have.
const (
	rtaNexthop = 30 // RTA_NH_ID
	rtaExpires = 8  // offset of rta_expires in struct rta_cacheinfo
)

// route asks for the route of such a flow, as "ip route get" does; or, with match, for the entry of
// the routing table that it comes from ("fibmatch").
func (s *space) route(f question, match bool) (answer, error) {
	msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Dst_len: uint8(f.to.BitLen()), Flags: unix.RTM_F_LOOKUP_TABLE}}
	if f.to.Is6() {
		msg.Family = unix.AF_INET6
	}
	if match {
		msg.Flags |= unix.RTM_F_FIB_MATCH
	}
	req := s.request(unix.NETLINK_ROUTE, unix.RTM_GETROUTE, 0)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.RTA_DST, f.to.AsSlice()))
	if f.from.IsValid() {
		msg.Src_len = uint8(f.from.BitLen())
		req.AddData(nl.NewRtAttr(unix.RTA_SRC, f.from.AsSlice()))
	}
	req.AddData(nl.NewRtAttr(unix.RTA_UID, make([]byte, 4))) // the vxlan device sends as root
	req.AddData(nl.NewRtAttr(unix.RTA_IP_PROTO, []byte{unix.IPPROTO_UDP}))
	req.AddData(nl.NewRtAttr(unix.RTA_SPORT, binary.BigEndian.AppendUint16(nil, f.port)))
	req.AddData(nl.NewRtAttr(unix.RTA_DPORT, binary.BigEndian.AppendUint16(nil, f.via.port)))
	if f.via.vrf > 0 {
		req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(f.via.vrf))))
	}
	messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if err != nil {
		return answer{}, err
	}
	if len(messages) == 0 || len(messages[0]) < unix.SizeofRtMsg {
		return answer{}, errors.New("the kernel's answer is empty")
	}
	return parseRoute(messages[0][unix.SizeofRtMsg:])
}

func parseRoute(b []byte) (a answer, err error) {
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		return a, fmt.Errorf("read a route: %w", err)
	}
	for _, at := range attrs {
		switch v := at.Value; at.Attr.Type & nl.NLA_TYPE_MASK {
		case unix.RTA_OIF:
			a.device = int(binary.NativeEndian.Uint32(v))
		case unix.RTA_GATEWAY:
			a.gateway, _ = netip.AddrFromSlice(v)
		case unix.RTA_VIA:
			a.via = true
		case unix.RTA_ENCAP, unix.RTA_ENCAP_TYPE:
			a.encap = true
		case rtaNexthop:
			a.nexthop = binary.NativeEndian.Uint32(v)
		case unix.RTA_CACHEINFO:
			a.learned = len(v) >= rtaExpires+4 && binary.NativeEndian.Uint32(v[rtaExpires:]) != 0
		case unix.RTA_MULTIPATH:
			for len(v) >= unix.SizeofRtNexthop {
				size := int(binary.NativeEndian.Uint16(v))
				if size < unix.SizeofRtNexthop {
					break
				}
				a.hops++
				v = v[min(len(v), (size+3)&^3):]
			}
		case unix.RTA_METRICS:
			metrics, err := nl.ParseRouteAttr(v)
			if err != nil {
				return a, fmt.Errorf("read the metrics of a route: %w", err)
			}
			for _, m := range metrics {
				if m.Attr.Type == unix.RTAX_MTU {
					a.mtu = binary.NativeEndian.Uint32(m.Value)
				}
			}
		}
	}
	return a, nil
}

// isGroup says whether a nexthop object stands for several.
func (s *space) isGroup(number uint32) (bool, error) {
	const sizeofNhMsg = 8
	req := s.request(unix.NETLINK_ROUTE, unix.RTM_GETNEXTHOP, 0)
	req.AddRawData(make([]byte, sizeofNhMsg))
	id := nl.NewRtAttr(unix.NHA_ID, binary.NativeEndian.AppendUint32(nil, number))
	req.AddRawData(id.Serialize())
	messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEXTHOP)
	if err != nil || len(messages) == 0 || len(messages[0]) < sizeofNhMsg {
		return false, fmt.Errorf("read nexthop %d: %w", number, err)
	}
	attrs, err := nl.ParseRouteAttr(messages[0][sizeofNhMsg:])
	for _, a := range attrs {
		if a.Attr.Type == unix.NHA_GROUP {
			return true, err
		}
	}
	return false, err
}

// flowRules says whether some rule looks at what differs from flow to flow: source ports and, if
// dscp is set, the DSCP.
func (s *space) flowRules(dscp bool) (bool, error) {
	rules, err := s.links.RuleList(netlink.FAMILY_V4)
	if err != nil {
		return false, fmt.Errorf("list ip rules: %w", err)
	}
	for _, r := range rules {
		if r.Sport != nil || dscp && r.Tos != 0 {
			return true, nil
		}
	}
	return false, nil
}
