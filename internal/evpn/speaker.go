package evpn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/config/oc"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"

	"github.com/vtep/vtep/internal/evpn/relay"
)

// speaker is the BGP side: the library with its sessions, and the relay between it and the neighbours. It holds the routes
// that are announced. Those of others do not get to the library: it would pass them on, to eBGP neighbours with itself as
// next hop, and would fit sequence numbers of its own making to what is announced.
type speaker struct {
	config    *Config
	log       *slog.Logger
	bgp       *server.BgpServer
	announced map[key]*route
	stop      context.CancelFunc
	relay     *relay.Relay  // has the connections to neighbours
	last      *apiutil.Path // lastRoute
	begun     bool          // the library has, which can be ended then

	mu   sync.Mutex
	real map[netip.Addr]netip.Addr // neighbours by the addresses that the library knows them by
}

// peerState is one session.
type peerState struct {
	address netip.Addr
	up      bool
	state   string // as in RFC 4271
	reason  string // why it is down
}

// families are those that the library has tables of: of all that it knows it would have some 10 MiB.
var families = []uint32{uint32(oc.AFI_SAFI_TYPE_L2VPN_EVPN.ToInt())}

// startSpeaker opens the sessions. What becomes of them goes to tell, in order, from one goroutine; what neighbours say, to the
// relay's Events.
func startSpeaker(ctx context.Context, c *Config, log *slog.Logger, tell func(peerState)) (_ *speaker, err error) {
	s := &speaker{config: c, log: log, announced: map[key]*route{}, real: map[netip.Addr]netip.Addr{}}
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	s.bgp = server.NewBgpServer(server.LoggerOption(slog.New(quiet{log.Handler(), level, s.neighbor}), level))
	ctx, s.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	path, last, err := lastRoute()
	if err != nil {
		return nil, err
	}
	s.last = path
	o := relay.Options{Listen: c.Listen, Port: c.Port, Logger: log, Last: last}
	for _, n := range c.Neighbors {
		o.Neighbors = append(o.Neighbors, s.relayed(n))
	}
	if s.relay, err = relay.Start(ctx, o); errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("start BGP: %w; another BGP speaker may run here: with port, or listen, this one has another place", err)
	} else if err != nil {
		return nil, fmt.Errorf("start BGP: %w", err)
	}
	go s.bgp.Serve()
	s.begun = true
	err = s.bgp.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: c.AS, RouterId: c.RouterID.String(), ListenPort: -1, Families: families}})
	if err != nil {
		return nil, fmt.Errorf("start BGP: %w", err)
	}
	err = s.bgp.WatchEvent(ctx, server.WatchEventMessageCallbacks{
		OnPeerUpdate: func(e *apiutil.WatchEventMessage_PeerEvent, _ time.Time) {
			st := e.Peer.State
			tell(peerState{address: s.neighbor(st.NeighborAddress), up: st.SessionState == bgp.BGP_FSM_ESTABLISHED,
				state: strings.ToLower(strings.TrimPrefix(st.SessionState.String(), "BGP_FSM_")), reason: st.DisconnectMessage})
		},
	}, server.WatchPeer())
	if err != nil {
		return nil, fmt.Errorf("watch BGP: %w", err)
	}
	for _, n := range c.Neighbors {
		if err := s.open(ctx, n); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// neighbor is one by the address that the library knows it by.
func (s *speaker) neighbor(at netip.Addr) netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.real[at]
}

// add makes one more neighbour known, and opens sessions with it.
func (s *speaker) add(ctx context.Context, n Neighbor) error {
	if err := s.relay.Add(s.relayed(n)); err != nil {
		return fmt.Errorf("add neighbour %v: %w", n.Address, err)
	}
	err := s.open(ctx, n)
	if err != nil {
		s.forget(n.Address)
	}
	return err
}

