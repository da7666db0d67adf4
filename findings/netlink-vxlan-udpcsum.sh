#!/usr/bin/env bash
# A VXLAN device that is asked for without UDP checksums has them, and says so when it is read back.
#
# Software   github.com/vishvananda/netlink v1.3.1 (Go); seen with Linux 6.18
# Input      LinkAdd(&Vxlan{..., UDPCSum: false}), then LinkByName
# Expected   the device that was asked for: UDPCSum false, as "ip link add ... noudpcsum" makes it
# Seen       UDPCSum true. The library sends the attribute only when the field is true; without it the
#            kernel sends checksums over IPv4 (VXLAN_F_UDP_ZERO_CSUM_TX is not set)
# For us     a peer that a test or a user's program makes with this library sends checksums whatever it
#            asks for; that no checksums arrive is tested with devices of iproute2
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
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

func main() {
	for _, want := range []bool{false, true} {
		asked := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("v%t", want)[:2]}, VxlanId: 33, Port: 4789,
			SrcAddr: net.IPv4(192, 0, 2, 1), UDPCSum: want}
		if err := netlink.LinkAdd(asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		found, err := netlink.LinkByName(asked.Name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Printf("asked for %v, has %v\n", want, found.(*netlink.Vxlan).UDPCSum)
		if err := netlink.LinkDel(found); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}
E
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/vishvananda/netlink@v1.3.1 2>/dev/null
go build -o probe .
seen=$(unshare --net ./probe)
echo "$seen"
[ "$seen" = "asked for false, has true
asked for true, has true" ] || { echo "CHANGED"; exit 1; }
echo "beside it, iproute2:"
unshare --net sh -c 'ip link add v0 type vxlan id 33 dstport 4789 local 192.0.2.1 noudpcsum && ip -d link show v0' | grep -o '[a-z]*udpcsum' | tee ip
[ "$(cat ip)" = noudpcsum ] || { echo "CHANGED: iproute2"; exit 1; }
echo "as described: the field can only switch checksums on"
