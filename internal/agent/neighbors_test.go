package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// askingPlane keeps what the agent sends.
type askingPlane struct {
	*faultyPlane
	probes bool // asks hosts whether they are there
	mu     sync.Mutex
	sent   []sent
}

func (p *askingPlane) Features() plane.Features {
	f := p.faultyPlane.Features()
	f.Probe = p.probes
	return f
}

type sent struct {
	frame []byte
	to    plane.Destination
}

func (p *askingPlane) Send(_ context.Context, frame []byte, to plane.Destination) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, sent{bytes.Clone(frame), to})
	return nil
}

// find waits for a frame that was sent.
func (p *askingPlane) find(t *testing.T, what string, is func(sent) bool) (found sent) {
	t.Helper()
	testenv.Eventually(t, deadline, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, s := range p.sent {
			if is(s) {
				found = s
				return nil
			}
		}
		return fmt.Errorf("%s was not sent: %x", what, p.sent)
	})
	return found
}

// unrouted is a packet of host 1 to a router.
func unrouted(router packet.MAC, from, to netip.Addr) []byte {
	host := packet.MAC{2, 0, 0, 0, 0, 1}
	echo := packet.MAC{2, 0, 0, 0, 0, 9}
	if to.Is6() {
		n := packet.ND{Type: packet.Solicitation, Src: from, Dst: to, Target: to, MAC: echo}
		f := n.Frame(router, host)
		f[packet.HeaderLen+6], f[packet.HeaderLen+7] = 59, 64 // no next header
		return f
	}
	f := append(packet.Ethernet(router, host, packet.EtherIPv4), 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 99, 0, 0)
	f = append(append(append(f, from.AsSlice()...), to.AsSlice()...), "12345678"...)
	sum := packet.Fold(packet.Sum(0, f[packet.HeaderLen:packet.HeaderLen+20]))
	f[packet.HeaderLen+10], f[packet.HeaderLen+11] = byte(sum>>8), byte(sum)
	return f
}

