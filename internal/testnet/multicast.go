package testnet

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/vtep/vtep/internal/igmp"
)

// Membership makes a frame of a host that says something about groups, with the Router Alert option
// and right checksums: a message of IGMP or MLD, by the family of src. The bytes 2 and 3 of the
// message are filled in.
func Membership(mac net.HardwareAddr, src, dst netip.Addr, message []byte) []byte {
	to := igmp.MAC(dst)
	b := append(append([]byte{}, to[:]...), mac...)
	body := append([]byte{}, message...)
	body[2], body[3] = 0, 0
	if src.Is4() {
		binary.BigEndian.PutUint16(body[2:], Checksum(body))
		ip := append([]byte{0x46, 0xc0, 0, 0, 0, 0, 0x40, 0, 1, 2, 0, 0}, append(src.AsSlice(), dst.AsSlice()...)...)
		ip = append(ip, 0x94, 4, 0, 0)
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(body)))
		binary.BigEndian.PutUint16(ip[10:], Checksum(ip))
		return append(append(append(b, 8, 0), ip...), body...)
	}
	pseudo := append(append(src.AsSlice(), dst.AsSlice()...), 0, 0, byte(len(body)>>8), byte(len(body)), 0, 0, 0, 58)
	binary.BigEndian.PutUint16(body[2:], Checksum(append(pseudo, body...)))
	ip := append([]byte{0x60, 0, 0, 0, 0, 0, 0, 1}, append(src.AsSlice(), dst.AsSlice()...)...)
	binary.BigEndian.PutUint16(ip[4:], uint16(8+len(body)))
	return append(append(append(append(b, 0x86, 0xdd), ip...), 58, 0, 5, 2, 0, 0, 1, 0), body...)
}

var (
	hostIPv4 = netip.MustParseAddr("198.51.100.7")
	hostIPv6 = netip.MustParseAddr("fe80::7")

	allHosts4, allHosts6     = netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("ff02::1")
	allRouters4, allRouters6 = netip.MustParseAddr("224.0.0.2"), netip.MustParseAddr("ff02::2")
	reports4, reports6       = netip.MustParseAddr("224.0.0.22"), netip.MustParseAddr("ff02::16")
)

// Join and Leave are reports of a host, of IGMP (versions 1 to 3) or MLD (1 and 2) by the family of
// the groups, of which only the latest versions can tell more than one.
func Join(mac net.HardwareAddr, version int, groups ...netip.Addr) []byte {
	switch {
	case groups[0].Is4() && version == 3:
		return Membership(mac, hostIPv4, reports4, records(0x22, 4, groups))
	case groups[0].Is4():
		return Membership(mac, hostIPv4, groups[0], append([]byte{[]byte{0, 0x12, 0x16}[version], 0, 0, 0}, groups[0].AsSlice()...))
	case version == 2:
		return Membership(mac, hostIPv6, reports6, records(143, 4, groups))
	}
	return Membership(mac, hostIPv6, groups[0], append([]byte{131, 0, 0, 0, 0, 0, 0, 0}, groups[0].AsSlice()...))
}

// Leave is as Join.
func Leave(mac net.HardwareAddr, version int, groups ...netip.Addr) []byte {
	switch {
	case groups[0].Is4() && version == 3:
		return Membership(mac, hostIPv4, reports4, records(0x22, 3, groups))
	case groups[0].Is4():
		return Membership(mac, hostIPv4, allRouters4, append([]byte{0x17, 0, 0, 0}, groups[0].AsSlice()...))
	case version == 2:
		return Membership(mac, hostIPv6, reports6, records(143, 3, groups))
	}
	return Membership(mac, hostIPv6, allRouters6, append([]byte{132, 0, 0, 0, 0, 0, 0, 0}, groups[0].AsSlice()...))
}

func records(kind, record byte, groups []netip.Addr) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind, 0, 0, 0, 0, 0}, uint16(len(groups)))
	for _, g := range groups {
		b = append(append(b, record, 0, 0, 0), g.AsSlice()...)
	}
	return b
}

// AskAll is a query of all groups, of IGMP (versions 1 to 3) or MLD (1 and 2) by the family of src,
// to be answered within some seconds, up to 12.
func AskAll(mac net.HardwareAddr, src netip.Addr, version, seconds int) []byte {
	if src.Is4() {
		body := []byte{0x11, byte(10 * seconds), 0, 0, 0, 0, 0, 0}
		if version == 1 {
			body[1] = 0
		}
		if version == 3 {
			body = append(body, 2, 125, 0, 0)
		}
		return Membership(mac, src, allHosts4, body)
	}
	body := make([]byte, 24)
	body[0] = 130
	binary.BigEndian.PutUint16(body[4:], uint16(1000*seconds))
	if version == 2 {
		body = append(body, 2, 125, 0, 0)
	}
	return Membership(mac, src, allHosts6, body)
}
