package vtep

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// serviceNodes has n switches in service_node mode, each with the same three members.
func serviceNodes(t *testing.T, n int) (*book, *Compiler) {
	b, c := newBook(), NewCompiler("br0", plane.Features{BFD: true})
	var text strings.Builder
	bindings := make([]string, n)
	for i := range n {
		fmt.Fprintf(&text, "Logical_Switch LS%d name=ls%d tunnel_key=%d\n", i, i, 100+i)
		fmt.Fprintf(&text, "Mcast_Macs_Remote M%d MAC=unknown-dst logical_switch=LS%d locator_set=S\n", i, i)
		bindings[i] = fmt.Sprintf("%d:LS%d", i+1, i)
	}
	for i := 2; i <= 4; i++ {
		fmt.Fprintf(&text, "Physical_Locator L%d dst_ip=192.0.2.%d\n", i, i)
	}
	text.WriteString("Physical_Locator_Set S locators=L2,L3,L4\n")
	text.WriteString("Physical_Port P0 name=p0 vlan_bindings=" + strings.Join(bindings, ",") + "\n")
	text.WriteString("Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0\n")
	b.edit(t, text.String())
	b.rows.Changes()
	c.Update(b.rows.View(), nil)
	return b, c
}

// chosen says which peer each switch has chosen, and how often each is.
func chosen(t *testing.T, c *Compiler) (byLS map[intent.SwitchID]netip.Addr, count map[netip.Addr]int) {
	byLS, count = map[intent.SwitchID]netip.Addr{}, map[netip.Addr]int{}
	for key, set := range c.State().Floods {
		if len(set) != 1 {
			t.Fatalf("%v floods to %v", key, set)
		}
		byLS[key.Switch] = set[0].Peer
		count[set[0].Peer]++
	}
	return byLS, count
}

func TestServiceNode(t *testing.T) {
	const n = 300
	_, c := serviceNodes(t, n)
	first, count := chosen(t, c)
	two, three, four := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("192.0.2.4")
	for _, ip := range []netip.Addr{two, three, four} {
		if count[ip] < n/6 {
			t.Errorf("%v is chosen by %d of %d switches", ip, count[ip], n)
		}
	}

	// One fails: its switches go elsewhere at once, the others stay where they are.
	c.SetLiveness(two, NotForwarding)
	c.Refresh()
	failed, count := chosen(t, c)
	if count[two] != 0 {
		t.Errorf("%d switches choose a member that does not forward", count[two])
	}
	for id, ip := range first {
		if ip != two && failed[id] != ip {
			t.Errorf("%v went from %v to %v for nothing", id, ip, failed[id])
		}
	}
	// It comes back, no better than the others: nobody moves.
	c.SetLiveness(two, Unmonitored)
	if d := c.Refresh(); !d.Empty() {
		t.Errorf("choices are not sticky: %v", d)
	}
	// BFD sees one of them forwarding: it is better than those without BFD.
	c.SetLiveness(two, Forwarding)
	c.Refresh()
	if _, count := chosen(t, c); count[two] != n {
		t.Errorf("%d of %d switches choose the member that is known to forward", count[two], n)
	}
	// All fail: the copy goes to one of them all the same.
	for _, ip := range []netip.Addr{two, three, four} {
		c.SetLiveness(ip, NotForwarding)
	}
	c.Refresh()
	chosen(t, c)
}

