package mcast

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"strings"

	"github.com/vtep/vtep/internal/testnet"
)

var host = net.HardwareAddr{2, 0, 0, 0, 0, 7}

func igmpReport(version int, groups ...netip.Addr) []byte {
	return testnet.Join(host, version, groups...)
}
func igmpLeave(version int, groups ...netip.Addr) []byte {
	return testnet.Leave(host, version, groups...)
}
func mldReport(version int, groups ...netip.Addr) []byte {
	return testnet.Join(host, version, groups...)
}
func mldLeave(version int, groups ...netip.Addr) []byte {
	return testnet.Leave(host, version, groups...)
}

func igmpQuery(src string, version, seconds int) []byte {
	return testnet.AskAll(host, netip.MustParseAddr(src), version, seconds)
}

func mldQuery(version, seconds int) []byte { return igmpQuery("fe80::1", version, seconds) }

// build makes a message of bytes in hexadecimal.
func build(src, dst, body string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(body, " ", ""))
	if err != nil {
		panic(err)
	}
	return testnet.Membership(host, netip.MustParseAddr(src), netip.MustParseAddr(dst), b)
}

func pimHello(hold uint16) []byte {
	dst := netip.MustParseAddr("224.0.0.13")
	b := testnet.Membership(host, netip.MustParseAddr("192.0.2.5"), dst, []byte{0x20, 0, 0, 0, 0, 1, 0, 2, byte(hold >> 8), byte(hold)})
	b[23] = 103
	sumIPv4(b)
	return b
}

// sumIPv4 makes the checksum of the IPv4 header right, which has one option.
func sumIPv4(b []byte) {
	b[24], b[25] = 0, 0
	binary.BigEndian.PutUint16(b[24:], testnet.Checksum(b[14:38]))
}
