package trace

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/vtep"
)

var (
	red    = intent.SwitchID{0xed}
	blue   = intent.SwitchID{0xb1}
	router = intent.RouterID{0x40}
	peer   = netip.MustParseAddr("10.0.0.2")
)

func station(n byte) intent.MAC { return intent.MAC{2, 0, 0, 0, 0, n} }

// site is a State that has one of each thing that a frame may meet with.
func site() *intent.State {
	s := intent.NewState()
	s.TunnelIP = netip.MustParseAddr("10.0.0.1")
	for _, name := range []string{"p0", "p1"} {
		s.Ports[name] = intent.Port{}
	}
	s.Switches[red] = intent.Switch{Name: "red", VNI: 33, Router: router}
	s.Switches[blue] = intent.Switch{Name: "blue", VNI: 44, Router: router}
	s.Bindings[intent.BindingKey{Port: "p0", VLAN: 100}] = intent.Binding{Switch: red}
	s.Bindings[intent.BindingKey{Port: "p1"}] = intent.Binding{Switch: red}
	s.Bindings[intent.BindingKey{Port: "p1", VLAN: 7}] = intent.Binding{Switch: blue}
	remote := intent.Tunnel{Peer: peer, VNI: 33}
	s.Decap.Set(remote, red)
	s.Unicast.Set(intent.MACKey{Switch: red, MAC: station(9)}, remote)
	s.Floods[intent.FloodKey{Switch: red}] = intent.FloodSet{remote}
	s.Routers[router] = intent.Router{Name: "lr0", MAC: intent.MAC{2, 0xff, 0, 0, 0, 1}}
	for id, net := range map[intent.SwitchID]string{red: "192.0.2.", blue: "198.51.100."} {
		ip := netip.MustParseAddr(net + "254")
		s.Interfaces[intent.IPKey{Switch: id, IP: ip}] = intent.Interface{Bits: 24}
		s.Routes[intent.RouteKey{Router: router, Prefix: netip.MustParsePrefix(net + "0/24")}] = intent.Route{Switch: id}
	}
	s.Neighbours[intent.IPKey{Switch: red, IP: netip.MustParseAddr("192.0.2.9")}] = station(9)
	acl := intent.ACLID{0xac}
	s.ACLs[acl] = intent.ACL{Name: "web", Ingress: []intent.ACLEntry{{ID: intent.ACLEntryID{1}, Sequence: 10, Deny: true,
		Fields: intent.ACLEtherType | intent.ACLProtocol | intent.ACLDstPorts, EtherType: intent.EtherTypeIPv4, Protocol: intent.ProtocolTCP, DstPorts: intent.PortRange{Min: 22, Max: 22}}}}
	s.Policies[intent.BindingKey{Port: "p0", VLAN: 100}] = intent.Policy{ACL: acl}
	return s
}

// one is a VTEP whose plane and database may differ.
type one struct {
	plane    plane.Tracer
	database *intent.State
}

func (o *one) expect(_ context.Context, entries []plane.Entry) (agent.Expected, error) {
	x := agent.Expected{Installed: plane.NewInstalled(), Rows: map[plane.Entry][]vtep.Row{}, Switches: map[intent.SwitchID]string{}, Routers: map[intent.RouterID]string{}}
	for _, e := range entries {
		x.Take(o.database, e)
	}
	for id, ls := range o.database.Switches {
		x.Switches[id] = ls.Name
	}
	for id, r := range o.database.Routers {
		x.Routers[id] = r.Name
	}
	return x, nil
}

