package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/problem"
)

// Way is how the kernel sends VXLAN packets to a peer.
type Way struct {
	Device  int
	Gateway netip.Addr // next hop, of the peer's family; the zero Addr: the peer itself
	MTU     uint32     // the least that the route has, or that routers told of; 0: that of the device
	Learned bool       // the kernel has learned something of the way, as of its MTU, and will forget it
	One     bool       // the same plain next hop for every packet
}

// Question is what the kernel is asked about: the packets that the vxlan device makes. Rules may
// look at each of these.
type Question struct {
	To   netip.Addr
	From netip.Addr // the zero Addr: whatever the kernel chooses
	port uint16     // source port
	Via  Underlay
}

// Underlay is how VXLAN packets travel.
type Underlay struct {
	Port uint16 // UDP
	VRF  int    // ifindex; 0: none, -1: it is not there
	Name string // of the VRF
}

// Bind has a socket use the VRF.
func (u Underlay) Bind(fd int) error {
	if u.Name == "" {
		return nil
	}
	if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, u.Name); err != nil {
		return fmt.Errorf("use VRF %s: %w", problem.Name(u.Name), err)
	}
	return nil
}

// firstPort is the first of the source ports that the programs use.
const firstPort = 0xc000

// samples is how many source ports are tried where the way depends on them.
const samples = 16

// Way asks the kernel for the way to a peer. byFlow says that rules look at more than that.
// asked is how many questions that took.
func (s *Namespace) Way(f Question, byFlow bool) (w Way, asked int, err error) {
	f.port = firstPort
	first, err := s.route(f, false)
	if err != nil {
		return Way{}, 1, err
	}
	w = Way{Device: first.device, Gateway: first.gateway, MTU: first.mtu, Learned: first.learned, One: !byFlow && !first.via && !first.encap}
	entry, err := s.route(f, true)
	asked = 2
	if err != nil || entry.hops > 1 {
		w.One = false
	} else if entry.nexthop != 0 && entry.hops == 0 {
		// Only its number is told if net.ipv4.nexthop_compat_mode is 0.
		group, err := s.isGroup(entry.nexthop)
		w.One = w.One && err == nil && !group
		asked++
	}
	if w.One || first.via || first.encap {
		return w, asked, nil
	}
	// The kernel chooses flow by flow: what is sent has to fit every way that it may choose.
	w.MTU = s.deviceMTU(first)
	for i := 1; i < samples; i++ {
		f.port = firstPort + uint16(i*997)
		a, err := s.route(f, false)
		asked++
		if err == nil {
			w.MTU, w.Learned = min(w.MTU, s.deviceMTU(a)), w.Learned || a.learned
		}
	}
	return w, asked, nil
}

// deviceMTU is the MTU of the answer's route, or else of its device.
func (s *Namespace) deviceMTU(a answer) uint32 {
	if a.mtu != 0 {
		return a.mtu
	}
	l, err := s.Links.LinkByIndex(a.device)
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
func (s *Namespace) route(f Question, match bool) (answer, error) {
	msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Dst_len: uint8(f.To.BitLen()), Flags: unix.RTM_F_LOOKUP_TABLE}}
	if f.To.Is6() {
		msg.Family = unix.AF_INET6
	}
	if match {
		msg.Flags |= unix.RTM_F_FIB_MATCH
	}
	req := s.request(unix.NETLINK_ROUTE, unix.RTM_GETROUTE, 0)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.RTA_DST, f.To.AsSlice()))
	if f.From.IsValid() {
		msg.Src_len = uint8(f.From.BitLen())
		req.AddData(nl.NewRtAttr(unix.RTA_SRC, f.From.AsSlice()))
	}
	req.AddData(nl.NewRtAttr(unix.RTA_UID, make([]byte, 4))) // the vxlan device sends as root
	req.AddData(nl.NewRtAttr(unix.RTA_IP_PROTO, []byte{unix.IPPROTO_UDP}))
	req.AddData(nl.NewRtAttr(unix.RTA_SPORT, binary.BigEndian.AppendUint16(nil, f.port)))
	req.AddData(nl.NewRtAttr(unix.RTA_DPORT, binary.BigEndian.AppendUint16(nil, f.Via.Port)))
	if f.Via.VRF > 0 {
		req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(f.Via.VRF))))
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
func (s *Namespace) isGroup(number uint32) (bool, error) {
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

// FlowRules says whether some rule looks at what differs from flow to flow: source ports and, if
// dscp is set, the DSCP.
func (s *Namespace) FlowRules(dscp bool) (bool, error) {
	rules, err := whole(func() ([]netlink.Rule, error) { return s.Links.RuleList(netlink.FAMILY_V4) })
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
