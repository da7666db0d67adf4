package vtep

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

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
