package ovs

import (
	"fmt"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// A flood is a flow with an action or more for each copy, and can't have any number of them: a message of OpenFlow has
// 65,535 bytes, and Open vSwitch (seen, 3.1.0) drops a frame that has been looked up 4,096 times, with all its copies. So
// what is too much gets no copies, and that is reported.
const (
	maxLookUps = 4000  // of members and their ACLs: the way there takes some
	maxActions = 63000 // bytes: a packet that is sent has room beside
	maxTunnels = 1500

	bytesToPort   = 16 // of the actions for a member
	bytesToACL    = 48 // for one with an ACL
	bytesToTunnel = 40
)

// reached returns how many of the members floods get to.
func (l *logical) reached() int {
	tunnels := 0
	for _, set := range l.ls.floods {
		tunnels = max(tunnels, min(len(set), maxTunnels))
	}
	lookUps, bytes := 0, tunnels*bytesToTunnel
	for i := range l.members {
		if !l.members[i].isFlooded() {
			continue
		}
		lookUps, bytes = lookUps+1, bytes+bytesToPort
		if l.members[i].guard != 0 {
			lookUps, bytes = lookUps+1, bytes+bytesToACL-bytesToPort
		}
		if lookUps > maxLookUps || bytes > maxActions {
			return i
		}
	}
	return len(l.members)
}

// unreached lists the bindings that floods do not get to.
func (e *engine) unreached() map[intent.BindingKey]error {
	all := map[intent.BindingKey]error{}
	for _, l := range e.switches {
		n := l.reached()
		for _, m := range l.members[n:] {
			if !m.isFlooded() {
				continue
			}
			all[m.at] = trouble(problem.TableFull, "divide the logical switch, or take fewer ACLs", fmt.Errorf("floods do not reach it: the switch has more than the %d bindings that Open vSwitch makes copies for", n))
		}
	}
	return all
}

// tooManyTunnels says whether a set of tunnels is larger than what there can be copies for.
func (e *engine) tooManyTunnels() error {
	for _, ls := range e.site.switches {
		for _, set := range ls.floods {
			if len(set) > maxTunnels {
				return trouble(problem.TableFull, "use a service node", fmt.Errorf("switch %q floods to %d tunnels, and Open vSwitch makes copies for %d", ls.name, len(set), maxTunnels))
			}
		}
	}
	return nil
}
