package ovs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
)

var (
	red, blue = intent.SwitchID{0xed}, intent.SwitchID{0xb1}
	all       = intent.MAC{255, 255, 255, 255, 255, 255}
)

const longest = 90 * time.Second

func at(port string, vlan uint16) intent.BindingKey { return intent.BindingKey{Port: port, VLAN: vlan} }

// twoTenants has red on p0 and VLAN 100 of p2, with peer 0, and blue on p1, with peer 1.
func twoTenants() *intent.State {
	s := intent.NewState()
	s.TunnelIP = planetest.TunnelIP
	for _, p := range planetest.Ports {
		s.Ports[p] = intent.Port{}
	}
	s.Switches[red] = intent.Switch{Name: "red", VNI: 5000}
	s.Switches[blue] = intent.Switch{Name: "blue", VNI: 6000}
	s.Bindings[at("p0", 0)] = intent.Binding{Switch: red}
	s.Bindings[at("p2", 100)] = intent.Binding{Switch: red}
	s.Bindings[at("p1", 0)] = intent.Binding{Switch: blue}
	for i, id := range []intent.SwitchID{red, blue} {
		tunnel := intent.Tunnel{Peer: planetest.Peers[i], VNI: s.Switches[id].VNI}
		s.Floods[intent.FloodKey{Switch: id}] = intent.FloodSet{tunnel}
		s.Decap.Set(tunnel, id)
	}
	return s
}

