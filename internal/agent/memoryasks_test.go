package agent_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/neighbor"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/testenv"
)

// The plane in memory asks, too: what waits for an answer goes on in its order, no more of it than there is room for; the
// sender of what nobody answers for is told.
func TestMemoryPlaneAsks(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	var mu sync.Mutex
	var left []memory.Out
	f := memory.New(memory.Options{Sent: func(outs []memory.Out) {
		mu.Lock()
		defer mu.Unlock()
		left = append(left, outs...)
	}})
	f.AddDevice("p0")
	f.AddDevice("p1")
	at := func(port string, is func([]byte) bool) (all [][]byte) {
		mu.Lock()
		defer mu.Unlock()
		for _, o := range left {
			if o.Port == port && is(o.Frame) {
				all = append(all, o.Frame)
			}
		}
		return all
	}
	v := r.start(f, agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}})
	r.ports(2)
	r.ctl("add-ls", "ls0", "--", "bind-ls", "br0", "p0", "0", "ls0", "--", "add-ls", "ls1", "--", "bind-ls", "br0", "p1", "0", "ls1")
	id := func(ls string) string { return strings.TrimSpace(r.ctl("get", "Logical_Switch", ls, "_uuid")) }
	r.ctl("create", "Logical_Router", "name=lr0", "other_config:router_mac=02:00:00:00:aa:01", fmt.Sprintf(
		`switch_binding={"10.1.0.254/24"=%s,"10.2.0.254/24"=%s}`, id("ls0"), id("ls1")))
	testenv.Eventually(t, deadline, func() error {
		if s := f.Installed(); len(s.Interfaces) != 2 || len(s.Bindings) != 2 {
			return fmt.Errorf("installed is\n%v", s)
		}
		return nil
	})
	router, mac := packet.MAC{2, 0, 0, 0, 0xaa, 1}, packet.MAC{2, 0, 0, 0, 7, 7}
	from, to, nobody := netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.2.0.7"), netip.MustParseAddr("10.2.0.9")
	f.FromPort("p0", says(1, from.String()))
	packets := make([][]byte, neighbor.QueuePackets+2)
	for i := range packets {
		packets[i] = append(unrouted(router, from, to), byte(i)) // what is behind the packet is of no account
		f.FromPort("p0", packets[i])
	}
	questions := func(ip netip.Addr) func([]byte) bool {
		return func(b []byte) bool {
			a, ok := packet.ParseARP(b[packet.HeaderLen:])
			return packet.EtherType(b) == packet.EtherARP && ok && a.Op == packet.ARPRequest && a.TargetIP == ip
		}
	}
	testenv.Eventually(t, deadline, func() error {
		if stats, err := v.plane.Stats(t.Context()); err != nil || stats.Drops["no_neighbor"] != 2 || len(at("p1", questions(to))) == 0 {
			return fmt.Errorf("dropped are %v, %v; asked was %x", stats.Drops, err, at("p1", questions(to)))
		}
		return nil
	})
	src := packet.MAC(f.Installed().ARPSource)
	q := at("p1", questions(to))[0]
	a, _ := packet.ParseARP(q[packet.HeaderLen:])
	if packet.MAC(q[6:]) != src || a.SenderMAC != src || src == router {
		t.Errorf("the question comes from %v, as of %v; the VTEP asks by %v", packet.MAC(q[6:]), a.SenderMAC, src)
	}
	f.FromPort("p1", packet.ARP{Op: packet.ARPReply, SenderMAC: mac, SenderIP: to, TargetMAC: src, TargetIP: a.SenderIP}.Frame(src, mac))
	var want [][]byte
	for _, p := range packets[2:] {
		want = append(want, packet.Routed(p, mac, router))
	}
	testenv.Eventually(t, deadline, func() error {
		got := at("p1", func(b []byte) bool { return packet.EtherType(b) == packet.EtherIPv4 })
		if len(got) < len(want) {
			return fmt.Errorf("%d of %d have come", len(got), len(want))
		}
		for i := range got {
			if len(got) > len(want) || !bytes.Equal(got[i], want[i]) {
				t.Fatalf("got\n%x\nwant\n%x", got, want)
			}
		}
		return nil
	})
	v.forwards("p0", packets[0], "p1") // by itself from now on

	lost := unrouted(router, from, nobody)
	f.FromPort("p0", lost)
	answer := packet.Error(lost, packet.HostUnreachable, router, netip.MustParseAddr("10.1.0.254"), 0)
	testenv.Eventually(t, deadline, func() error {
		if n := len(at("p1", questions(nobody))); n != neighbor.MaxSolicit || len(at("p0", func(b []byte) bool { return bytes.Equal(b, answer) })) != 1 {
			return fmt.Errorf("asked %d times, and the sender is not told", n)
		}
		stats, err := v.plane.Stats(t.Context())
		if err == nil && stats.Drops["no_neighbor"] != 3 {
			err = fmt.Errorf("dropped are %v", stats.Drops)
		}
		return err
	})
}
