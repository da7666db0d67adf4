package ovs

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/problem"
)

// Floods have as many copies as Open vSwitch can make, in messages that can be sent; who gets none is said.
func TestCopiesAreBounded(t *testing.T) {
	for _, c := range []struct {
		members, tunnels int
		guard            uint32
		reached          int
	}{
		{10, 3, 0, 10}, {5000, 0, 0, 3937}, {3000, 0, 7, 1312}, {3000, 1500, 0, 187}, {3000, 4000, 7, 62}, {100, 4000, 0, 100},
	} {
		s := newSite()
		ls := s.lswitch(red)
		ls.active, ls.name = true, "red"
		var set intent.FloodSet
		for n := range c.tunnels {
			set = append(set, intent.Tunnel{Peer: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), VNI: 5000})
		}
		ls.floods[intent.UnknownDst] = set
		l := &logical{ls: ls, egress: 1}
		for n := range c.members {
			at := intent.BindingKey{Port: fmt.Sprint("p", n)}
			s.bindings[at] = red
			l.members = append(l.members, patch{at: at, inner: uint32(n + 2), guard: c.guard})
		}
		for k, f := range l.flows() {
			message := openflow.Append(nil, 1, f.mod)
			if len(message) > 0xffff {
				t.Errorf("%+v: a flow of table %d has %d bytes", c, k.table, len(message))
			}
			lookUps := 0
			for _, a := range f.mod.Instructions.Actions() {
				if out, is := a.(openflow.OutputAction); is && out.Port > 1 {
					lookUps++
				}
				if _, is := a.(openflow.ResubmitAction); is {
					lookUps += 2
				}
			}
			if lookUps > maxLookUps {
				t.Errorf("%+v: a flow of table %d looks up %d times", c, k.table, lookUps)
			}
		}
		e := &engine{site: s, switches: map[intent.SwitchID]*logical{red: l}}
		all := e.unreached()
		if l.reached() != c.reached || len(all) != c.members-c.reached {
			t.Errorf("%+v: %d are reached, %d are not", c, l.reached(), len(all))
		}
		for _, err := range all {
			if problem.Of("", err, problem.Unsettled).Kind != problem.TableFull {
				t.Fatal(err)
			}
		}
		if err := e.tooManyTunnels(); (err != nil) != (c.tunnels > maxTunnels) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
