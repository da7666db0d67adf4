package ovs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// What a source sends that could not be learned goes where it should as soon as its switch gets a router, or
// loses it.
func TestMutedSourceIsRouted(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	defer p.Destroy(context.Background())
	routed := routedSite()
	routed.Ports["p0"] = intent.Port{MACLimit: 1}
	bridged := routed.Clone()
	clear(bridged.Routers)
	clear(bridged.Interfaces)
	clear(bridged.Routes)
	clear(bridged.Neighbours)
	for id, ls := range bridged.Switches {
		ls.Router = intent.RouterID{}
		bridged.Switches[id] = ls
	}
	bridged.Unicast.Set(intent.MACKey{Switch: red, MAC: routerMAC}, redVNI) // another has the address
	was := intent.NewState()
	apply := func(s *intent.State) {
		t.Helper()
		var d *intent.Delta
		if was.TunnelIP.IsValid() {
			d = intent.Diff(was, s)
		}
		if r, err := p.Apply(context.Background(), s, d); err != nil || len(r.Ports)+len(r.Bindings) > 0 {
			t.Fatalf("%v, %+v", err, r)
		}
		was = s
		w.settled(t)
	}
	mute := func() { // the second is one too many
		t.Helper()
		for _, mac := range []intent.MAC{hostRed, hostBlue} {
			w.send(t, host("p0"), append(slices.Concat([]byte{2, 9, 9, 9, 9, 9}, mac[:]), make([]byte, 50)...))
			testenv.Eventually(t, longest, func() error {
				var n uint64
				err := p.do(t.Context(), func() { n = uint64(p.engine.stations.total) + p.engine.counters.drops["port_limit"] })
				if err != nil || n == 0 || mac == hostBlue && n < 2 {
					return fmt.Errorf("%d are learned or not, %v", n, err)
				}
				return nil
			})
		}
	}
	frame := toRouter(hostBlue, hostIP(false, 1, 9), hostIP(false, 2, 3), 100, true)
	apply(bridged)
	mute()
	w.send(t, host("p0"), frame)
	w.gets(t, "", frame)
	apply(routed)
	w.send(t, host("p0"), frame)
	w.gets(t, "", packet.Routed(frame, hostFar, routerMAC))
	apply(bridged)
	w.send(t, host("p0"), frame)
	w.gets(t, "", frame)
}

