#!/usr/bin/env bash
# What is in a GRE packet with a key is read from the key on: its addresses are others.
#
# Software   github.com/netsampler/goflow2/v2 v2.2.6 (Go), producer/proto: what it makes of the headers of frames that sFlow samples
# Input      packets of GRE with a packet from 10.1.2.3 to 10.1.2.4, UDP, without a key, with one, and with a checksum; and of NVGRE,
#            with a frame in it; a configuration that collects inner addresses, as docs/mapping.md has it
# Expected   the layers Ethernet, IPv4, GRE, (Ethernet,) IPv4, UDP, and the inner source 10.1.2.3: RFC 2784, 2.1 and RFC 2890, 2: the
#            header is 4 bytes longer with a checksum, and with a key; RFC 7637, 3.2: NVGRE always has a key
# Seen       that, without either; else UDP, and of NVGRE the inner packet, is not among the layers, and the inner source is 64.17.0.0,
#            which is its TTL, protocol and checksum, or none: the header is always taken for 4 bytes
# For us     who looks by samples at an underlay where other tunnels are beside VXLAN, leaves out what is in those
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
	"fmt"
	"net/netip"
	"os"
	"slices"

	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// ethernet returns a frame of IPv4.
func ethernet(packet []byte) []byte {
	return append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}, packet...)
}

// ipv4 returns a packet; its checksum is not looked at.
func ipv4(protocol byte, source, destination string, payload []byte) []byte {
	header := []byte{0x45, 0, 0, byte(20 + len(payload)), 0, 0, 0x40, 0, 64, protocol, 0, 0}
	header = append(header, netip.MustParseAddr(source).AsSlice()...)
	return slices.Concat(header, netip.MustParseAddr(destination).AsSlice(), payload)
}

func main() {
	config, err := (&protoproducer.ProducerConfig{SFlow: protoproducer.SFlowProducerConfig{Mapping: []protoproducer.SFlowMapField{
		{Layer: "ipv4", Encapsulated: true, Offset: 96, Length: 32, Destination: "NextHop"}}}}).Compile()
	check(err)
	inner := ipv4(17, "10.1.2.3", "10.1.2.4", []byte{0x30, 0x39, 0x10, 0, 0, 8, 0, 0})
	for _, c := range []struct {
		name    string
		header  []byte
		payload []byte
	}{
		{"no key", []byte{0, 0, 8, 0}, inner},
		{"key", []byte{0x20, 0, 8, 0, 0, 0, 0, 0x21}, inner},
		{"checksum", []byte{0x80, 0, 8, 0, 0, 0, 0, 0}, inner},
		{"NVGRE", []byte{0x20, 0, 0x65, 0x58, 0, 0, 0x21, 0}, ethernet(inner)},
	} {
		frame := ethernet(ipv4(47, "192.0.2.1", "192.0.2.2", slices.Concat(c.header, c.payload)))
		var m protoproducer.ProtoProducerMessage
		check(config.GetPacketMapper().ParsePacket(&m, frame))
		source, _ := netip.AddrFromSlice(m.NextHop)
		fmt.Println(c.name, m.LayerStack, source)
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/netsampler/goflow2/v2@v2.2.6 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe)
echo "$seen"
[ "$seen" = "no key [Ethernet IPv4 GRE IPv4 UDP] 10.1.2.3
key [Ethernet IPv4 GRE IPv4] 64.17.0.0
checksum [Ethernet IPv4 GRE IPv4] 64.17.0.0
NVGRE [Ethernet IPv4 GRE Ethernet] invalid IP" ] || { echo "CHANGED"; exit 1; }
echo "as described: the key is taken for what follows"
