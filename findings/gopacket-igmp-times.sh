#!/usr/bin/env bash
# A querier that asks every 125 seconds is read as one that asks every 12.5, and one of 152, as one that never waits.
#
# Software   github.com/google/gopacket v1.1.19 and its fork github.com/gopacket/gopacket v1.7.7 (Go): layers.IGMP
# Input      general queries of IGMPv3 with Querier's Query Interval Codes 125, 131 and 147, and the same as Max Resp Codes
# Expected   intervals of 125 s, 152 s and 304 s, and response times of 12.5 s, 15.2 s and 30.4 s: RFC 3376, 4.1.7: the interval is
#            in seconds; 4.1.1: the time in tenths of a second; from 128 on both are 1eeemmmm: (m + 16) * 2^(e + 3)
# Seen       12.5 s, 0 s and 6.4 s, for both: the interval is taken for tenths of a second, too, exponent and mantissa for each
#            other, and of a product above 255 the lower eight bits are left
# For us     who tests with it how long members of a group are remembered (docs/multicast.md) reads the codes from the packet
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

	upstream "github.com/google/gopacket"
	upstreamlayers "github.com/google/gopacket/layers"
	fork "github.com/gopacket/gopacket"
	forklayers "github.com/gopacket/gopacket/layers"
)

func main() {
	for _, code := range []byte{125, 131, 147} {
		// Query, Max Resp Code, checksum (not looked at), group, robustness 2, interval code, no sources
		query := []byte{0x11, code, 0, 0, 0, 0, 0, 0, 2, code, 0, 0}
		a := upstream.NewPacket(query, upstreamlayers.LayerTypeIGMP, upstream.Default).Layer(upstreamlayers.LayerTypeIGMP).(*upstreamlayers.IGMP)
		b := fork.NewPacket(query, forklayers.LayerTypeIGMP, fork.Default).Layer(forklayers.LayerTypeIGMP).(*forklayers.IGMP)
		fmt.Println("code", code, "interval", a.IntervalTime, b.IntervalTime, "response", a.MaxResponseTime, b.MaxResponseTime)
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/google/gopacket@v1.1.19 github.com/gopacket/gopacket@v1.7.7 2>/dev/null
go mod tidy 2>/dev/null
seen=$(go run .)
echo "$seen"
[ "$seen" = "code 125 interval 12.5s 12.5s response 12.5s 12.5s
code 131 interval 0s 0s response 0s 0s
code 147 interval 6.4s 6.4s response 6.4s 6.4s" ] || { echo "CHANGED"; exit 1; }
echo "as described: the interval is another"