// A peer whose session comes and goes is left at once each time, but from the second time on it is
// not preferred again until it has stood for a while, for longer each time.
func TestServiceNodeDamping(t *testing.T) {
	const n = 20
	b, c := serviceNodes(t, n)
	two, three := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	b.edit(t, "Physical_Locator L1 dst_ip=192.0.2.1\nTunnel T2 local=L1 remote=L2 bfd_params=enable:true\nTunnel T3 local=L1 remote=L3 bfd_params=enable:true\n"+
		"Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0 tunnels=T2,T3\n")
	ch := b.rows.Changes()
	c.Update(b.rows.View(), &ch)
	now := time.Unix(1e9, 0)
	say := func(peer netip.Addr, forwarding bool) {
		t.Helper()
		c.UpdatePeer(now, peer, plane.PeerState{State: "any", Forwarding: forwarding})
		c.Refresh()
	}
	chooses := func(what string, want int) {
		t.Helper()
		if _, count := chosen(t, c); count[two] != want {
			t.Fatalf("%s: %d of %d switches choose it", what, count[two], n)
		}
	}
	say(three, false) // it never was up
	say(two, false)
	say(two, true)
	chooses("it is up", n)
	for i, pause := range []time.Duration{0, 4, 8, 16, 32, 60, 60} {
		now = now.Add(time.Second)
		say(two, false)
		chooses("it failed", 0)
		now = now.Add(time.Second)
		say(two, true)
		if pause *= time.Second; pause > 0 {
			chooses("it is back", 0)
			if at := c.Recovery(); !at.Equal(now.Add(pause)) {
				t.Fatalf("failure %d: it recovers in %v, not %v", i, at.Sub(now), pause)
			}
			now = now.Add(pause - 1)
			c.Recover(now)
			c.Refresh()
			say(two, true) // no news
			chooses("it has almost recovered", 0)
			now = now.Add(1)
			c.Recover(now)
			c.Refresh()
		}
		chooses("it has recovered", n)
		if at := c.Recovery(); !at.IsZero() {
			t.Fatalf("failure %d: somebody else recovers at %v", i, at)
		}
	}
	// It fails while it recovers.
	say(two, false)
	say(two, true)
	say(two, false)
	if at := c.Recovery(); !at.IsZero() {
		t.Fatal("a dead peer recovers")
	}
	// Better one that comes and goes than a dead one.
	four := netip.MustParseAddr("192.0.2.4")
	c.SetLiveness(four, NotForwarding)
	say(two, true)
	chooses("the others are dead", n)
	c.SetLiveness(four, Unmonitored)
	// After a long time it is as new.
	now = now.Add(2 * mostRecovery)
	c.Recover(now)
	now = now.Add(calm)
	say(two, false)
	say(two, true)
	chooses("it failed once in a long time", n)
	// Nobody watches it any more.
	b.edit(t, "Tunnel T2 local=L1 remote=L2\n")
	ch = b.rows.Changes()
	c.Update(b.rows.View(), &ch)
	c.UpdateSessions(now, &plane.Report{})
	if len(c.damping) != 0 {
		t.Fatalf("kept is %v", c.damping)
	}
}

// In source_node mode dead members stay, unless they are to be left out; all, if all are dead.
func TestPruneByBFD(t *testing.T) {
	b, c := serviceNodes(t, 1)
	two, three, four := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("192.0.2.4")
	edit := func(text string) {
		t.Helper()
		b.edit(t, text)
		ch := b.rows.Changes()
		c.Update(b.rows.View(), &ch)
	}
	floods := func(what string, want ...netip.Addr) {
		t.Helper()
		c.Refresh()
		var got []netip.Addr
		for _, set := range c.State().Floods {
			for _, tunnel := range set {
				got = append(got, tunnel.Peer)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: copies go to %v, want %v", what, got, want)
		}
	}
	const ls = "Logical_Switch LS0 name=ls0 tunnel_key=100 replication_mode=source_node"
	edit(ls)
	c.SetLiveness(three, NotForwarding)
	c.SetLiveness(two, Forwarding)
	floods("by default", two, three, four)
	edit(ls + " other_config=prune_by_bfd:true")
	floods("of the switch", two, four)
	c.SetLiveness(three, Recovering)
	floods("one comes and goes", two, three, four)
	c.SetLiveness(three, NotForwarding)
	c.SetLiveness(two, NotForwarding)
	floods("one is not watched", four)
	c.SetLiveness(four, NotForwarding)
	floods("all are dead", two, three, four)
	c.SetLiveness(three, Forwarding)
	floods("one lives", three)
	edit(ls)
	floods("no more", two, three, four)
	const ps = "Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0 other_config=prune_by_bfd:"
	edit(ps + "true")
	floods("of all switches", three)
	edit(ls + " other_config=prune_by_bfd:false")
	floods("of all but this one", two, three, four)
	edit(ls)
	edit(ps + "maybe")
	floods("what can't be read", two, three, four)
}
