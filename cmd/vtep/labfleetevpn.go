package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/config/oc"
	bgpserver "github.com/osrg/gobgp/v4/pkg/server"

	"github.com/vtep/vtep/internal/evpn"
)

// What a fleet of EVPN has in common.
const (
	fleetAS  = 65000
	fleetVNI = 5000

	fleetHold = 600 // seconds: two cores may be busy for longer than usual with what a thousand machines do
)

// fleetReflector is at 127.0.0.1, its clients each at an address of their own.
var fleetReflector = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// fleetFabric is EVPN in the place of a controller: a bridge beside each VTEP, as "vtep evpn" is, and one route reflector
// (GoBGP) that has a session with each and is all that they know one another by.
type fleetFabric struct {
	fleet     *fleet
	reflector *bgpserver.BgpServer
	port      uint16
}

// speaksFrom is the address that the bridge of a VTEP has its session from.
func (v *fleetVTEP) speaksFrom() netip.Addr {
	ip := v.ip.As4()
	return netip.AddrFrom4([4]byte{127, 3, ip[2], ip[3]})
}

// control starts the reflector, and all bridges. They end with ctx.
func (f *fleetFabric) control(ctx context.Context) error {
	l, err := net.Listen("tcp4", netip.AddrPortFrom(fleetReflector, 0).String())
	if err != nil {
		return fmt.Errorf("find a port for the route reflector: %w", err)
	}
	f.port = l.Addr().(*net.TCPAddr).AddrPort().Port()
	if err := l.Close(); err != nil {
		return fmt.Errorf("find a port for the route reflector: %w", err)
	}
	f.reflector = bgpserver.NewBgpServer()
	go f.reflector.Serve()
	f.fleet.ended.Go(func() { <-ctx.Done(); f.reflector.Stop() })
	id := fleetReflector.String()
	err = f.reflector.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: fleetAS, RouterId: id, ListenPort: int32(f.port), ListenAddresses: []string{id}, Families: []uint32{uint32(oc.AFI_SAFI_TYPE_L2VPN_EVPN.ToInt())}}})
	if err != nil {
		return fmt.Errorf("start the route reflector: %w", err)
	}
	for _, v := range f.fleet.vteps {
		err := f.reflector.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{
			Conf:            &api.PeerConf{NeighborAddress: v.speaksFrom().String(), PeerAsn: fleetAS},
			Transport:       &api.Transport{PassiveMode: true, LocalAddress: id},
			Timers:          &api.Timers{Config: &api.TimersConfig{HoldTime: fleetHold, KeepaliveInterval: fleetHold / 3}},
			RouteReflector:  &api.RouteReflector{RouteReflectorClient: true, RouteReflectorClusterId: id},
			GracefulRestart: &api.GracefulRestart{Enabled: true, HelperOnly: true},
			AfiSafis:        []*api.AfiSafi{{Config: &api.AfiSafiConfig{Family: &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}, Enabled: true}}}}})
		if err != nil {
			return fmt.Errorf("add %s to the route reflector: %w", v.name, err)
		}
	}
	for _, v := range f.fleet.vteps {
		f.join(ctx, v)
	}
	return nil
}

// join starts the bridge of a VTEP. It ends with ctx, or with the VTEP.
func (f *fleetFabric) join(ctx context.Context, v *fleetVTEP) {
	ctx, v.leave = context.WithCancel(ctx)
	v.bridge = evpn.New(evpn.Options{Config: &evpn.Config{AS: fleetAS, RouterID: v.ip, Port: -1,
		Neighbors: []evpn.Neighbor{{Address: fleetReflector, Port: f.port, LocalAddress: v.speaksFrom(), HoldTime: fleetHold}}}})
	bridge := v.bridge
	v.joined.Go(func() {
		if err := bridge.Run(ctx, "unix:"+v.socket(f.fleet.dir)); err != nil && ctx.Err() == nil {
			f.fleet.fail(err)
		}
	})
}

// gone waits until all bridges have ended, and forgets them.
func (f *fleetFabric) gone() {
	for _, v := range f.fleet.vteps {
		v.joined.Wait()
		v.bridge = nil
	}
	f.reflector = nil
}

// progress sums up what bridges have written. idle says that all have written what there is.
func (f *fleetFabric) progress(ctx context.Context) (transactions uint64, idle bool, err error) {
	idle = true
	for _, v := range f.fleet.vteps {
		p, err := v.bridge.Progress(ctx)
		if err != nil {
			return 0, false, errors.Join(fmt.Errorf("bridge of %s", v.name), err)
		}
		transactions += p.Transactions
		idle = idle && p.Database == "active" && p.Announcing && p.Pending == 0
	}
	return transactions, idle, nil
}