// open opens sessions with a neighbour that the relay knows.
func (s *speaker) open(ctx context.Context, n Neighbor) error {
	s.mu.Lock()
	s.real[s.relay.Library(n.Address).Addr()] = n.Address
	s.mu.Unlock()
	if err := s.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: s.peer(n)}); err != nil {
		return fmt.Errorf("add neighbour %v: %w", n.Address, err)
	}
	return nil
}

// remove ends them. Then all that the neighbour has said is among the relay's events.
func (s *speaker) remove(ctx context.Context, neighbor netip.Addr) error {
	at := s.relay.Library(neighbor).Addr()
	err := s.bgp.DeletePeer(ctx, &api.DeletePeerRequest{Address: at.String()})
	if err != nil {
		err = fmt.Errorf("remove neighbour %v: %w", neighbor, err)
	}
	s.forget(neighbor)
	return err
}

// forget has the relay know a neighbour no more.
func (s *speaker) forget(neighbor netip.Addr) {
	at := s.relay.Library(neighbor).Addr()
	s.relay.Remove(neighbor)
	s.mu.Lock()
	delete(s.real, at)
	s.mu.Unlock()
}

// relayed is a neighbour as the relay has it.
func (s *speaker) relayed(n Neighbor) relay.Neighbor {
	hops := 0
	if n.external(s.config.AS) {
		hops = max(1, int(n.Multihop))
	}
	return relay.Neighbor{Address: n.Address, Port: n.Port, Local: n.LocalAddress, Password: n.Password, Passive: n.Passive, Hops: hops, External: hops > 0, NDFlags: n.NDFlags}
}

// peer is a neighbour as the library has it.
func (s *speaker) peer(n Neighbor) *api.Peer {
	as := n.AS
	if as == 0 {
		as = s.config.AS
	}
	family := &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}
	at := s.relay.Library(n.Address)
	p := &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: at.Addr().String(), PeerAsn: as},
		Transport: &api.Transport{RemotePort: uint32(at.Port())},
		Timers:    &api.Timers{Config: &api.TimersConfig{ConnectRetry: 5, HoldTime: uint64(n.HoldTime), KeepaliveInterval: uint64(n.HoldTime / 3), IdleHoldTimeAfterReset: 5}},
		AfiSafis: []*api.AfiSafi{{
			Config:            &api.AfiSafiConfig{Family: family, Enabled: true},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: n.Restart > 0}},
		}},
		// Without this capability FRR does not say when it has sent everything.
		GracefulRestart: &api.GracefulRestart{Enabled: true, HelperOnly: n.Restart == 0, RestartTime: n.Restart},
	}
	if n.HoldTime == 0 {
		p.Timers.Config.HoldTime, p.Timers.Config.KeepaliveInterval = 90, 30
	}
	return p
}

// refuse ends the session with a neighbor, and admits none until it is renewed.
func (s *speaker) refuse(ctx context.Context, neighbor netip.Addr, why string) error {
	return s.bgp.DisablePeer(ctx, &api.DisablePeerRequest{Address: s.relay.Library(neighbor).Addr().String(), Communication: why})
}

// renew has the library begin anew with a neighbor. What it (GoBGP 4.8) has yet to say when a session ends it keeps for the
// next one, but for some five messages: withdrawn routes would come back by that, and behind it is a mark that ends what
// sends. Then the next session is up and nothing is ever said in it.
func (s *speaker) renew(ctx context.Context, n Neighbor) error {
	err := s.bgp.DeletePeer(ctx, &api.DeletePeerRequest{Address: s.relay.Library(n.Address).Addr().String()})
	if err == nil {
		err = s.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: s.peer(n)})
	}
	if err != nil {
		return fmt.Errorf("begin anew with neighbour %v: %w", n.Address, err)
	}
	return nil
}

