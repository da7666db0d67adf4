#!/usr/bin/env bash
# A filter that is not for the network card is read as one that is for nothing else.
#
# Software   github.com/vishvananda/netlink v1.3.1 (Go), Flower
# Input      what the kernel says of two filters, made with skip_hw and with skip_sw (TCA_FLOWER_FLAGS 1 and 2); two filters of
#            the library, SkipHw and SkipSw
# Expected   SkipHw of the first, SkipSw of the second; and the same numbers for the kernel: tc-flower(8): skip_hw: do not process
#            the filter by hardware; linux/pkt_cls.h: TCA_CLS_FLAGS_SKIP_HW is 1, and the attribute a number of 32 bits
# Seen       SkipSw of the first, SkipHw of the second: each sets the other. And what is written has the network's byte order: 1 is
#            16777216, which is no flag in that header
# For us     where cards take VXLAN over (enc_key_id and such), who lists filters with it asks tc(8) which of them are in a card
#
# Exits with 0 as long as it is so. Needs Go, and a little-endian machine. Encoder and decoder are called by their names
# (go:linkname), so that no kernel with flower, and no such card, is needed.
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
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	_ "unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
)

//go:linkname encode github.com/vishvananda/netlink.(*Flower).encode
func encode(*netlink.Flower, *nl.RtAttr) error

//go:linkname decode github.com/vishvananda/netlink.(*Flower).decode
func decode(*netlink.Flower, []syscall.NetlinkRouteAttr) error

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	const hardwareCount = 86 // TCA_FLOWER_IN_HW_COUNT, which follows
	for _, c := range []struct {
		name  string
		flags uint32
		f     netlink.Flower
	}{{"skip_hw", 1, netlink.Flower{SkipHw: true}}, {"skip_sw", 2, netlink.Flower{SkipSw: true}}} {
		said := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
		said.AddRtAttr(nl.TCA_FLOWER_FLAGS, binary.NativeEndian.AppendUint32(nil, c.flags))
		said.AddRtAttr(hardwareCount, make([]byte, 4))
		attributes, err := nl.ParseRouteAttr(said.Serialize()[4:])
		check(err)
		read := &netlink.Flower{}
		check(decode(read, attributes))

		told := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
		check(encode(&c.f, told))
		attributes, err = nl.ParseRouteAttr(told.Serialize()[4:])
		check(err)
		for _, a := range attributes {
			if a.Attr.Type == nl.TCA_FLOWER_FLAGS {
				fmt.Printf("%s: read as SkipHw %t, SkipSw %t; written as %d\n", c.name, read.SkipHw, read.SkipSw,
					binary.NativeEndian.Uint32(a.Value))
			}
		}
	}
}
M
touch empty.s # for functions without a body
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/vishvananda/netlink@v1.3.1 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe)
echo "$seen"
[ "$seen" = "skip_hw: read as SkipHw false, SkipSw true; written as 16777216
skip_sw: read as SkipHw true, SkipSw false; written as 33554432" ] || { echo "CHANGED"; exit 1; }
echo "as described: each flag is read as the other"
