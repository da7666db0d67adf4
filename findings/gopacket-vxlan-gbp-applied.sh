#!/usr/bin/env bash
# The "policy applied" bit of a VXLAN Group Policy header is read, and written, at another place than the
# draft and the kernel have it.
#
# Software   github.com/google/gopacket v1.1.19 (Go), layers.VXLAN; beside the VXLAN device of Linux
#            (seen with 6.18)
# Input      one packet of a kernel device with "gbp": group 0x42, policy applied (mark 0x80042)
# Expected   GBPApplied true: in draft-smith-vxlan-group-policy the second byte is R D R R A R R R, A is 0x08
# Seen       GBPApplied false: the library looks at 0x80 of that byte, a reserved bit, and sets it when it
#            writes. What it writes as "applied" therefore has a reserved bit, and not A
# For us     whoever tests a gateway's Group Policy with this library sees the bit neither go nor come. The
#            fork github.com/gopacket/gopacket has it right in v1.7.7
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), Go, unshare, iproute2.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'E'
module probe

go 1.24
E
cat >main.go <<'E'
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	tap, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0x0300) // ETH_P_ALL
	check(err)
	check(syscall.SetsockoptTimeval(tap, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 1}))
	marked := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			check(syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_MARK, 0x80042))
			check(syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1))
		})
	}}
	from, err := marked.ListenPacket(context.Background(), "udp4", "198.51.100.1:0")
	check(err)
	probe := func() {
		_, err := from.WriteTo([]byte("probe"), &net.UDPAddr{IP: net.IPv4(198, 51, 100, 255), Port: 9})
		check(err)
	}
	probe()
	const outer = 14 + 20 + 8 // Ethernet, IPv4, UDP
	buf := make([]byte, 2000)
	for tries := 0; ; {
		n, _, err := syscall.Recvfrom(tap, buf, 0)
		if err == syscall.EAGAIN && tries < 60 { // the devices were not up yet
			tries++
			probe()
			continue
		}
		check(err)
		if n < outer+8 || buf[23] != syscall.IPPROTO_UDP || binary.BigEndian.Uint16(buf[36:]) != 4789 {
			continue
		}
		var v layers.VXLAN
		check(v.DecodeFromBytes(buf[outer:n], gopacket.NilDecodeFeedback))
		if v.GBPGroupPolicyID != 0x42 {
			continue // the kernel's own, as of IPv6
		}
		fmt.Printf("the kernel sends %x: applied %v, group %#x\n", buf[outer:outer+4], v.GBPApplied, v.GBPGroupPolicyID)
		break
	}
	out := gopacket.NewSerializeBuffer()
	check((&layers.VXLAN{ValidIDFlag: true, VNI: 33, GBPExtension: true, GBPApplied: true, GBPGroupPolicyID: 0x42}).SerializeTo(out, gopacket.SerializeOptions{}))
	fmt.Printf("the library writes %x\n", out.Bytes()[:4])
}
E
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/google/gopacket@v1.1.19 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(unshare --net sh -ec '
  ip link add u type veth peer name w
  ip addr add 192.0.2.1/24 dev u
  ip link set u up
  ip link set w up
  ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev u
  ip link add vx type vxlan id 33 dstport 4789 local 192.0.2.1 remote 192.0.2.2 gbp
  ip addr add 198.51.100.1/24 broadcast 198.51.100.255 dev vx
  ip link set vx up
  exec ./probe')
echo "$seen"
[ "$seen" = "the kernel sends 88080042: applied false, group 0x42
the library writes 88800042" ] || { echo "CHANGED"; exit 1; }
echo "as described: 0x08 is the bit of the draft and of the kernel, 0x80 is the library's"
