#!/usr/bin/env bash
# No VXLAN device with Group Policy, with VXLAN-GPE or with the TTL of the frames inside can be made.
#
# Software   github.com/jsimonetti/rtnetlink/v2 v2.3.0 (Go), driver.Vxlan; seen with Linux 6.18, iproute2 6.1.0
# Input      devices with GBP: true; with GPE: true and CollectMetadata: true; with TTLInherit: true, and with false
# Expected   devices, as "ip link add ... type vxlan" makes with gbp, gpe external and ttl inherit (ip-link(8)), and without
# Seen       all four are refused, ERANGE, without a word which value is out of what range. The kernel has flags for them, which
#            are set by being there and have no value; the library sends numbers, for TTLInherit even where it is false
# For us     peers of a VTEP with group policies (gbp_mark) are made with iproute2
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
	"os"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/jsimonetti/rtnetlink/v2/driver"
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
	on, off, vni := true, false, uint32(33)
	for i, v := range []struct {
		name   string
		device driver.Vxlan
	}{
		{"none", driver.Vxlan{ID: &vni}},
		{"gbp", driver.Vxlan{ID: &vni, GBP: &on}},
		{"gpe", driver.Vxlan{CollectMetadata: &on, GPE: &on}},
		{"inherit", driver.Vxlan{ID: &vni, TTLInherit: &on}},
		{"no-inherit", driver.Vxlan{ID: &vni, TTLInherit: &off}},
	} {
		port := 4789 + uint16(i)
		v.device.Port = &port
		err := c.Link.New(&rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{
			Name: v.name, Info: &rtnetlink.LinkInfo{Kind: "vxlan", Data: &v.device}}})
		fmt.Printf("%s: %v\n", v.name, err)
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/jsimonetti/rtnetlink/v2@v2.3.0 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(unshare --net sh -ec '
  ./probe
  ip link add ip-gbp type vxlan id 33 dstport 4801 gbp
  ip link add ip-gpe type vxlan external dstport 4802 gpe
  ip link add ip-inherit type vxlan id 33 dstport 4803 ttl inherit
  ip -br link | sed -n "s/ .*//; /^lo/!p" | sort')
echo "$seen"
[ "$seen" = "none: <nil>
gbp: netlink receive: numerical result out of range
gpe: netlink receive: numerical result out of range
inherit: netlink receive: numerical result out of range
no-inherit: netlink receive: numerical result out of range
ip-gbp
ip-gpe
ip-inherit
none" ] || { echo "CHANGED"; exit 1; }
echo "as described: flags are sent as numbers"
