package host

import (
	"encoding/binary"
	"fmt"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The header of VXLAN has reserved bits, which a receiver must ignore (RFC 7348, 5). The kernel
// drops frames that have any of them set, unless the device was told otherwise when it was made;
// kernels before 6.14 can't be told, and don't count. For such a strict device vtep_underlay
// clears the bits, on the devices by which peers are reached.

// iflaVXLANReservedBits names a header in which the bits are set that must be 0 in a frame.
const iflaVXLANReservedBits = 33

const vxlanHeader = 8 // bytes

// AddVXLAN makes the plane's vxlan device: external, that is, its frames say themselves from where or to where they
// are. Kernels pass over attributes that they don't know.
func (s *Namespace) AddVXLAN(name string, mtu uint32, via Underlay, groups bool) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(mtu)))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("vxlan"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_VXLAN_FLOWBASED, nl.Uint8Attr(1))
	data.AddRtAttr(nl.IFLA_VXLAN_LEARNING, nl.Uint8Attr(0))
	data.AddRtAttr(nl.IFLA_VXLAN_PORT, binary.BigEndian.AppendUint16(nil, via.Port))
	if via.VRF > 0 {
		data.AddRtAttr(nl.IFLA_VXLAN_LINK, nl.Uint32Attr(uint32(via.VRF)))
	}
	data.AddRtAttr(nl.IFLA_VXLAN_UDP_ZERO_CSUM6_RX, nl.Uint8Attr(1))
	if groups {
		data.AddRtAttr(nl.IFLA_VXLAN_GBP, nil)
	}
	data.AddRtAttr(iflaVXLANReservedBits, make([]byte, vxlanHeader))
	req.AddData(info)
	return s.Run(func() error {
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
}

// IsStrict says whether a vxlan device drops frames with reserved bits set.
func (s *Namespace) IsStrict(ifindex int) (bool, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(ifindex)
	req.AddData(msg)
	var replies [][]byte
	err := s.Run(func() (err error) {
		replies, err = req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		return err
	})
	if err != nil || len(replies) != 1 || len(replies[0]) < unix.SizeofIfInfomsg {
		return false, fmt.Errorf("look at the vxlan device: %d replies, %w", len(replies), err)
	}
	attr := replies[0][unix.SizeofIfInfomsg:]
	for _, kind := range []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_DATA, iflaVXLANReservedBits} {
		list, err := nl.ParseRouteAttr(attr)
		if err != nil {
			return false, fmt.Errorf("look at the vxlan device: %w", err)
		}
		i := slices.IndexFunc(list, func(a syscall.NetlinkRouteAttr) bool { return a.Attr.Type&nl.NLA_TYPE_MASK == kind })
		if i < 0 {
			return true, nil
		}
		attr = list[i].Value
	}
	for _, b := range attr {
		if b != 0 {
			return true, nil
		}
	}
	return false, nil
}
