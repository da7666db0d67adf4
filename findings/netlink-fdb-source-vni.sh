#!/usr/bin/env bash
# Entries of a VXLAN device's forwarding table for two networks look the same, and none can be removed.
#
# Software   github.com/vishvananda/netlink v1.3.1 (Go); seen with Linux 6.18, iproute2 6.1.0
# Input      a device that is external, with one MAC in two networks, the source VNIs 10 and 20, both to one remote; NeighList,
#            and NeighDel of each entry as it was listed
# Expected   two entries that differ, and that go: bridge(8): src_vni says which network an entry of such a device belongs to
# Seen       two equal values: Neigh has no such field, NeighList leaves it out. So NeighDel doesn't send it, the kernel looks
#            in the network 0, and both get ENOENT. "bridge fdb del" with src_vni removes them
# For us     a program made with it that looks after such a device beside a gateway's can add entries, of network 0 only, and
#            removes no others; the VTEP's own device has no entries
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), Go, unshare, iproute2.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'M'
module probe

go 1.24
M
cat >main.go <<'M'
package main

import (
	"fmt"
	"os"
	"reflect"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	link, err := netlink.LinkByName("vx")
	check(err)
	listed, err := netlink.NeighList(link.Attrs().Index, unix.AF_BRIDGE)
	check(err)
	var found []netlink.Neigh
	for _, n := range listed {
		if n.HardwareAddr.String() == "02:00:00:00:00:01" {
			n.Confirmed, n.Used, n.Updated = 0, 0, 0 // times
			found = append(found, n)
		}
	}
	if len(found) != 2 {
		fmt.Println(len(found), "entries")
		return
	}
	fmt.Println("equal:", reflect.DeepEqual(found[0], found[1]))
	for _, n := range found {
		fmt.Println("removed:", netlink.NeighDel(&n))
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/vishvananda/netlink@v1.3.1 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(unshare --net sh -ec '
  ip link add vx type vxlan external dstport 4789 local 192.0.2.1
  ip link set vx up
  for vni in 10 20; do bridge fdb add 02:00:00:00:00:01 dev vx dst 192.0.2.2 src_vni $vni; done
  ./probe
  echo "left: $(bridge fdb show dev vx | grep -c src_vni)"
  for vni in 10 20; do bridge fdb del 02:00:00:00:00:01 dev vx dst 192.0.2.2 src_vni $vni; done
  echo "left by bridge: $(bridge fdb show dev vx | grep -c src_vni)"')
echo "$seen"
[ "$seen" = "equal: true
removed: no such file or directory
removed: no such file or directory
left: 2
left by bridge: 0" ] || { echo "CHANGED"; exit 1; }
echo "as described: the source VNI is lost"