func (w *world) apply(p *Plane, next *intent.State, d *intent.Delta) plane.Report {
	w.t.Helper()
	r, err := p.Apply(context.Background(), next, d)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

var frameID uint32

func frameFrom(station byte, dst intent.MAC, tags ...uint16) planetest.Frame {
	frameID++
	return planetest.Frame{Dst: dst, Src: intent.MAC{2, 5: station}, Tags: tags, ID: frameID}
}

// places says where frames of the suite have come out since the last call.
func (w *world) places(t testing.TB) (list []string) {
	t.Helper()
	for _, o := range w.collect(t) {
		if !planetest.Mine(o.Frame) {
			continue
		}
		if o.Port == "" {
			list = append(list, o.Tunnel.String())
		} else {
			list = append(list, o.Port)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// tenants wants frames of both tenants to arrive everywhere where they should, now or soon, and
// never anywhere else.
func (w *world) tenants(t testing.TB) {
	t.Helper()
	w.places(t)
	for _, c := range []struct {
		port string
		want []string
	}{
		{"p0", []string{"192.0.2.2/5000", "p2"}},
		{"p1", []string{"192.0.2.3/6000"}},
	} {
		var leaked []string
		testenv.Eventually(t, longest, func() error {
			w.send(t, host(c.port), frameFrom(c.port[1], all).Bytes())
			w.forwarded(t)
			got := w.places(t)
			for _, place := range got {
				if !slices.Contains(c.want, place) {
					leaked = append(leaked, place)
				}
			}
			if !slices.Equal(got, c.want) {
				return fmt.Errorf("from %s to %q, want %q", c.port, got, c.want)
			}
			return nil
		})
		if len(leaked) > 0 {
			t.Errorf("frames from %s came out at %q", c.port, leaked)
		}
	}
}

// Open vSwitch dies and comes back, 5 times, or up to 50 by effort: each time it is put right by
// itself, and nothing crosses tenants.
func TestSwitchRestarts(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	w.apply(p, twoTenants(), nil)
	w.tenants(t)
	for range min(5*testenv.Effort(t), 50) {
		w.KillDaemon(t)
		w.StartDaemon(t)
		w.address(t, w.Namespace, "br-ex", planetest.TunnelIP.String()+"/24")
		for _, ip := range planetest.Peers {
			w.Appctl(t, "tnl/neigh/set", "br-ex", ip.String(), peerMAC)
		}
		w.tenants(t)
		testenv.Eventually(t, longest, func() error { return drifts(p) })
	}
}

func drifts(p *Plane) error {
	drift, err := p.Audit(context.Background())
	if err == nil && len(drift) > 0 {
		err = fmt.Errorf("%d drifts, e.g. %+v", len(drift), drift[0])
	}
	return err
}

// The database goes away for a while, and no flow changes, nor gets a port link that has none, nor is a peer that fails as good as others.
func TestServerAway(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := routedSite()
	s.Ports["p2"] = intent.Port{}
	peer := planetest.Peers[0]
	s.BFD[peer] = intent.BFD{MinRx: 100, MinTx: 100,
		Local:  intent.BFDEnd{MAC: intent.MAC{2, 5: 0xb1}, IP: netip.MustParseAddr("169.254.1.0")},
		Remote: intent.BFDEnd{MAC: intent.MAC{2, 5: 0xb2}, IP: netip.MustParseAddr("169.254.1.1")}}
	w.apply(p, s, nil)
	w.link(t, "p2", false)
	w.send(t, "h1", append(slices.Concat([]byte{2, 9, 9, 9, 9, 9}, hostBlue[:]), make([]byte, 50)...))
	var down, session bool
	events := func(each func(plane.Event)) {
		for len(p.Events()) > 0 {
			each(<-p.Events())
		}
	}
	testenv.Eventually(t, longest, func() error {
		events(func(e plane.Event) {
			switch e := e.(type) {
			case plane.PortChanged:
				down = down || e.Name == "p2" && !e.Up
			case plane.PeerChanged:
				session = e.Peer == peer && e.State.State == "down"
			}
		})
		var far, near uint16
		err := p.do(t.Context(), func() {
			far = p.engine.largest(intent.MACKey{Switch: blue, MAC: hostFar})
			near = p.engine.largest(intent.MACKey{Switch: blue, MAC: hostBlue})
		})
		if err != nil || !down || !session || far == 0 || near == 0 {
			return fmt.Errorf("%v, p2 is down: %v, the session is: %v, frames may have %d and %d", err, down, session, far, near)
		}
		return drifts(p)
	})
	before := w.ages(t)
	w.KillServer(t)
	time.Sleep(300 * time.Millisecond) // ovs-vswitchd notices; it answers nobody now
	daemon := w.DaemonProcess()
	if err := daemon.Signal(syscall.SIGSTOP); err != nil { // it says nothing again before the plane has looked
		t.Fatal(err)
	}
	defer daemon.Signal(syscall.SIGCONT)
	var was, is *vswitch
	look := func(v **vswitch) error { return p.do(t.Context(), func() { *v = p.engine.vs }) }
	if err := look(&was); err != nil {
		t.Fatal(err)
	}
	w.StartServer(t)
	testenv.Eventually(t, longest, func() error {
		if err := look(&is); err != nil || is == was {
			return fmt.Errorf("the database is not read again: %v", err)
		}
		return nil
	})
	if was, is := was.interfaces["br-ex"].mtu, is.interfaces["br-ex"].mtu; was == 0 || is != was {
		t.Errorf("the MTU was %d, and is %d", was, is)
	}
	if err := daemon.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	next := s.Clone()
	next.Unicast.Set(intent.MACKey{Switch: red, MAC: intent.MAC{2, 5: 0x21}}, redVNI)
	w.apply(p, next, intent.Diff(s, next))
	testenv.Eventually(t, longest, func() error { return drifts(p) })
	w.Vsctl(t, "wait-until", "Interface", "p2", "link_state=down")
	w.Vsctl(t, "wait-until", "Interface", "bfd"+peer.String(), "bfd_status:state=down")
	r := w.apply(p, next, &intent.Delta{})
	if len(r.Down) != 1 || r.BFD[peer].State != "down" {
		t.Errorf("without link are %v, sessions are %+v", r.Down, r.BFD)
	}
	events(func(e plane.Event) {
		switch e.(type) {
		case plane.PortChanged, plane.PeerChanged:
			t.Errorf("it is told %+v", e)
		}
	})
	w.younger(t, before)
}

// ages is how long each flow has been there, by bridge and text.
func (w *world) ages(t testing.TB) map[string]time.Duration {
	t.Helper()
	ages := map[string]time.Duration{}
	for name := range strings.FieldsSeq(w.Vsctl(t, "list-br")) {
		if !strings.HasPrefix(name, "br0") {
			continue
		}
		c, err := openflow.Dial(t.Context(), w.Socket(name+".mgmt"), func(openflow.Message) {})
		if err != nil {
			t.Fatal(err)
		}
		parts, err := c.Query(t.Context(), &openflow.MultipartRequest{Part: openflow.PartFlows, Flows: &openflow.FlowFilter{Table: openflow.AllTables}})
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			for _, f := range part.Flows {
				ages[fmt.Sprint(name, f.Cookie, f.Table, f.Priority, f.Match, f.Instructions)] =
					time.Duration(f.Seconds)*time.Second + time.Duration(f.Nanoseconds)
			}
		}
	}
	return ages
}

// younger fails for flows that have gone or were made anew since.
func (w *world) younger(t testing.TB, before map[string]time.Duration) {
	t.Helper()
	now := w.ages(t)
	for text, age := range before {
		if is, ok := now[text]; !ok || is < age {
			t.Errorf("a flow was made anew: %s (%v, then %v)", text, age, is)
		}
	}
}

// A new process takes over what another left, and touches nothing that is right.
func TestAdoption(t *testing.T) {
	w := newWorld(t)
	first := w.newPlane(t)
	s := twoTenants()
	w.apply(first, s, nil)
	w.send(t, "h0", frameFrom(1, all).Bytes())
	key := intent.MACKey{Switch: red, MAC: intent.MAC{2, 5: 1}}
	testenv.Eventually(t, longest, func() error { return knows(first, key, at("p0", 0)) })
	testenv.Eventually(t, longest, func() error { return drifts(first) })
	before := w.ages(t)
	config := w.Vsctl(t, "--columns=_uuid,name,ofport", "list", "Interface")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := w.newPlane(t)
	left, err := second.Adopted(t.Context(), true)
	if err != nil || left == nil {
		t.Fatal(left, err)
	}
	for k, b := range s.Bindings {
		if left.Bindings[k] != b {
			t.Errorf("adopted binding %v is %v, want %v", k, left.Bindings[k], b)
		}
	}
	if len(left.Floods) != 2 || left.Decap.Len() != 2 || left.TunnelIP != s.TunnelIP {
		t.Errorf("adopted\n%v", left)
	}
	w.apply(second, s, nil)
	if err := knows(second, key, at("p0", 0)); err != nil {
		t.Error(err)
	}
	w.younger(t, before)
	if now := w.Vsctl(t, "--columns=_uuid,name,ofport", "list", "Interface"); now != config {
		t.Errorf("interfaces were made anew:\n%s\nwere\n%s", now, config)
	}
}

// What another process has left is taken down by one that has done nothing else, the operator's
// bridge excepted.
func TestDestroy(t *testing.T) {
	w := newWorld(t)
	first := w.newPlane(t)
	w.apply(first, twoTenants(), nil)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.newPlane(t).Destroy(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := w.Vsctl(t, "list-br"); got != "br-ex\nbr0\nvtep_bfd\n" {
		t.Errorf("bridges %q are left", got)
	}
	if got := w.Vsctl(t, "list-ports", "br0"); got != "p0\np1\np2\n" {
		t.Errorf("ports %q are left", got)
	}
	if got := w.Vsctl(t, "list-ports", "vtep_bfd"); got != "" {
		t.Errorf("ports %q of vtep_bfd are left", got)
	}
	testenv.Eventually(t, longest, func() error {
		if flows := w.Ofctl(t, "dump-flows", "br0"); strings.Contains(flows, "actions=") {
			return errors.New("flows are left:\n" + flows)
		}
		return nil
	})
}

func knows(p *Plane, key intent.MACKey, where intent.BindingKey) error {
	list, err := p.Sweep(context.Background())
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Key == key && s.At == where {
			return nil
		}
	}
	return fmt.Errorf("%v is not learned at %v: %v", key, where, list)
}

// Somebody makes and deletes flows by hand: those of table 1 are MACs, the others come back.
func TestByHand(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	w.apply(p, twoTenants(), nil)
	bridge := "br0_vtep_ls1"
	if strings.TrimSpace(w.Vsctl(t, "br-get-external-id", bridge, "logical_switch_name")) != "red" {
		bridge = "br0_vtep_ls2"
	}
	wait := func(want plane.Event) {
		t.Helper()
		timeout := time.After(longest)
		for {
			select {
			case e := <-p.Events():
				if e == want {
					return
				}
			case <-timeout:
				t.Fatalf("no event %+v", want)
			}
		}
	}
	key := intent.MACKey{Switch: red, MAC: intent.MAC{0xaa, 0xbb, 0xcc, 0xdd, 0xee, 1}}
	out := strings.TrimSpace(w.Vsctl(t, "get", "Interface", "0000-p0-l", "ofport"))
	flow := "cookie=0x5000,table=1,priority=1000,dl_dst=" + key.MAC.String()
	w.Ofctl(t, "add-flow", bridge, flow+" actions=output:"+out)
	wait(plane.Seen{Key: key, At: at("p0", 0)})
	if err := knows(p, key, at("p0", 0)); err != nil {
		t.Error(err)
	}
	if flows := w.Ofctl(t, "dump-flows", bridge); !strings.Contains(flows, key.MAC.String()) {
		t.Errorf("the flow is gone:\n%s", flows)
	}
	w.Ofctl(t, "del-flows", bridge, "table=1,dl_dst="+key.MAC.String())
	wait(plane.Gone{Key: key, At: at("p0", 0)})

	barred := twoTenants()
	barred.Bindings[at("p0", 0)] = intent.Binding{Switch: red, Role: intent.Standby}
	w.apply(p, barred, intent.Diff(twoTenants(), barred))
	w.Ofctl(t, "add-flow", bridge, flow+" actions=output:"+out)
	testenv.Eventually(t, longest, func() error {
		if flows := w.Ofctl(t, "dump-flows", bridge); strings.Contains(flows, key.MAC.String()) {
			return errors.New("a MAC is made where nothing leaves:\n" + flows)
		}
		return nil
	})
	for len(p.Events()) > 0 {
		if e, ok := (<-p.Events()).(plane.Seen); ok && e.Key == key {
			t.Errorf("it was seen at %v", e.At)
		}
	}
	w.apply(p, twoTenants(), intent.Diff(barred, twoTenants()))

	w.Ofctl(t, "add-flow", "br0", "cookie=0x99,table=0,priority=5,in_port=77 actions=drop") // somebody else's
	for _, b := range []string{"br0", bridge} {
		w.Ofctl(t, "del-flows", b, "cookie="+fmt.Sprintf("%#x/%#x", uint64(cookieBase), uint64(cookieMask)))
	}
	testenv.Eventually(t, longest, func() error { return drifts(p) })
	w.tenants(t)
	if flows := w.Ofctl(t, "dump-flows", "br0"); !strings.Contains(flows, "cookie=0x99") {
		t.Errorf("somebody else's flow is gone:\n%s", flows)
	}
	w.Vsctl(t, "set", "Bridge", "br0", "fail_mode=standalone")
	testenv.Eventually(t, longest, func() error {
		if mode := strings.TrimSpace(w.Vsctl(t, "get", "Bridge", "br0", "fail_mode")); mode != "secure" {
			return errors.New("fail_mode is " + mode)
		}
		return nil
	})
	w.Vsctl(t, "set", "Bridge", "br0", "external_ids:mode=back") // returns when ovs-vswitchd has followed
	testenv.Eventually(t, longest, func() error { return drifts(p) })
	w.tenants(t)
}

// Open vSwitch hangs for a while: calls come back, and all is made good afterwards.
func TestSwitchHangs(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := twoTenants()
	w.apply(p, s, nil)
	if err := w.DaemonProcess().Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	next := s.Clone()
	next.Bindings[at("p1", 7)] = intent.Binding{Switch: red}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	report, err := p.Apply(ctx, next, intent.Diff(s, next))
	if err != nil || ctx.Err() != nil {
		t.Fatalf("Apply: %v, %v", err, ctx.Err())
	}
	if report.Bindings[at("p1", 7)] == nil {
		t.Errorf("report %+v says nothing of a binding that is not in force", report)
	}
	if err := w.DaemonProcess().Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, longest, func() error {
		r, err := p.Apply(context.Background(), next, &intent.Delta{})
		if err == nil && len(r.Bindings)+len(r.Ports) > 0 {
			err = fmt.Errorf("report %+v", r)
		}
		return err
	})
	testenv.Eventually(t, longest, func() error { return drifts(p) })
}

// What newcomers trip over is said with what to do.
func TestPitfalls(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := twoTenants()
	w.Vsctl(t, "del-br", "br0")
	if r := w.apply(p, s, nil); r.Ports["p0"] == nil || !strings.Contains(r.Ports["p0"].Error(), "ovs-vsctl add-br br0") {
		t.Errorf("without the bridge: %v", r.Ports["p0"])
	}
	w.Vsctl(t, "--no-wait", "add-br", "br0")
	says := func(what, port, want string) {
		t.Helper()
		testenv.Eventually(t, longest, func() error {
			r, err := p.Apply(context.Background(), s, &intent.Delta{})
			if err == nil && (r.Ports[port] == nil || !strings.Contains(r.Ports[port].Error(), want)) {
				err = fmt.Errorf("%s: %v, want %q", what, r.Ports[port], want)
			}
			return err
		})
	}
	says("a datapath that the kernel has not got", "p0", "datapath_type=netdev")
	w.Vsctl(t, "set", "Bridge", "br0", "datapath_type=netdev", "--", "add-port", "br0", "p0")
	w.Vsctl(t, "--no-wait", "add-port", "br0", "nowhere")
	s.Ports["nowhere"] = intent.Port{}
	w.apply(p, s, &intent.Delta{Ports: []intent.Change[string, intent.Port]{{Key: "nowhere", New: &intent.Port{}}}})
	says("a port that is not in the bridge", "p1", "ovs-vsctl add-port br0 p1")
	says("a port without a device", "nowhere", "could not open network device nowhere")
	r := w.apply(p, s, &intent.Delta{})
	if r.Ports["p0"] != nil {
		t.Errorf("p0 is well: %v", r.Ports["p0"])
	}
}
