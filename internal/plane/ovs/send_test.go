package ovs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/planetest"
)

// What the agent sends gets where it is to, tagged and encapsulated as what hosts send, and is asked by ACLs.
func TestSend(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	defer p.Destroy(context.Background())
	red, id, router := intent.SwitchID{0xed}, intent.ACLID{1}, intent.RouterID{2}
	host, other, mine := intent.MAC{2, 5: 1}, intent.MAC{2, 5: 2}, intent.MAC{2, 5: 0xaa}
	peer := intent.Tunnel{Peer: planetest.Peers[0], VNI: 5000}
	p0, p1 := intent.BindingKey{Port: "p0"}, intent.BindingKey{Port: "p1", VLAN: 7}
	ip, gateway := netip.MustParseAddr("10.0.0.1"), netip.MustParsePrefix("10.0.0.254/24")
	s := intent.NewState()
	s.TunnelIP = planetest.TunnelIP
	s.Ports["p0"], s.Ports["p1"] = intent.Port{}, intent.Port{}
	s.Switches[red] = intent.Switch{Name: "red", VNI: 5000, Router: router}
	s.Bindings[p0], s.Bindings[p1] = intent.Binding{Switch: red}, intent.Binding{Switch: red}
	s.Floods[intent.FloodKey{Switch: red}] = intent.FloodSet{peer}
	s.Decap.Set(peer, red)
	s.ACLs[id] = intent.ACL{Egress: []intent.ACLEntry{{Deny: true, Fields: intent.ACLDstMAC, DstMAC: other}}}
	s.Policies[p0] = intent.Policy{ACL: id}
	s.Routers[router] = intent.Router{MAC: mine}
	s.Interfaces[intent.IPKey{Switch: red, IP: gateway.Addr()}] = intent.Interface{Bits: gateway.Bits(), ACL: id}
	s.Routes[intent.RouteKey{Router: router, Prefix: gateway.Masked()}] = intent.Route{Switch: red}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Apply(context.Background(), s, nil); err != nil || r.Tunnels != nil || len(r.Ports) > 0 {
		t.Fatalf("%v, %+v", err, r)
	}
	for _, c := range []struct {
		dst  intent.MAC
		to   plane.Destination
		want []string // where it comes out
	}{
		{host, plane.Destination{Switch: red, At: p0}, []string{"p0"}},
		{host, plane.Destination{Switch: red, At: p1}, []string{"p1 tagged"}},
		{other, plane.Destination{Switch: red, At: p0}, nil},
		{host, plane.Destination{Switch: red, Tunnel: peer}, []string{"tunnel"}},
		{host, plane.Destination{Switch: red}, []string{"p0", "p1 tagged", "tunnel"}},
		{other, plane.Destination{Switch: red, Except: p1}, []string{"tunnel"}},
		{host, plane.Destination{Switch: red, Hop: ip}, []string{"p0", "p1 tagged", "tunnel"}},
		{other, plane.Destination{Switch: red, Hop: ip}, nil},
	} {
		w.collect(t)
		frame := slices.Concat(c.dst[:], mine[:], []byte{0x08, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 254, 10, 0, 0, 1, 0, 1, 0, 2, 0, 20, 0, 0}, []byte("sent by us.."))
		if err := p.Send(context.Background(), frame, c.to); err != nil {
			t.Fatalf("%+v: %v", c.to, err)
		}
		var got []string
		for end := time.Now().Add(longest); len(got) < len(c.want) && time.Now().Before(end); time.Sleep(time.Millisecond) {
			got = append(got, w.sentByUs(t)...)
		}
		w.forwarded(t)
		got = append(got, w.sentByUs(t)...)
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%v to %+v: came out at %q, want %q", c.dst, c.to, got, c.want)
		}
	}
	if err := p.Send(context.Background(), make([]byte, 60), plane.Destination{Switch: red, At: intent.BindingKey{Port: "p2"}}); !errors.Is(err, errNowhere) {
		t.Errorf("to a binding that there is not: %v", err)
	}
	stats, err := p.Stats(context.Background())
	if err != nil || stats.Drops["acl_egress"] != 3 {
		t.Errorf("%v, %v", stats.Drops, err)
	}
	if err := p.Destroy(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := w.Ofctl(t, "dump-flows", w.Socket("br0.mgmt"), fmt.Sprintf("cookie=%#x/%#x", cookieBase, cookieMask)); strings.Contains(left, "table=") {
		t.Errorf("left are\n%s", left)
	}
}

// sentByUs says where frames have come out that Send has sent.
func (w *world) sentByUs(t *testing.T) (at []string) {
	for _, o := range w.collect(t) {
		where := o.Port
		switch {
		case !bytes.Contains(o.Frame, []byte("sent by us..")):
			continue
		case where == "":
			where = "tunnel"
		case o.Frame[12] == 0x81:
			where += " tagged"
		}
		at = append(at, where)
	}
	return at
}
