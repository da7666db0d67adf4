#!/usr/bin/env bash
# A filter for packets from tunnels matches the tunnel's destination with the mask of its source.
#
# Software   github.com/vishvananda/netlink v1.3.1 (Go), Flower
# Input      three filters: of tunnels from 192.0.2.1/32 to 198.51.100.0/24; to 198.51.100.0/24; from 198.51.100.0/24 to
#            192.0.2.1/32
# Expected   each address with its own mask, as tc-flower(8) has "enc_dst_ip PREFIX"; the fields EncSrcIPMask and EncDestIPMask
#            of the type are for that, and SrcIPMask and DestIPMask, for packets outside tunnels, do it
# Seen       198.51.100.0/32 in the first and the second (without a source it is as if there were no mask), which matches none
#            of the network's hosts; 192.0.2.0/24 in the third, which matches packets of 255 other VTEPs, too
# For us     who filters a gateway's VXLAN packets with it checks what is there with tc(8)
#
# Exits with 0 as long as it is so. Needs Go. The encoder is called by its name (go:linkname), so that no kernel with flower is
# needed.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'M'
module probe

go 1.25
M
cat >main.go <<'M'
package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	_ "unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
)

//go:linkname encode github.com/vishvananda/netlink.(*Flower).encode
func encode(*netlink.Flower, *nl.RtAttr) error

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func prefix(text string) (net.IP, net.IPMask) {
	if text == "" {
		return nil, nil
	}
	p := netip.MustParsePrefix(text)
	return p.Addr().AsSlice(), net.CIDRMask(p.Bits(), 32)
}

// told is what the filter tells the kernel in two of its attributes.
func told(f *netlink.Flower, address, mask uint16) string {
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	check(encode(f, options))
	attributes, err := nl.ParseRouteAttr(options.Serialize()[4:])
	check(err)
	of := make(map[uint16][]byte)
	for _, a := range attributes {
		of[a.Attr.Type] = a.Value
	}
	if of[address] == nil {
		return "any"
	}
	return (&net.IPNet{IP: of[address], Mask: of[mask]}).String()
}

func main() {
	for _, c := range [][2]string{{"192.0.2.1/32", "198.51.100.0/24"}, {"", "198.51.100.0/24"}, {"198.51.100.0/24", "192.0.2.1/32"}} {
		src, srcMask := prefix(c[0])
		dst, dstMask := prefix(c[1])
		tunnel := &netlink.Flower{EncSrcIP: src, EncSrcIPMask: srcMask, EncDestIP: dst, EncDestIPMask: dstMask}
		packet := &netlink.Flower{SrcIP: src, SrcIPMask: srcMask, DestIP: dst, DestIPMask: dstMask}
		fmt.Printf("from %q to %q: tunnels from %s to %s; packets from %s to %s\n", c[0], c[1],
			told(tunnel, nl.TCA_FLOWER_KEY_ENC_IPV4_SRC, nl.TCA_FLOWER_KEY_ENC_IPV4_SRC_MASK),
			told(tunnel, nl.TCA_FLOWER_KEY_ENC_IPV4_DST, nl.TCA_FLOWER_KEY_ENC_IPV4_DST_MASK),
			told(packet, nl.TCA_FLOWER_KEY_IPV4_SRC, nl.TCA_FLOWER_KEY_IPV4_SRC_MASK),
			told(packet, nl.TCA_FLOWER_KEY_IPV4_DST, nl.TCA_FLOWER_KEY_IPV4_DST_MASK))
	}
}
M
touch empty.s # for a function without a body
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/vishvananda/netlink@v1.3.1 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe)
echo "$seen"
[ "$seen" = 'from "192.0.2.1/32" to "198.51.100.0/24": tunnels from 192.0.2.1/32 to 198.51.100.0/32; packets from 192.0.2.1/32 to 198.51.100.0/24
from "" to "198.51.100.0/24": tunnels from any to 198.51.100.0/32; packets from any to 198.51.100.0/24
from "198.51.100.0/24" to "192.0.2.1/32": tunnels from 198.51.100.0/24 to 192.0.2.1/24; packets from 198.51.100.0/24 to 192.0.2.1/32' ] || { echo "CHANGED"; exit 1; }
echo "as described: the destination has the mask of the source"
