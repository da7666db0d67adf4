#!/usr/bin/env bash
# The flow label of a VXLAN device over IPv6 is made, and read, as another one.
#
# Software   github.com/jsimonetti/rtnetlink/v2 v2.3.0 (Go), driver.Vxlan; seen with Linux 6.18, iproute2 6.1.0
# Input      a device with Label 0x12345, and one that iproute2 has made with "flowlabel 0x12345"; both listed
# Expected   0x12345 everywhere: ip-link(8): the label that packets of the device have (RFC 8200, 6: 20 bits)
# Seen       the first device has 0x30100, and the library reads that as 0x10300; of the second it reads 0x45230100, which has
#            more than 20 bits: written and read in the machine's byte order (here x86-64), where the kernel has the network's.
#            The kernel takes 20 bits of what it gets, without an error
# For us     who makes VTEPs beside a gateway with it leaves the label out, or turns it around
#
# Exits with 0 as long as it is so. Needs root (a network namespace of its own), Go, unshare, iproute2, a little-endian machine.
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
	vni, port, label := uint32(33), uint16(4789), uint32(0x12345)
	check(c.Link.New(&rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{Name: "library", Info: &rtnetlink.LinkInfo{
		Kind: "vxlan", Data: &driver.Vxlan{ID: &vni, Port: &port, Label: &label, Local6: net.ParseIP("2001:db8::1")}}}}))
	for _, name := range []string{"library", "iproute2"} {
		device, err := net.InterfaceByName(name)
		check(err)
		link, err := c.Link.Get(uint32(device.Index))
		check(err)
		fmt.Printf("%s is read as %#x\n", name, *link.Attributes.Info.Data.(*driver.Vxlan).Label)
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/jsimonetti/rtnetlink/v2@v2.3.0 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(unshare --net sh -ec '
  ip link add iproute2 type vxlan id 34 dstport 4790 local 2001:db8::1 flowlabel 0x12345
  ./probe
  for device in library iproute2; do echo "$device has $(ip -d link show $device | grep -o "flowlabel [0-9a-fx]*")"; done')
echo "$seen"
[ "$seen" = "library is read as 0x10300
iproute2 is read as 0x45230100
library has flowlabel 0x30100
iproute2 has flowlabel 0x12345" ] || { echo "CHANGED"; exit 1; }
echo "as described: the label is turned around"
