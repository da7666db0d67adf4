package vtep

import (
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// A switch and a locator that go with the MACs that named them last, and come back under the same UUIDs, are not those that
// were there before.
func TestRowsComeBack(t *testing.T) {
	const (
		unbound = "Physical_Port P0 name=p0"
		bound   = unbound + " vlan_bindings=1:LS0\n"
		rows    = "Logical_Switch LS0 name=ls0 tunnel_key=5000\nPhysical_Locator L0 dst_ip=198.51.100."
		mac     = "\nUcast_Macs_Remote M0 MAC=02:00:00:00:00:01 logical_switch=LS0 locator=L0"
	)
	b, c := newBook(), NewCompiler("br0", plane.Features{})
	b.edit(t, "Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0\n"+unbound)
	b.rows.Changes()
	c.Update(b.rows.View(), nil)
	for _, number := range []string{"1", "2", "3"} {
		for _, text := range []string{bound + rows + number + mac, "delete M0\ndelete L0", rows + number + mac, "delete M0\ndelete L0\ndelete LS0\n" + unbound} {
			b.edit(t, text)
			ch := b.rows.Changes()
			c.Update(b.rows.View(), &ch)
			whole := NewCompiler("br0", plane.Features{})
			whole.Load(b.rows.View())
			if d := intent.Diff(whole.State(), c.State()); !d.Empty() {
				t.Fatalf("after %q: %v", text, d)
			}
		}
	}
}
