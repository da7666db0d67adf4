package vtep

import (
	"testing"

	"github.com/vtep/vtep/internal/plane"
)

// A tunnel IP that this switch has taken from another one, whose Tunnel rows still begin at it, is not
// an address that frames come from.
func TestOwnIPAmongSiblings(t *testing.T) {
	b, c := newBook(), NewCompiler("br0", plane.Features{})
	b.edit(t, `
		Physical_Locator old dst_ip=192.0.2.4
		Physical_Locator peer dst_ip=192.0.2.2
		Tunnel tunnel local=old remote=peer
		Physical_Switch other name=br1 tunnel_ips=192.0.2.2 tunnels=tunnel
		Physical_Port port name=p0 vlan_bindings=0:LS
		Physical_Switch own name=br0 tunnel_ips=192.0.2.4 ports=port
		Logical_Switch LS name=ls0 tunnel_key=33
		Ucast_Macs_Remote mac MAC=02:00:00:00:00:21 logical_switch=LS locator=peer
	`)
	changes := b.rows.Changes()
	c.Update(b.rows.View(), &changes)
	if err := c.State().Check(); err != nil {
		t.Fatalf("%v in\n%v", err, c.State())
	}
	if n := c.State().Decap.Len(); n != 1 {
		t.Errorf("%d peers are accepted, want 192.0.2.2 alone", n)
	}
}
