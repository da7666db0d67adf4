#!/usr/bin/env bash
# A frame of VLAN 33 that has a priority is one of VLAN 24609.
#
# Software   github.com/netsampler/goflow2/v2 v2.2.6 (Go), producer/proto: what it makes of the headers of frames that sFlow samples
# Input      frames of VLAN 33 with the priorities 0 and 3, and one of priority 7 that may be dropped (DEI)
# Expected   VLAN 33 of all: IEEE 802.1Q, 9.6: of the 16 bits of a tag the last 12 are the VLAN, the first four the priority and
#            whether it may be dropped
# Seen       vlan_id 33, 24609 and 61473: all 16 bits are taken for it. Nothing else tells of the priority
# For us     of samples from ports of a gateway or of switches beside it, the VLAN is what remains by 4096. What sFlow's own
#            record of switches says (extended_switch) is not concerned
#
# Exits with 0 as long as it is so. Needs Go.
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

	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
)

func main() {
	for _, tag := range []uint16{33, 3<<13 | 33, 7<<13 | 1<<12 | 33} {
		frame := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0}
		frame = binary.BigEndian.AppendUint16(frame, tag)
		frame = append(frame, 0x08, 0x00, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
		var m protoproducer.ProtoProducerMessage
		if err := protoproducer.ParsePacket(&m, frame, nil, nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Printf("tag %#04x, priority %d, VLAN %d: vlan_id %d, etype %#04x\n", tag, tag>>13, tag&0xfff, m.VlanId, m.Etype)
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/netsampler/goflow2/v2@v2.2.6 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe)
echo "$seen"
[ "$seen" = "tag 0x0021, priority 0, VLAN 33: vlan_id 33, etype 0x0800
tag 0x6021, priority 3, VLAN 33: vlan_id 24609, etype 0x0800
tag 0xf021, priority 7, VLAN 33: vlan_id 61473, etype 0x0800" ] || { echo "CHANGED"; exit 1; }
echo "as described: the priority is part of the VLAN"
