package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What drivers can do, and how they are set, by the families "netdev" and "ethtool" of generic netlink.

// XDPFeatures is what a device can do with XDP (enum netdev_xdp_act).
type XDPFeatures uint64

const (
	XDPBasic     XDPFeatures = 1 << 0 // runs a program in its driver
	XDPRedirects XDPFeatures = 1 << 1 // lets it send frames out of others
	XDPTransmits XDPFeatures = 1 << 2 // takes frames that programs of others send out of it
)

// Offloads is how a device is set, as far as it concerns XDP.
type Offloads struct {
	Features  map[string]bool // those that are on, as "ethtool -k" calls them in the kernel
	DataSplit bool            // headers and payload of a frame come in buffers of their own
}

// Equal says whether two are the same.
func (o Offloads) Equal(other Offloads) bool {
	return o.DataSplit == other.DataSplit && maps.Equal(o.Features, other.Features)
}

const (
	netdevFamily      = "netdev"
	netdevGroup       = "mgmt" // tells of changes of XDPFeatures
	netdevDevGet      = 1      // NETDEV_CMD_DEV_GET, Linux 6.3
	netdevIfindex     = 1      // NETDEV_A_DEV_IFINDEX
	netdevXDPFeatures = 3      // NETDEV_A_DEV_XDP_FEATURES

	dataSplitEnabled = 2 // ETHTOOL_TCP_DATA_SPLIT_ENABLED
	bitsetBit        = 1 // ETHTOOL_A_BITSET_BITS_BIT
)

// family is one of generic netlink.
type family struct {
	id     uint16
	groups map[string]uint32
}

// family looks one up; an error that is ENOENT: the kernel has not got it.
func (s *Namespace) family(name string) (f family, err error) {
	s.familiesMu.Lock()
	defer s.familiesMu.Unlock()
	if f, ok := s.families[name]; ok {
		return f, nil
	}
	answers, err := s.generic(nl.GENL_ID_CTRL, nl.GENL_CTRL_CMD_GETFAMILY, nl.GENL_CTRL_VERSION, nl.NewRtAttr(nl.GENL_CTRL_ATTR_FAMILY_NAME, nl.ZeroTerminated(name)))
	if err != nil {
		return f, err
	}
	f.groups = map[string]uint32{}
	if b := answers[nl.GENL_CTRL_ATTR_FAMILY_ID]; len(b) >= 2 {
		f.id = binary.NativeEndian.Uint16(b)
	}
	for _, group := range nested(answers[nl.GENL_CTRL_ATTR_MCAST_GROUPS]) {
		of := attributes(group)
		if id := of[nl.GENL_CTRL_ATTR_MCAST_GRP_ID]; len(id) >= 4 {
			f.groups[text(of[nl.GENL_CTRL_ATTR_MCAST_GRP_NAME])] = binary.NativeEndian.Uint32(id)
		}
	}
	s.families[name] = f
	return f, nil
}

// genericHeader is struct genlmsghdr: command, version, and two bytes that have to be zero. (The library's nl.Genlmsg has
// whatever is behind it in memory there, which the kernel refuses.)
type genericHeader [nl.SizeofGenlmsg]byte

func (h genericHeader) Len() int          { return len(h) }
func (h genericHeader) Serialize() []byte { return h[:] }

// generic asks a family of generic netlink, and gives the attributes of the answer.
func (s *Namespace) generic(id uint16, command, version uint8, attr *nl.RtAttr) (map[uint16][]byte, error) {
	req := s.request(unix.NETLINK_GENERIC, int(id), 0)
	req.AddData(genericHeader{command, version})
	req.AddData(attr)
	messages, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return nil, err
	}
	if len(messages) == 0 || len(messages[0]) < nl.SizeofGenlmsg {
		return nil, errors.New("the kernel gives no answer")
	}
	return attributes(messages[0][nl.SizeofGenlmsg:]), nil
}

// attributes takes those of a message apart; the last of a kind counts.
func attributes(b []byte) map[uint16][]byte {
	all := map[uint16][]byte{}
	list, _ := nl.ParseRouteAttr(b)
	for _, a := range list {
		all[a.Attr.Type&nl.NLA_TYPE_MASK] = a.Value
	}
	return all
}

