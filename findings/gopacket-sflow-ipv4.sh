#!/usr/bin/env bash
# A sampled packet from 192.0.2.1 to 192.0.2.2 is one from 0.0.0.100 to 0.0.0.17.
#
# Software   github.com/google/gopacket v1.1.19 and its fork github.com/gopacket/gopacket v1.7.7 (Go): layers.SFlowDatagram
# Input      a datagram of sFlow 5 with a flow sample and the record sampled_ipv4: UDP, 100 bytes, from 192.0.2.1 to 192.0.2.2,
#            ports 50000 and 4789, TOS 0xb8; the same with the record extended_ipv4_tunnel_egress
# Expected   these fields of both: sFlow version 5 (sflow.org, July 2004), section 5: every record begins with its format and its
#            length; the fields of sampled_ipv4 follow. sFlow tunnel structures has the tunnel's as the same
# Seen       of the tunnel's record, yes. Of sampled_ipv4 format and length are taken for the first two fields, and so on: length
#            3, protocol 32, the addresses 0.0.0.100 and 0.0.0.17, the ports 3221225985 and 3221225986; nothing is said
# For us     who looks by samples at a gateway's ports or tunnels with it gets the headers of frames right, and other agents'
#            records of fields not
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
	"slices"

	upstream "github.com/google/gopacket"
	upstreamlayers "github.com/google/gopacket/layers"
	fork "github.com/gopacket/gopacket"
	forklayers "github.com/gopacket/gopacket/layers"
)

// words returns numbers as XDR has them.
func words(numbers ...uint32) []byte {
	var b []byte
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func main() {
	fields := words(100, 17, 0xc0000201, 0xc0000202, 50000, 4789, 0, 0xb8)
	for _, format := range []uint32{3, 1023} { // sampled_ipv4, extended_ipv4_tunnel_egress
		record := slices.Concat(words(format, uint32(len(fields))), fields)
		// Sequence, source, rate, pool, drops, input, output, number of records
		sample := slices.Concat(words(1, 2, 1000, 1000, 0, 2, 3, 1), record)
		// Version, address of the agent, its number, sequence, uptime, number of samples; a flow sample
		datagram := slices.Concat(words(5, 1, 0xc0000209, 0, 1, 1000, 1, 1, uint32(len(sample))), sample)

		a := upstream.NewPacket(datagram, upstreamlayers.LayerTypeSFlow, upstream.Default)
		b := fork.NewPacket(datagram, forklayers.LayerTypeSFlow, fork.Default)
		fmt.Printf("format %d: %+v, fault %v\n", format, a.Layer(upstreamlayers.LayerTypeSFlow).(*upstreamlayers.SFlowDatagram).FlowSamples[0].Records, a.ErrorLayer())
		fmt.Printf("format %d: %+v, fault %v\n", format, b.Layer(forklayers.LayerTypeSFlow).(*forklayers.SFlowDatagram).FlowSamples[0].Records, b.ErrorLayer())
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/google/gopacket@v1.1.19 github.com/gopacket/gopacket@v1.7.7 2>/dev/null
go mod tidy 2>/dev/null
seen=$(go run .)
echo "$seen"
[ "$seen" = "format 3: [{Length:3 Protocol:32 IPSrc:0.0.0.100 IPDst:0.0.0.17 PortSrc:3221225985 PortDst:3221225986 TCPFlags:50000 TOS:4789}], fault <nil>
format 3: [{Length:3 Protocol:32 IPSrc:0.0.0.100 IPDst:0.0.0.17 PortSrc:3221225985 PortDst:3221225986 TCPFlags:50000 TOS:4789}], fault <nil>
format 1023: [{SFlowBaseFlowRecord:{EnterpriseID:Standard SFlow Format:Extended IPv4 Tunnel Egress Record FlowDataLength:32} SFlowIpv4Record:{Length:100 Protocol:17 IPSrc:192.0.2.1 IPDst:192.0.2.2 PortSrc:50000 PortDst:4789 TCPFlags:0 TOS:184}}], fault <nil>
format 1023: [{SFlowBaseFlowRecord:{EnterpriseID:Standard SFlow Format:Extended IPv4 Tunnel Egress Record FlowDataLength:32} SFlowIpv4Record:{Length:100 Protocol:17 IPSrc:192.0.2.1 IPDst:192.0.2.2 PortSrc:50000 PortDst:4789 TCPFlags:0 TOS:184}}], fault <nil>" ] || { echo "CHANGED"; exit 1; }
echo "as described: the addresses are others"