// announce makes what is announced under a key this route; nil: nothing.
func (s *speaker) announce(k key, r *route) error {
	before := s.announced[k]
	switch {
	case r == nil && before == nil:
		return nil
	case r == nil:
		gone := *before
		gone.moved = false // the library compares sequences of what is withdrawn, too
		path, err := encode(&gone)
		if err == nil {
			err = s.bgp.DeletePath(apiutil.DeletePathRequest{Paths: []*apiutil.Path{path}})
		}
		if err != nil {
			return fmt.Errorf("withdraw a route: %w", err)
		}
		delete(s.announced, k)
		return nil
	case before != nil && before.same(r):
		return nil
	}
	path, err := encode(r)
	if err == nil {
		_, err = s.bgp.AddPath(apiutil.AddPathRequest{Paths: []*apiutil.Path{path}})
	}
	if err != nil {
		return fmt.Errorf("announce a route: %w", err)
	}
	s.announced[k] = r
	return nil
}

// lastRoute is what the library gets behind all that there is to announce at the beginning: it announces in order, so that the
// relay, which does not pass it on, knows by it that neighbours have the rest.
func lastRoute() (*apiutil.Path, []byte, error) {
	rd, err := bgp.ParseRouteDistinguisher("0:0")
	var nlri bgp.NLRI
	if err == nil {
		nlri, err = bgp.NewEVPNMulticastEthernetTagRoute(rd, allTags, netip.IPv4Unspecified())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make the last route: %w", err)
	}
	wire, err := nlri.Serialize()
	if err != nil {
		return nil, nil, fmt.Errorf("make the last route: %w", err)
	}
	reach, err := bgp.NewPathAttributeMpReachNLRI(bgp.RF_EVPN, []bgp.PathNLRI{{NLRI: nlri}}, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err != nil {
		return nil, nil, fmt.Errorf("make the last route: %w", err)
	}
	return &apiutil.Path{Family: bgp.RF_EVPN, Nlri: nlri, Attrs: []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), reach}}, wire, nil
}

// complete has neighbours told that all has been announced.
func (s *speaker) complete() error {
	s.relay.Complete()
	if _, err := s.bgp.AddPath(apiutil.AddPathRequest{Paths: []*apiutil.Path{s.last}}); err != nil {
		return fmt.Errorf("announce the last route: %w", err)
	}
	return nil
}

func (r *route) same(o *route) bool {
	return r.key == o.key && r.vtep == o.vtep && r.vni == o.vni && r.sequence == o.sequence && r.moved == o.moved && r.sticky == o.sticky &&
		r.gateway == o.gateway && r.flags == o.flags && r.l3vni == o.l3vni && r.routerMAC == o.routerMAC && r.via == o.via &&
		r.segment == o.segment && r.single == o.single && r.election == o.election &&
		slices.Equal(r.targets, o.targets) && slices.Equal(r.l3targets, o.l3targets)
}

// close ends all without a word: neighbours may keep routes until there is a speaker again, which they do not after the
// notification that the library would send.
func (s *speaker) close() {
	s.stop()
	if s.relay != nil {
		s.relay.Wait()
	}
	if s.begun {
		s.bgp.Stop()
	}
}

// quiet is a log of the library's: what it takes for an event of everyday is left out, and neighbors have their own addresses.
type quiet struct {
	slog.Handler
	level    *slog.LevelVar
	neighbor func(at netip.Addr) netip.Addr // by the address that the library knows it by; invalid: it is none
}

func (q quiet) Enabled(_ context.Context, l slog.Level) bool { return l >= q.level.Level() }

// WithAttrs is what the library makes for each neighbor: without it what comes of that would be the inner handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	var named []slog.Attr
	for _, a := range attrs {
		at, err := netip.ParseAddr(a.Value.String())
		switch real := q.neighbor(at); {
		case a.Key == "Topic":
		case err == nil && real.IsValid():
			named = append(named, slog.Any("neighbor", real))
		default:
			named = append(named, a)
		}
	}
	q.Handler = q.Handler.WithAttrs(named)
	return q
}

func (q quiet) WithGroup(name string) slog.Handler {
	q.Handler = q.Handler.WithGroup(name)
	return q
}
