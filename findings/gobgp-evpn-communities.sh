#!/usr/bin/env bash
# A route with an extended community of EVPN that the library has no name for is treated as withdrawn.
#
# Software   github.com/osrg/gobgp/v4 v4.8.0 (Go), package bgp
# Input      announcements of a type 2 route with one extended community each: MAC mobility, DF election (RFC 8584, which
#            FRR sends with its type 4 routes), the flags of ARP and ND (RFC 9047), and one of another type, unassigned
# Expected   an unknown community is kept and passed on, whatever its type: RFC 4360, 6, and RFC 7606, 7.14, where only
#            the length of the attribute makes it malformed
# Seen       the unassigned one is; an unknown subtype of type 6 (EVPN) is a fault of the message, and the route is
#            treated as withdrawn
# For us     internal/evpn/relay reads what neighbours send and keeps from the library what it would take for a fault
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
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// update is an announcement of one type 2 route with one extended community.
func update(community []byte) []byte {
	rd, err := bgp.ParseRouteDistinguisher("192.0.2.1:33")
	check(err)
	route, err := bgp.NewEVPNMacIPAdvertisementRoute(rd, bgp.EthernetSegmentIdentifier{}, 0, "02:00:00:00:00:01", netip.MustParseAddr("198.51.100.1"), []uint32{33})
	check(err)
	reach, err := bgp.NewPathAttributeMpReachNLRI(bgp.RF_EVPN, []bgp.PathNLRI{{NLRI: route}}, netip.MustParseAddr("192.0.2.1"))
	check(err)
	m := bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath(nil),
		bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{bgp.NewUnknownExtended(bgp.ExtendedCommunityAttrType(community[0]), community[1:])}), reach}, nil)
	b, err := m.Serialize()
	check(err)
	return b
}

func main() {
	for _, c := range []struct {
		name  string
		bytes [8]byte
	}{
		{"MAC mobility (RFC 7432)", [8]byte{6, 0, 0, 0, 0, 0, 0, 5}},
		{"DF election (RFC 8584)", [8]byte{6, 6, 1, 0, 0, 0, 0, 0}},
		{"ARP/ND (RFC 9047)", [8]byte{6, 8, 5, 0, 0, 0, 0, 0}},
		{"one of no RFC, of another type", [8]byte{0x2a, 8, 0, 0, 0, 0, 0, 1}},
	} {
		_, err := bgp.ParseBGPMessage(update(c.bytes[:]))
		var e *bgp.MessageError
		if errors.As(err, &e) {
			fmt.Printf("%s: %v; treated as withdrawn: %v\n", c.name, e.Message, e.ErrorHandling == bgp.ERROR_HANDLING_TREAT_AS_WITHDRAW)
			continue
		}
		check(err)
		fmt.Println(c.name + ": read")
	}
}
M
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/osrg/gobgp/v4@v4.8.0 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe)
echo "$seen"
[ "$seen" = "MAC mobility (RFC 7432): read
DF election (RFC 8584): unknown evpn subtype: 6; treated as withdrawn: true
ARP/ND (RFC 9047): unknown evpn subtype: 8; treated as withdrawn: true
one of no RFC, of another type: read" ] || { echo "CHANGED"; exit 1; }
echo "as described: routes with communities of newer RFCs are lost"