// A host that has said nothing yet is asked for, and gets what has waited for its answer; who sends to
// one that does not answer is told.
func TestAskedNeighbors(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	p := &askingPlane{}
	v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}, Plane: p})
	r.ports(2)
	r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33", "--", "bind-ls", "br0", "p0", "0", "ls0",
		"--", "add-ls", "ls1", "--", "set", "Logical_Switch", "ls1", "tunnel_key=34", "--", "bind-ls", "br0", "p1", "0", "ls1",
		"--", "add-mcast-remote", "ls1", "unknown-dst", "192.0.2.2")
	id := func(ls string) string { return strings.TrimSpace(r.ctl("get", "Logical_Switch", ls, "_uuid")) }
	r.ctl("create", "Logical_Router", "name=lr0", "other_config:router_mac=02:00:00:00:aa:01", fmt.Sprintf(
		`switch_binding={"10.1.0.254/24"=%[1]s,"10.2.0.254/24"=%[2]s,"2001:db8:1::fe/64"=%[1]s,"2001:db8:2::fe/64"=%[2]s}`, id("ls0"), id("ls1")))
	router := packet.MAC{2, 0, 0, 0, 0xaa, 1}
	testenv.Eventually(t, deadline, func() error {
		if s := v.fabric.Installed(); len(s.Interfaces) != 4 || s.Decap.Len() == 0 {
			return fmt.Errorf("installed is\n%v", s)
		}
		return nil
	})
	v.fabric.FromPort("p0", says(1, "10.1.0.1"))
	hosts := [][4]netip.Addr{ // the sender, who is looked for, and the router there and here
		{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.2.0.7"), netip.MustParseAddr("10.2.0.254"), netip.MustParseAddr("10.1.0.254")},
		{netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:2::7"), netip.MustParseAddr("2001:db8:2::fe"), netip.MustParseAddr("2001:db8:1::fe")},
	}
	for _, h := range hosts {
		for _, behind := range []string{"p1", ""} {
			from, to := h[0], h[1]
			if behind == "" {
				to = to.Next()
			}
			mac := packet.MAC{2, 0, 0, 0, 7, to.AsSlice()[len(to.AsSlice())-1]}
			data := unrouted(router, from, to)
			v.fabric.FromPort("p0", data)
			q := p.find(t, "the question for "+to.String(), func(s sent) bool {
				if to.Is4() {
					a, ok := packet.ParseARP(s.frame[packet.HeaderLen:])
					return packet.EtherType(s.frame) == packet.EtherARP && ok && a.TargetIP == to && a.SenderIP == h[2]
				}
				return packet.IsND(s.frame) && packet.NDTarget(s.frame) == to
			})
			src := packet.MAC(v.fabric.Installed().ARPSource)
			if n, ok := packet.ParseND(q.frame); to.Is6() && (!ok || n.Src != packet.LinkLocal(src)) {
				t.Errorf("asked for %v by %+v: a host takes that for where its router is", to, n)
			}
			if packet.MAC(q.frame[6:]) != src || src == router || q.to.At.Port != "" || q.to.Tunnel.Peer.IsValid() {
				t.Errorf("asked for %v to %+v by\n%x", to, q.to, q.frame)
			}
			reply := packet.ARP{Op: packet.ARPReply, SenderMAC: mac, SenderIP: to, TargetMAC: src, TargetIP: h[2]}.Frame(src, mac)
			if to.Is6() {
				reply = packet.ND{Type: packet.Advertisement, Flags: packet.FlagSolicited, Src: to, Dst: packet.LinkLocal(src), Target: to, MAC: mac}.Frame(src, mac)
			}
			if behind == "" {
				v.fabric.FromTunnel(hwPeer, 34, reply)
			} else {
				v.fabric.FromPort(behind, reply)
			}
			want := packet.Routed(data, mac, router)
			p.find(t, "what waited for "+to.String(), func(s sent) bool { return bytes.Equal(s.frame, want) })
			if behind != "" { // by itself from now on
				v.forwards("p0", data, behind)
			} else {
				v.forwards("p0", data, "192.0.2.2/34", "p1")
			}
		}
		nobody := h[1].Next().Next()
		data := unrouted(router, h[0], nobody)
		v.fabric.FromPort("p0", data)
		want := packet.Error(data, packet.HostUnreachable, router, h[3], 0)
		p.find(t, "that nobody answers for "+nobody.String(), func(s sent) bool {
			return s.to.At.Port == "p0" && bytes.Equal(s.frame, want)
		})
	}
	testenv.Eventually(t, deadline, func() error { // those that have waited for nobody, and no others
		stats, err := p.Stats(t.Context())
		if err == nil && stats.Drops["no_neighbor"] != uint64(len(hosts)) {
			err = fmt.Errorf("dropped are %v", stats.Drops)
		}
		return err
	})
}

// What a router has found out by asking a new process goes on with: it stays when the rows that nobody has confirmed
// go.
func TestRestartKeepsAskedNeighbors(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	p := &askingPlane{}
	opts := agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0"}, Plane: p}
	v := r.start(newFabric("p0"), opts)
	r.ports(1)
	r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33", "--", "bind-ls", "br0", "p0", "0", "ls0",
		"--", "add-mcast-remote", "ls0", "unknown-dst", "192.0.2.2")
	r.ctl("create", "Logical_Router", "name=lr0", "other_config:router_mac=02:00:00:00:aa:01",
		`switch_binding:"10.1.0.254/24"=`+strings.TrimSpace(r.ctl("get", "Logical_Switch", "ls0", "_uuid")))
	router := packet.MAC{2, 0, 0, 0, 0xaa, 1}
	testenv.Eventually(t, deadline, func() error {
		if s := v.fabric.Installed(); len(s.Interfaces) != 1 || s.Decap.Len() == 0 {
			return fmt.Errorf("installed is\n%v", s)
		}
		return nil
	})
	to := netip.MustParseAddr("10.1.0.7")
	data := unrouted(router, netip.MustParseAddr("10.1.0.1"), to)
	v.fabric.FromPort("p0", data)
	p.find(t, "the question", func(s sent) bool { return packet.EtherType(s.frame) == packet.EtherARP })
	src, mac := packet.MAC(v.fabric.Installed().ARPSource), packet.MAC{2, 5: 7}
	v.fabric.FromTunnel(hwPeer, 33, packet.ARP{Op: packet.ARPReply, SenderMAC: mac, SenderIP: to, TargetMAC: src, TargetIP: netip.MustParseAddr("10.1.0.254")}.Frame(src, mac))
	v.forwards("p0", data, "192.0.2.2/33", "p0") // as frames of unknown MACs do
	listed := func(v *vtep, want string) {
		t.Helper()
		all, err := v.agent.Neighbors(t.Context(), "lr0")
		if got := regexp.MustCompile(`age \d+`).ReplaceAllString(all.String(), "age N"); err != nil || got != want {
			t.Errorf("neighbours are listed as\n%s%v, want\n%s", got, err, want)
		}
	}
	listed(v, "lr0 ls0 10.1.0.7 02:00:00:00:00:07 reachable age N\n")
	v.fabric.FromPort("p0", says(1, "10.1.0.1"))
	v.fabric.FromPort("p0", unrouted(router, netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.8")))
	p.find(t, "the second question", func(s sent) bool {
		a, ok := packet.ParseARP(s.frame[packet.HeaderLen:])
		return ok && a.TargetIP == netip.MustParseAddr("10.1.0.8")
	})
	listed(v, "lr0 ls0 10.1.0.1 02:00:00:00:00:01 host age N\nlr0 ls0 10.1.0.7 02:00:00:00:00:07 reachable age N\nlr0 ls0 10.1.0.8 - incomplete age N\n")
	routers, err := v.agent.Routers(t.Context(), "")
	if want := "router lr0 mac 02:00:00:00:aa:01\n  interface 10.1.0.254/24 in ls0\n  route 10.1.0.0/24 in ls0\n"; err != nil || routers.String() != want {
		t.Errorf("routers are listed as\n%v%v, want\n%s", routers, err, want)
	}
	if b, err := json.Marshal(routers); err != nil || !strings.Contains(string(b), `"interfaces":[{"prefix":"10.1.0.254/24","logical_switch":"ls0"}],"routes":[{"prefix":"10.1.0.0/24","logical_switch":"ls0"}]`) {
		t.Errorf("as data %s, %v", b, err)
	}
	for _, list := range []func(context.Context, string) error{
		func(ctx context.Context, name string) error { _, err := v.agent.Routers(ctx, name); return err },
		func(ctx context.Context, name string) error { _, err := v.agent.Neighbors(ctx, name); return err },
	} {
		if err := list(t.Context(), "lr9"); err == nil || !strings.Contains(err.Error(), "lr9") {
			t.Errorf("of a router that is not there: %v", err)
		}
	}
	v.stop()

	r.ctl("add-ucast-local", "ls0", "02:00:00:00:00:63", "192.0.2.1", "--", "set", "Physical_Switch", "br0", "other_config:mac_aging_time=1")
	opts.Plane = &askingPlane{}
	v = r.start(v.fabric, opts)
	testenv.Eventually(t, deadline, func() error {
		for row := range r.view().UcastMACsLocal() {
			if row.MAC == "02:00:00:00:00:63" {
				return fmt.Errorf("the row of an earlier process is there")
			}
		}
		return nil
	})
	if all, err := v.agent.Neighbors(t.Context(), ""); err != nil || !strings.Contains(all.String(), "lr0 ls0 10.1.0.7 02:00:00:00:00:07 stale age ") {
		t.Errorf("neighbours are listed as\n%s%v", all, err)
	}
}
