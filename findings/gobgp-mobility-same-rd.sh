#!/usr/bin/env bash
# Of two EVPN routes of one MAC the one with the lower mobility sequence stays the best.
#
# Software   github.com/osrg/gobgp/v4 v4.8.0 (Go library), three speakers on loopback, eBGP
# Input      type 2 routes of one MAC with one route distinguisher (as where it is configured per service and not per
#            device), from two neighbours, with sequences 5 and 9 in the MAC mobility community
# Expected   the route with sequence 9 is the best: RFC 7432, 15: the route with the highest sequence number
# Seen       the usual choice of BGP decides, here the older route: sequence 5 stays the best;
#            only when it is withdrawn, 9 follows
# For us     internal/evpn reads all routes that neighbours send, before that choice, and compares sequences itself;
#            it announces with a distinguisher of its own per device
#
# Exits with 0 as long as it is so. Needs Go; uses port 10179 of 127.0.0.11 to 127.0.0.13.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'E'
module probe

go 1.25
E
cat >main.go <<'E'
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"
)

const port = 10179

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// speaker is 127.0.0.N, AS 65000+N.
func speaker(n int, peers ...int) *server.BgpServer {
	s := server.NewBgpServer(server.LoggerOption(slog.New(slog.NewTextHandler(io.Discard, nil)), new(slog.LevelVar)))
	go s.Serve()
	me := fmt.Sprintf("127.0.0.%d", n)
	check(s.StartBgp(context.Background(), &api.StartBgpRequest{Global: &api.Global{
		Asn: uint32(65000 + n), RouterId: me, ListenPort: port, ListenAddresses: []string{me}}}))
	for _, p := range peers {
		check(s.AddPeer(context.Background(), &api.AddPeerRequest{Peer: &api.Peer{
			Conf:         &api.PeerConf{NeighborAddress: fmt.Sprintf("127.0.0.%d", p), PeerAsn: uint32(65000 + p)},
			Transport:    &api.Transport{LocalAddress: me, RemotePort: port},
			Timers:       &api.Timers{Config: &api.TimersConfig{ConnectRetry: 1, HoldTime: 90, KeepaliveInterval: 30, IdleHoldTimeAfterReset: 1}},
			EbgpMultihop: &api.EbgpMultihop{Enabled: true, MultihopTtl: 3},
			AfiSafis: []*api.AfiSafi{{Config: &api.AfiSafiConfig{
				Family: &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}, Enabled: true}}},
		}}))
	}
	return s
}

func path(vtep string, sequence uint32) *apiutil.Path {
	rd, err := bgp.ParseRouteDistinguisher("65000:33")
	check(err)
	nlri, err := bgp.NewEVPNMacIPAdvertisementRoute(rd, bgp.EthernetSegmentIdentifier{}, 0, "02:00:00:00:00:01", netip.Addr{}, []uint32{33})
	check(err)
	rt, err := bgp.ParseExtendedCommunity(bgp.EC_SUBTYPE_ROUTE_TARGET, "65000:33")
	check(err)
	hop, err := bgp.NewPathAttributeNextHop(netip.MustParseAddr(vtep))
	check(err)
	return &apiutil.Path{Family: bgp.RF_EVPN, Nlri: nlri, Attrs: []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), hop,
		bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{rt, bgp.NewEncapExtended(bgp.TUNNEL_TYPE_VXLAN),
			bgp.NewMacMobilityExtended(sequence, false)})}}
}

func announce(s *server.BgpServer, p *apiutil.Path) {
	_, err := s.AddPath(apiutil.AddPathRequest{Paths: []*apiutil.Path{p}})
	check(err)
}

// show waits for n routes, for a minute at most, and prints them.
func show(s *server.BgpServer, n int) {
	var lines []string
	for end := time.Now().Add(time.Minute); len(lines) != n && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		lines = nil
		check(s.ListPath(apiutil.ListPathRequest{TableType: api.TableType_TABLE_TYPE_GLOBAL, Family: bgp.RF_EVPN}, func(_ bgp.NLRI, paths []*apiutil.Path) {
			for _, p := range paths {
				for _, a := range p.Attrs {
					e, ok := a.(*bgp.PathAttributeExtendedCommunities)
					if !ok {
						continue
					}
					for _, c := range e.Value {
						if m, ok := c.(*bgp.MacMobilityExtended); ok {
							lines = append(lines, fmt.Sprintf("sequence %d, best: %v", m.Sequence, p.Best))
						}
					}
				}
			}
		}))
	}
	for _, l := range lines {
		fmt.Println(l)
	}
}

func main() {
	first, second, observer := speaker(11, 13), speaker(12, 13), speaker(13, 11, 12)
	announce(first, path("192.0.2.11", 5))
	show(observer, 1)
	announce(second, path("192.0.2.12", 9))
	show(observer, 2)
	check(first.DeletePath(apiutil.DeletePathRequest{Paths: []*apiutil.Path{path("192.0.2.11", 5)}}))
	show(observer, 1)
}
E
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/osrg/gobgp/v4@v4.8.0 2>/dev/null
go mod tidy 2>/dev/null
go build -o probe .
seen=$(./probe)
echo "$seen"
[ "$seen" = "sequence 5, best: true
sequence 5, best: true
sequence 9, best: false
sequence 9, best: true" ] || { echo "CHANGED"; exit 1; }
echo "as described: 5 is preferred to 9"
