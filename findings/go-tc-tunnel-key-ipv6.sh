#!/usr/bin/env bash
# A filter that sends frames into a VXLAN tunnel over IPv6 sends them to itself.
#
# Software   github.com/florianl/go-tc v0.4.5-0.20240822175159-7926c32f7299 (Go), TunnelKey
# Input      the action tunnel_key with the source 2001:db8::1 and the destination 2001:db8::2; and of IPv4
# Expected   both addresses in the message to the kernel, as with IPv4; tc-tunnel_key(8): dst_ip is the outer destination
# Seen       of IPv6 the source stands in both places: nothing says so, neither the library nor, as it is valid, the kernel
# For us     who fills such filters beside a gateway gets no frame to it. tc(8) has it right
#
# Exits with 0 as long as it is so. Needs Go. The encoder is called by its name (go:linkname), so that no kernel with the
# action is needed.
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
	"os"
	_ "unsafe"

	"github.com/florianl/go-tc"
	"github.com/mdlayher/netlink"
)

//go:linkname marshalTunnelKey github.com/florianl/go-tc.marshalTunnelKey
func marshalTunnelKey(*tc.TunnelKey) ([]byte, error)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	for _, c := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}} {
		src, dst := net.ParseIP(c[0]), net.ParseIP(c[1])
		b, err := marshalTunnelKey(&tc.TunnelKey{KeyEncSrc: &src, KeyEncDst: &dst})
		check(err)
		attributes, err := netlink.UnmarshalAttributes(b)
		check(err)
		fmt.Print(src, " to ", dst, ":")
		for _, a := range attributes { // TCA_TUNNEL_KEY_ENC_IPV4_SRC and so on are 3 to 6
			fmt.Print(" ", map[uint16]string{3: "source", 4: "destination", 5: "source", 6: "destination"}[a.Type], " ", net.IP(a.Data))
		}
		fmt.Println()
	}
}
M
touch empty.s # for a function without a body
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/florianl/go-tc@v0.4.5-0.20240822175159-7926c32f7299 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe)
echo "$seen"
[ "$seen" = "192.0.2.1 to 192.0.2.2: source 192.0.2.1 destination 192.0.2.2
2001:db8::1 to 2001:db8::2: source 2001:db8::1 destination 2001:db8::1" ] || { echo "CHANGED"; exit 1; }
echo "as described: over IPv6 the destination is the source"