func newOne(t *testing.T, edits ...func(*intent.State)) (*one, *memory.Fabric) {
	t.Helper()
	fabric := memory.New(memory.Options{})
	fabric.AddDevice("p0")
	fabric.AddDevice("p1")
	p := fabric.Open()
	s := site()
	for _, edit := range edits {
		edit(s)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	return &one{p, s}, fabric
}

func ask(t *testing.T, o *one, words string) Answer {
	t.Helper()
	var q Question
	if _, err := getopt.Parse(strings.Fields(words), q.Options()); err != nil {
		t.Fatal(err)
	}
	fr, err := q.Arriving()
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	a, err := Run(t.Context(), o.plane, o.expect, fr)
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	return a
}

// Each way that a frame may go, with what has to be said of it, and the reason where it ends.
func TestTrace(t *testing.T) {
	o, fabric := newOne(t)
	hello := append(append([]byte{}, 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 5, 0x81, 0, 0, 100, 0x88, 0xb5), make([]byte, 46)...)
	if _, why := fabric.FromPort("p0", hello); why != memory.Forwarded {
		t.Fatal(why)
	}
	const src = " --src=02:00:00:00:00:05"
	const toRouter = " --dst=02:ff:00:00:00:01 --src=02:00:00:00:00:05 --ip-src=192.0.2.5"
	for _, c := range []struct {
		ask  string
		drop string
		says []string
	}{
		{"--port=p0 --vlan=100 --dst=02:00:00:00:00:09" + src, "", []string{
			"binding of port p0 VLAN 100: Logical_Switch red", "its source is known here", "MAC 02:00:00:00:00:09 of Logical_Switch red is behind peer 10.0.0.2, VNI 33",
			"-> tunnel from 10.0.0.1 to 10.0.0.2, VNI 33: 60 bytes inside"}},
		{"--port=p1 --dst=02:00:00:00:00:05 --src=02:00:00:00:00:06", "", []string{
			"its source is not known yet: it would be learned here", "no row says that MAC 02:00:00:00:00:05", "is learned at port p0 VLAN 100", "-> port p0 with VLAN 100: 64 bytes"}},
		{"--port=p0 --vlan=100 --dst=02:00:00:00:00:33" + src, "", []string{
			"is not learned", "all bindings of Logical_Switch red: port p0 VLAN 100, port p1 untagged", "copies of unknown-dst in Logical_Switch red go to peer 10.0.0.2 with VNI 33",
			"-> port p1: 60 bytes", "-> tunnel"}},
		{"--port=p0 --vlan=101 --dst=02:00:00:00:00:09" + src, "unbound_vlan", []string{"in Physical_Port p0 an element of vlan_bindings for VLAN 101"}},
		{"--port=p9 --dst=02:00:00:00:00:09" + src, "no_port", []string{"a Physical_Port row named p9"}},
		{"--port=p0 --vlan=100 --dst=02:00:00:00:00:05 --src=02:00:00:00:00:05", "hairpin", nil},
		{"--port=p1 --vlan=7 --dst=02:00:00:00:00:09" + src, "no_destination", []string{"Mcast_Macs_Remote row of unknown-dst in Logical_Switch blue"}},
		{"--port=p0 --vlan=100 --dst=02:00:00:00:00:09 --ip=192.0.2.9 --protocol=tcp --dst-port=22" + src, "acl_ingress", []string{
			"ACL web of port p0 VLAN 100, ingress: the frame is denied by an entry: 10 deny"}},
		{"--port=p0 --vlan=100 --dst=02:00:00:00:00:09 --ip=192.0.2.9 --protocol=tcp --dst-port=23" + src, "", []string{"matches no entry: it may pass"}},

		{"--from=10.0.0.2 --vni=33 --dst=02:00:00:00:00:05 --src=02:00:00:00:00:09", "", []string{
			"what comes from peer 10.0.0.2 with VNI 33 enters Logical_Switch red", "-> port p0 with VLAN 100"}},
		{"--from=10.0.0.2 --vni=34 --dst=02:00:00:00:00:05 --src=02:00:00:00:00:09", "unknown_tunnel", []string{"whose Physical_Locator has dst_ip 10.0.0.2, and VNI 34"}},
		{"--from=10.0.0.2 --vni=33 --dst=02:00:00:00:00:09 --src=02:00:00:00:00:08", "split_horizon", []string{"is behind peer 10.0.0.2"}},

		{"--port=p1 --ip=192.0.2.9" + toRouter, "", []string{"Logical_Router lr0 has the route 192.0.2.0/24 to Logical_Switch red", "192.0.2.9 in Logical_Switch red is MAC 02:00:00:00:00:09", "a hop further", "-> tunnel"}},
		{"--port=p1 --ip=198.51.100.9" + toRouter, "no_neighbor", []string{"nobody in Logical_Switch blue is known to have 198.51.100.9", "row in Logical_Switch blue with ipaddr 198.51.100.9"}},
		{"--port=p1 --ip=203.0.113.9" + toRouter, "no_route", []string{"Logical_Router lr0 has no route to 203.0.113.9", "an element of static_routes"}},
		{"--port=p1 --ip=192.0.2.9 --ttl=1" + toRouter, "ttl_exceeded", []string{"-> port p1"}},
		{"--port=p1 --ip=192.0.2.254 --protocol=icmp" + toRouter, "", []string{"192.0.2.254 is an address of Logical_Router lr0 itself", "-> port p1"}},
		{"--port=p1 --arp=192.0.2.254 --ip-src=192.0.2.5" + src, "", []string{"the router answers for its address", "-> port p1"}},
	} {
		a := ask(t, o, c.ask)
		drop := ""
		if a.Drop != nil {
			drop = a.Drop.Reason
		}
		if drop != c.drop {
			t.Errorf("%s: dropped for %q, not %q", c.ask, drop, c.drop)
		}
		if len(a.Doubts) > 0 {
			t.Errorf("%s: doubts %v", c.ask, a.Doubts)
		}
		for _, words := range c.says {
			if !strings.Contains(a.String(), words) {
				t.Errorf("%s: %q is not said in\n%s", c.ask, words, a)
			}
		}
	}
	// Nothing of that was done.
	if got := fabric.Drops(); len(got) > 0 {
		t.Errorf("drops were counted: %v", got)
	}
	sightings, err := o.plane.(*memory.Plane).Sweep(t.Context())
	if err != nil || len(sightings) != 1 {
		t.Errorf("learned %v, %v", sightings, err)
	}
}

// What is installed decides, and what the database has otherwise is said.
func TestTraceDiffers(t *testing.T) {
	o, _ := newOne(t)
	o.database = site()
	o.database.Unicast.Delete(intent.MACKey{Switch: red, MAC: station(9)})
	o.database.Bindings[intent.BindingKey{Port: "p0", VLAN: 101}] = intent.Binding{Switch: red}
	a := ask(t, o, "--port=p0 --vlan=100 --dst=02:00:00:00:00:09 --src=02:00:00:00:00:05")
	if len(a.Copies) != 1 || a.Copies[0].Peer != "10.0.0.2" || len(a.Doubts) != 1 || !strings.Contains(a.String(), "installed is 10.0.0.2/33, the database says nothing") {
		t.Errorf("%+v\n%s", a.Doubts, a)
	}
	a = ask(t, o, "--port=p0 --vlan=101 --dst=02:00:00:00:00:09 --src=02:00:00:00:00:05")
	if a.Drop == nil || a.Drop.Reason != "unbound_vlan" || len(a.Doubts) != 1 || !strings.Contains(a.String(), "nothing is installed, the database says is in Logical_Switch red") {
		t.Errorf("%+v\n%s", a.Doubts, a)
	}
}

// Each reason has words here.
func TestReasons(t *testing.T) {
	for why, text := range texts {
		if text == "" || why == memory.Forwarded {
			t.Errorf("%q: %q", why, text)
		}
	}
}