// nested gives the values in a list.
func nested(b []byte) (all [][]byte) {
	list, _ := nl.ParseRouteAttr(b)
	for _, a := range list {
		all = append(all, a.Value)
	}
	return all
}

func text(b []byte) string { return strings.TrimRight(string(b), "\x00") }

// XDPFeatures asks what a device can do with XDP, of a kernel that WatchDrivers has found to tell it.
func (s *Namespace) XDPFeatures(ifindex int) (XDPFeatures, error) {
	f, err := s.family(netdevFamily)
	if err != nil {
		return 0, fmt.Errorf("ask for the family %s of netlink: %w", netdevFamily, err)
	}
	answer, err := s.generic(f.id, netdevDevGet, 1, nl.NewRtAttr(netdevIfindex, nl.Uint32Attr(uint32(ifindex))))
	if err != nil {
		return 0, fmt.Errorf("ask what the device can do with XDP: %w", err)
	}
	if b := answer[netdevXDPFeatures]; len(b) >= 8 {
		return XDPFeatures(binary.NativeEndian.Uint64(b)), nil
	}
	return 0, nil
}

// Offloads asks how a device is set.
func (s *Namespace) Offloads(ifindex int) (o Offloads, err error) {
	o.Features = map[string]bool{}
	f, err := s.family(unix.ETHTOOL_GENL_NAME)
	if err != nil {
		return o, fmt.Errorf("ask for the family %s of netlink: %w", unix.ETHTOOL_GENL_NAME, err)
	}
	header := func(kind int) *nl.RtAttr {
		h := nl.NewRtAttr(kind|unix.NLA_F_NESTED, nil)
		h.AddRtAttr(unix.ETHTOOL_A_HEADER_DEV_INDEX, nl.Uint32Attr(uint32(ifindex)))
		return h
	}
	answer, err := s.generic(f.id, unix.ETHTOOL_MSG_FEATURES_GET, 1, header(unix.ETHTOOL_A_FEATURES_HEADER))
	if err != nil {
		return o, fmt.Errorf("ask for the offloads of the device: %w", err)
	}
	for _, bit := range nested(attributes(answer[unix.ETHTOOL_A_FEATURES_ACTIVE])[unix.ETHTOOL_A_BITSET_BITS]) {
		o.Features[text(attributes(bit)[unix.ETHTOOL_A_BITSET_BIT_NAME])] = true
	}
	answer, err = s.generic(f.id, unix.ETHTOOL_MSG_RINGS_GET, 1, header(unix.ETHTOOL_A_RINGS_HEADER))
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
	case err != nil:
		return o, fmt.Errorf("ask for the rings of the device: %w", err)
	default:
		b := answer[unix.ETHTOOL_A_RINGS_TCP_DATA_SPLIT]
		o.DataSplit = len(b) > 0 && b[0] == dataSplitEnabled
	}
	return o, nil
}

// WatchDrivers hears of changes of what XDPFeatures and Offloads say, of whatever device. Without a kernel that
// tells of the former the socket is nil.
func (s *Namespace) WatchDrivers() (*nl.NetlinkSocket, error) {
	var groups []uint32
	for _, of := range [][2]string{{netdevFamily, netdevGroup}, {unix.ETHTOOL_GENL_NAME, unix.ETHTOOL_MCGRP_MONITOR_NAME}} {
		f, err := s.family(of[0])
		if errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("ask for the family %s of netlink: %w", of[0], err)
		}
		groups = append(groups, f.groups[of[1]])
	}
	socket, err := s.subscribe(unix.NETLINK_GENERIC)
	if err != nil {
		return nil, err
	}
	for _, group := range groups { // their numbers are more than the 32 that have bits
		if err := unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(group)); err != nil {
			socket.Close()
			return nil, fmt.Errorf("listen to the drivers: %w", err)
		}
	}
	return socket, nil
}

// ParseDriver gives the device that a message of WatchDrivers is about; 0: of none.
func ParseDriver(b []byte) int {
	if len(b) < nl.SizeofGenlmsg {
		return 0
	}
	about := attributes(b[nl.SizeofGenlmsg:])[netdevIfindex] // that of ethtool has its header there
	if len(about) > 4 {
		about = attributes(about)[unix.ETHTOOL_A_HEADER_DEV_INDEX]
	}
	if len(about) != 4 {
		return 0
	}
	return int(binary.NativeEndian.Uint32(about))
}