// A switch that only a router has is left to the next process, too.
func TestAdoptedWithoutPorts(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := routedSite()
	clear(s.Ports)
	clear(s.Bindings)
	if _, err := p.Apply(context.Background(), s, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.newPlane(t)
	defer p.Destroy(context.Background())
	left, err := p.Adopted(context.Background(), true)
	if err != nil || left == nil || left.Switches[blue].Router != router || left.Routers[router].MAC != routerMAC || !maps.Equal(left.Neighbours, s.Neighbours) {
		t.Errorf("%v, %+v", err, left)
	}
}

// A table of routers that is full is said to be that table.
func TestRouterTableFull(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	defer p.Destroy(context.Background())
	s := routedSite()
	if r, err := p.Apply(context.Background(), s, nil); err != nil || len(r.Full) > 0 {
		t.Fatalf("%v, %v", err, r.Full)
	}
	for table, n := range map[uint8]int{tableRoutes: 10, tableNeighbors: 11} {
		w.Vsctl(t, "--", "--id=@f", "create", "Flow_Table", fmt.Sprintf("flow_limit=%d", n), "overflow_policy=refuse", "--", "set", "Bridge", "br0_vtep_lr", fmt.Sprintf("flow_tables:%d=@f", table))
	}
	next := s.Clone()
	next.Routes[intent.RouteKey{Router: router, Prefix: netip.MustParsePrefix("192.0.2.0/24")}] = intent.Route{Switch: blue, Via: hostIP(false, 2, 3)}
	next.Neighbours[intent.IPKey{Switch: blue, IP: hostIP(false, 2, 77)}] = hostFar
	r, err := p.Apply(context.Background(), next, intent.Diff(s, next))
	if err != nil || len(r.Full) != 2 || r.Full[plane.Routes] == nil || r.Full[plane.Neighbours] == nil {
		t.Errorf("%v, full are %v", err, r.Full)
	}
}

// What flows of a datapath have left in its cache is thrown away although something else is not done yet.
func TestPurgeWhilePending(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	defer p.Destroy(context.Background())
	s := routedSite()
	if _, err := p.Apply(context.Background(), s, nil); err != nil {
		t.Fatal(err)
	}
	var purged atomic.Int32
	control := p.opts.Control
	err := p.do(t.Context(), func() {
		p.opts.Control = func(ctx context.Context, path, command string, args ...string) (string, error) {
			if command == "revalidator/purge" {
				purged.Add(1)
			}
			return control(ctx, path, command, args...)
		}
		p.engine.wantCfg += 1000 // as where ovs-vswitchd is slow
	})
	if err != nil {
		t.Fatal(err)
	}
	next := s.Clone()
	next.Routes[intent.RouteKey{Router: router, Prefix: netip.MustParsePrefix("192.0.2.0/24")}] = intent.Route{Switch: blue, Via: hostIP(false, 2, 3)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := p.Apply(ctx, next, intent.Diff(s, next))
		ended <- err
	}()
	testenv.Eventually(t, longest, func() error {
		if purged.Load() == 0 {
			return errors.New("it is there still")
		}
		return nil
	})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := p.do(t.Context(), func() { p.engine.wantCfg -= 1000 }); err != nil {
		t.Fatal(err)
	}
}

// The bridge of the routers takes packets before it gets them, and as long as it does.
func TestOrderOfBridges(t *testing.T) {
	in := func(port uint32) flowSet {
		s := flowSet{}
		(&routing{}).adder(s)(tableIn, prioRouted, openflow.Match{openflow.InPort(port)}, openflow.Goto(tableEnter))
		return s
	}
	lr := &bridge{name: "br0_vtep_lr", all: true, have: flowSet{}, want: in(1)}
	e := &engine{names: &names{ps: "br0"}, bridges: map[string]*bridge{"br0": {}, "br0_vtep_lr": lr, "br0_vtep_ls1": {}}}
	if got, want := e.order(), []string{"br0_vtep_lr", "br0", "br0_vtep_ls1"}; !slices.Equal(got, want) {
		t.Errorf("with a router: %v, want %v", got, want)
	}
	lr.have, lr.want = in(1), flowSet{}
	if got, want := e.order(), []string{"br0", "br0_vtep_ls1", "br0_vtep_lr"}; !slices.Equal(got, want) {
		t.Errorf("without it: %v, want %v", got, want)
	}
}

// Flows of a new ovs-vswitchd count from the beginning, also where they have counted more than those before.
func TestCountersOfNewFlows(t *testing.T) {
	id := intent.ACLID{1}
	a := newAccessLists()
	entry := intent.ACLEntry{ID: intent.ACLEntryID{7}, Deny: true}
	a.change(intent.Change[intent.ACLID, intent.ACL]{Key: id, New: &intent.ACL{Ingress: []intent.ACLEntry{entry}}})
	e := &engine{counters: newCounters(), names: &names{ps: "br0"}}
	b := &bridge{name: "br0_vtep_ls1"}
	now := time.Now()
	read := func(at time.Time, packets uint64, old time.Duration) {
		f := openflow.FlowStats{Packets: packets, Bytes: 100 * packets, Seconds: uint32(old / time.Second)}
		for _, flow := range a.of(id, intent.Ingress).flows[intent.Ingress] {
			f.Table, f.Priority, f.Match, f.Cookie = flow.mod.Table, flow.mod.Priority, flow.mod.Match, flow.mod.Cookie
		}
		a.count("br0", at, []*openflow.MultipartReply{{Flows: []openflow.FlowStats{f}}})
		f.Cookie = cookieDrop | dropHairpin
		e.addDrops(b, at, []*openflow.MultipartReply{{Flows: []openflow.FlowStats{f}}})
	}
	read(now, 10, time.Hour)
	read(now.Add(time.Minute), 12, time.Hour+time.Minute)
	a.read["br0"], e.counters.read[b.name] = now.Add(time.Minute), now.Add(time.Minute)
	read(now.Add(2*time.Minute), 15, 30*time.Second)
	if got := a.totals[plane.ACLEntryAt{ACL: id, Entry: entry.ID}].Packets; got != 27 {
		t.Errorf("the entry has decided %d, want 27", got)
	}
	if got := e.counters.drops["hairpin"]; got != 27 {
		t.Errorf("%d are dropped, want 27", got)
	}
}
