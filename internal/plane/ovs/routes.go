package ovs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// How routes are looked at: when the tunnel IP, the peers, the database or the kernel's routes
// change, but not more often than routesPause, or than lets one part in routesShare of the time
// go into it; and while one is missing, every routesAgain, since ovs-vswitchd does not tell of
// those that somebody gives it by hand. When none is missing and nothing changes, it is not asked.
const (
	routesPause = time.Second
	routesAgain = 5 * time.Second
	routesShare = 20
)

// routes is what ovs-vswitchd knows of the ways of tunnels. It may run in another network
// namespace than this process, so that only its own answer counts.
type routes struct {
	due     time.Time // when to ask; zero: there is no need
	asked   time.Time // when it was last asked
	asking  bool
	twice   bool          // ask once more after this time
	took    time.Duration // to ask, the last time
	watch   routeWatch
	tunnel  error // of the tunnel IP; nil: well, or not known yet
	peers   map[netip.Addr]error
	ways    map[netip.Addr]way
	ofIP    netip.Addr // what was asked for last
	ofPeers map[netip.Addr]bool
}

// way is what packets of a tunnel to a peer take.
type way struct {
	device string // of a bridge; "": the kernel knows
	mtu    int    // what the kernel says of it; 0: nothing
}

// mtuTo returns how many bytes a packet to a peer may have, with all its headers from that of IP on; 0: that is not known.
func (r *routes) mtuTo(v *vswitch, peer netip.Addr) int {
	w := r.ways[peer]
	if i := v.interfaces[w.device]; i != nil {
		return i.mtu
	}
	return w.mtu
}

// answers are what it answers.
type answers struct {
	tunnel error // what is wrong with the tunnel IP
	peers  map[netip.Addr]error
	ways   map[netip.Addr]way
}

// questions are what ovs-vswitchd is asked.
type questions struct {
	tunnel  netip.Addr
	peers   []netip.Addr
	devices map[string]bool // that ovs-vswitchd can send by
	kernel  KernelRoutes    // not nil: the datapath is the kernel's, which has the ways to peers
}

// want notes that something has changed which routes depend on.
func (r *routes) want() {
	if at := r.asked.Add(max(routesPause, routesShare*r.took)); r.due.IsZero() || at.Before(r.due) {
		r.due = at
	}
}

// checkRoutes asks ovs-vswitchd for the routes, if it is time to.
func (e *engine) checkRoutes() {
	r := &e.routes
	ps := e.vs.bridges[e.names.ps]
	if e.plane.opts.Control == nil || ps == nil || strings.HasPrefix(ps.datapathType, "dummy") {
		r.due = time.Time{}
		return
	}
	userspace := ps.datapathType == "netdev"
	peers := map[netip.Addr]bool{}
	if userspace || r.watch.kernel != nil {
		peers = e.site.farEnds()
	}
	if r.ofIP != e.site.TunnelIP || !maps.Equal(peers, r.ofPeers) {
		r.ofIP, r.ofPeers = e.site.TunnelIP, peers
		r.want()
	}
	if r.asking || r.due.IsZero() || time.Now().Before(r.due) {
		return
	}
	e.followRoutes()
	r.due, r.asked = time.Time{}, time.Now()
	again := r.twice
	r.twice = false
	if !r.ofIP.IsValid() {
		e.handleRoutes(&answers{})
		return
	}
	q := questions{tunnel: r.ofIP, devices: map[string]bool{}, peers: slices.SortedFunc(maps.Keys(peers), netip.Addr.Compare)}
	if !userspace {
		q.kernel = r.watch.kernel
	}
	for name := range e.vs.bridges {
		q.devices[name] = true
	}
	for name := range e.vs.interfaces {
		q.devices[name] = true
	}
	r.asking = true
	e.plane.wait.Go(func() {
		ctx, cancel := context.WithTimeoutCause(e.plane.ctx, answerTimeout, errStalled)
		a, err := e.plane.lookUp(ctx, &q)
		cancel()
		_ = e.plane.do(e.plane.ctx, func() {
			r.asking = false
			r.took = time.Since(r.asked)
			if again {
				r.want()
			}
			if err != nil { // what is not known is no fault; it is known when ovs-vswitchd is back
				e.log.Debug("routes not known", "err", err)
				r.due = time.Now().Add(routesAgain)
				return
			}
			e.handleRoutes(a)
		})
	})
}

// handleRoutes takes an answer.
func (e *engine) handleRoutes(a *answers) {
	r, tunnel, peers := &e.routes, a.tunnel, a.peers
	if !maps.Equal(r.ways, a.ways) {
		r.ways, e.built, e.routing.changed = a.ways, false, true
	}
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	same := func(a, b error) bool { return text(a) == text(b) }
	changed := !same(tunnel, r.tunnel) || !maps.EqualFunc(peers, r.peers, same)
	r.tunnel, r.peers = tunnel, peers
	if (tunnel != nil || len(peers) > 0) && r.due.IsZero() {
		r.due = time.Now().Add(routesAgain)
	}
	if changed {
		e.emit(plane.ReportChanged{})
	}
}

