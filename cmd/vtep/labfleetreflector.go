package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/config/oc"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
	bgpserver "github.com/osrg/gobgp/v4/pkg/server"
)

// fleetReflector is the route reflector of a fleet with EVPN: a GoBGP that waits for its clients. It is a process of its own, as it is
// a machine of its own elsewhere: its memory is none of VTEPs, and when it ends nothing of it is left. (GoBGP 4.8 tells each client of the end of
// each other one when it stops, and loses what it has not said, for good.)
//
// What GoBGP 4.8 has yet to send to a client when a session ends it keeps for the next one, but for some five messages,
// and behind that a mark that ends what sends: the next session is up, and nothing is ever said in it, nor is the one after
// that better if there is news meanwhile. So a client that loses its session is made anew, with a queue of its own. Others hear that its
// routes are gone till it is back.
type fleetReflector struct {
	bgp  *bgpserver.BgpServer
	port uint16
	up   map[netip.Addr]bool // clients that have a session; of what watches them
	fail func(error)
	tell func(sessions int64)

	sessions int64 // of up
}

// startFleetReflector starts it. tell hears how many sessions there are, when that changes.
func startFleetReflector(ctx context.Context, fail func(error), tell func(sessions int64)) (_ *fleetReflector, err error) {
	l, err := net.Listen("tcp4", netip.AddrPortFrom(fleetReflectorIP, 0).String())
	if err != nil {
		return nil, fmt.Errorf("find a port for the route reflector: %w", err)
	}
	r := &fleetReflector{bgp: bgpserver.NewBgpServer(), port: l.Addr().(*net.TCPAddr).AddrPort().Port(), up: map[netip.Addr]bool{}, fail: fail, tell: tell}
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("find a port for the route reflector: %w", err)
	}
	go r.bgp.Serve()
	defer func() {
		if err != nil {
			r.bgp.Stop()
		}
	}()
	id := fleetReflectorIP.String()
	err = r.bgp.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: fleetAS, RouterId: id, ListenPort: int32(r.port), ListenAddresses: []string{id}, Families: []uint32{uint32(oc.AFI_SAFI_TYPE_L2VPN_EVPN.ToInt())}}})
	if err != nil {
		return nil, fmt.Errorf("start the route reflector: %w", err)
	}
	err = r.bgp.WatchEvent(ctx, bgpserver.WatchEventMessageCallbacks{OnPeerUpdate: func(e *apiutil.WatchEventMessage_PeerEvent, _ time.Time) {
		r.changed(ctx, &e.Peer.State)
	}}, bgpserver.WatchPeer())
	if err != nil {
		return nil, fmt.Errorf("watch the route reflector: %w", err)
	}
	return r, nil
}

// add makes a client known, or one that was removed known again.
func (r *fleetReflector) add(ctx context.Context, client netip.Addr) error {
	err := r.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{
		Conf:            &api.PeerConf{NeighborAddress: client.String(), PeerAsn: fleetAS},
		Transport:       &api.Transport{PassiveMode: true, LocalAddress: fleetReflectorIP.String()},
		Timers:          &api.Timers{Config: &api.TimersConfig{HoldTime: fleetHold, KeepaliveInterval: fleetHold / 3}},
		RouteReflector:  &api.RouteReflector{RouteReflectorClient: true, RouteReflectorClusterId: fleetReflectorIP.String()},
		GracefulRestart: &api.GracefulRestart{Enabled: true, HelperOnly: true}, // without which it does not say when it has sent everything
		AfiSafis:        []*api.AfiSafi{{Config: &api.AfiSafiConfig{Family: &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}, Enabled: true}}}}})
	if err != nil {
		return fmt.Errorf("add %v to the route reflector: %w", client, err)
	}
	return nil
}

// changed takes news of the session with a client.
func (r *fleetReflector) changed(ctx context.Context, s *apiutil.PeerState) {
	was, is := r.up[s.NeighborAddress], s.SessionState == bgp.BGP_FSM_ESTABLISHED
	r.up[s.NeighborAddress] = is
	switch {
	case is && !was:
		r.sessions++
		r.tell(r.sessions)
	case was && !is:
		r.sessions--
		r.tell(r.sessions)
	}
	// No reason is that of the end of one that is removed here.
	if !was || is || s.DisconnectReason == api.PeerState_DISCONNECT_REASON_UNSPECIFIED {
		return
	}
	err := r.bgp.DeletePeer(ctx, &api.DeletePeerRequest{Address: s.NeighborAddress.String()})
	if err == nil {
		err = r.add(ctx, s.NeighborAddress)
	}
	if err != nil && ctx.Err() == nil {
		r.fail(errors.Join(fmt.Errorf("client %v of the route reflector", s.NeighborAddress), err))
	}
}
