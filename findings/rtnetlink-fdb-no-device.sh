#!/usr/bin/env bash
# No entry can be put into a VXLAN device's forwarding table but one that is bound to a device.
#
# Software   github.com/jsimonetti/rtnetlink/v2 v2.3.0 (Go), Conn.Neigh; seen with Linux 6.18, iproute2 6.1.0
# Input      Neigh.New of a MAC behind 192.0.2.9, with IfIndex 0 in its attributes (no value), and with that of a device
# Expected   an entry without a device, and one with it: bridge(8): "via" is optional, and says which device packets leave by
# Seen       the first is refused, EADDRNOTAVAIL: the index of the outgoing device is always sent, and the kernel knows no
#            device 0. The second is there
# For us     a program made with it that fills peers' tables for a gateway has to name the underlay device, which then is the
#            only way there, whatever the routes say
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), Go, unshare, iproute2.
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

	"github.com/jsimonetti/rtnetlink/v2"
	"golang.org/x/sys/unix"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	c, err := rtnetlink.Dial(nil)
	check(err)
	vxlan, err := net.InterfaceByName("vx")
	check(err)
	underlay, err := net.InterfaceByName("u0")
	check(err)
	for i, name := range []string{"without a device", "with a device"} {
		fmt.Printf("%s: %v\n", name, c.Neigh.New(&rtnetlink.NeighMessage{
			Family: unix.AF_BRIDGE, Index: uint32(vxlan.Index), State: unix.NUD_PERMANENT, Flags: unix.NTF_SELF,
			Attributes: &rtnetlink.NeighAttributes{
				Address: net.IPv4(192, 0, 2, 9).To4(), LLAddress: net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}, IfIndex: uint32(i * underlay.Index)},
		}))
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/jsimonetti/rtnetlink/v2@v2.3.0 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(unshare --net sh -ec '
  ip link add u0 type veth peer name u1
  ip link add vx type vxlan id 33 dstport 4789 local 192.0.2.1
  ip link set vx up
  ./probe
  bridge fdb add 02:00:00:00:00:02 dev vx dst 192.0.2.9
  bridge fdb show dev vx | sed -n "s/ *$//; /^02/p" | sort')
echo "$seen"
[ "$seen" = "without a device: netlink receive: cannot assign requested address
with a device: <nil>
02:00:00:00:00:01 dst 192.0.2.9 via u0 self permanent
02:00:00:00:00:02 dst 192.0.2.9 self permanent" ] || { echo "CHANGED"; exit 1; }
echo "as described: the device is always sent"