// lookUp asks ovs-vswitchd; err: that does not answer.
func (p *Plane) lookUp(ctx context.Context, q *questions) (*answers, error) {
	a := &answers{ways: map[netip.Addr]way{}}
	path, err := p.controlSocket()
	if err != nil {
		return nil, err
	}
	ask := func(ip netip.Addr) (route, error) {
		text, err := p.opts.Control(ctx, path, "ovs/route/lookup", ip.String())
		if err != nil {
			if strings.HasPrefix(err.Error(), "Not found") {
				return route{}, nil
			}
			return route{}, err
		}
		return parseRoute(text)
	}
	to, err := ask(q.tunnel)
	switch {
	case err != nil:
		return nil, fmt.Errorf("route of the tunnel IP: %w", err)
	case to.source != q.tunnel:
		a.tunnel = trouble(problem.ForeignIP, fmt.Sprintf("ip addr add %v/24 dev BRIDGE, where BRIDGE is the one that the underlay's device is a port of", q.tunnel),
			fmt.Errorf("tunnel IP %v is not an address of the machine, or network namespace, of ovs-vswitchd: it has no route for tunnels from there", q.tunnel))
		return a, nil
	}
	if q.kernel != nil {
		if _, err := q.kernel.Way(q.tunnel, q.tunnel); err != nil {
			// Somebody gave ovs-vswitchd this address: its datapath is not the kernel's, as with --enable-dummy.
			return a, nil
		}
	}
	for _, peer := range q.peers {
		if q.kernel != nil {
			mtu, bad, err := kernelWay(q.kernel, q.tunnel, peer)
			if err != nil {
				return nil, err
			}
			if bad != nil {
				put(&a.peers, peer, bad)
			} else {
				a.ways[peer] = way{mtu: mtu}
			}
			continue
		}
		to, err := ask(peer)
		var bad error
		switch {
		case err != nil:
			return nil, fmt.Errorf("route to peer %v: %w", peer, err)
		case to.device == "":
			bad = trouble(problem.NoRoute, fmt.Sprintf("ip route add %v via GATEWAY, for which ovs-vswitchd looks in its own network namespace", peer),
				errors.New("ovs-vswitchd has no route to it: what is for it is dropped"))
		case !q.devices[to.device]:
			bad = trouble(problem.NoRoute, fmt.Sprintf("ovs-vsctl add-br BRIDGE -- set Bridge BRIDGE datapath_type=netdev -- add-port BRIDGE %s, and give BRIDGE the addresses of %[1]s", to.device),
				fmt.Errorf("the route to it is by device %s, which the userspace datapath of ovs-vswitchd can't send by: it is no port of a bridge", to.device))
		}
		if bad != nil {
			put(&a.peers, peer, bad)
		} else {
			a.ways[peer] = way{device: to.device}
		}
	}
	return a, nil
}

// route is an answer of ovs-vswitchd; device "": there is no route.
type route struct {
	source netip.Addr
	device string
}

func parseRoute(text string) (r route, err error) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "src":
			r.source, err = netip.ParseAddr(value)
			r.source = r.source.Unmap()
		case "dev":
			r.device = value
		}
	}
	if err == nil && r.device == "" {
		err = fmt.Errorf("answer %q names no device", text)
	}
	return r, err
}

// controlSocket returns the path of ovs-vswitchd's control socket.
func (p *Plane) controlSocket() (string, error) {
	pid, err := p.daemon()
	if err != nil {
		return "", err
	}
	path := filepath.Join(p.opts.RunDir, fmt.Sprintf("ovs-vswitchd.%d.ctl", pid))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		switch named := namedSocket(pid); {
		case filepath.IsAbs(named):
			return named, nil
		case named != "":
			return filepath.Join(p.opts.RunDir, named), nil
		}
	}
	return path, nil
}

// namedSocket returns what the command line of a process names as its control socket; "": nothing.
func namedSocket(pid int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // of a process that is not there, or not to be seen, nothing is known
	args := strings.Split(string(line), "\x00")
	for i, arg := range args {
		if name, ok := strings.CutPrefix(arg, "--unixctl="); ok {
			return name
		}
		if arg == "--unixctl" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// daemon returns the process ID of ovs-vswitchd.
func (p *Plane) daemon() (int, error) {
	b, err := os.ReadFile(filepath.Join(p.opts.RunDir, "ovs-vswitchd.pid"))
	if err != nil {
		return 0, fmt.Errorf("find ovs-vswitchd: %w", err)
	}
	pid, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("find ovs-vswitchd: %w", err)
	}
	return int(pid), nil
}

// farEnds returns the peers that frames go to, or come from.
func (s *site) farEnds() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for _, ls := range s.switches {
		for t := range ls.decap {
			all[t.Peer] = true
		}
		for _, set := range ls.floods {
			for _, t := range set {
				all[t.Peer] = true
			}
		}
	}
	return all
}
