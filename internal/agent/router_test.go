package agent_test

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/testenv"
)

// A router knows the IP addresses of local hosts by what they say, of both families, before there was
// the router and after it; and a new process does.
func TestRouterKnowsLocalHosts(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	fabric := newFabric("p0", "p1")
	v := r.start(fabric, agent.Options{Name: "br0"})
	r.howto()
	knows := func(want map[string]byte) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			got := map[string]byte{}
			for key, mac := range fabric.Installed().Neighbours {
				got[key.IP.String()] = mac[5]
			}
			if !maps.Equal(got, want) {
				return fmt.Errorf("neighbours %v, want %v", got, want)
			}
			return nil
		})
	}
	v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
	v.forwards("p0", says(1, "198.51.100.1"), "192.0.2.2/33", "p1")
	v.forwards("p0", asks6(1, "2001:db8::1"), "192.0.2.2/33", "p1")
	r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1 says 2001:db8::1")...)
	knows(map[string]byte{})
	r.ctl("add-lr", "lr0", "--", "set", "Logical_Router", "lr0", "switch_binding:\"198.51.100.254/24\"="+strings.TrimSpace(r.ctl("get", "Logical_Switch", "ls0", "_uuid")))
	knows(map[string]byte{"198.51.100.1": 1, "2001:db8::1": 1})
	v.forwards("p0", frame(0xff, 2), "192.0.2.2/33", "p1")
	v.forwards("p0", says(2, "198.51.100.2"), "192.0.2.2/33", "p1")
	all := map[string]byte{"198.51.100.1": 1, "2001:db8::1": 1, "198.51.100.2": 2}
	knows(all)
	v.forwards("p0", says(1, "198.51.100.7"), "192.0.2.2/33", "p1")
	v.forwards("p0", says(2, "198.51.100.1"), "192.0.2.2/33", "p1")
	all = map[string]byte{"198.51.100.7": 1, "2001:db8::1": 1, "198.51.100.1": 2, "198.51.100.2": 2}
	knows(all)
	for _, host := range []byte{2, 1, 2, 1} { // to and fro, where neither says anything else meanwhile
		v.forwards("p0", says(host, "198.51.100.7"), "192.0.2.2/33", "p1")
		all["198.51.100.7"] = host
		knows(all)
	}
	v.stop()
	r.start(fabric, agent.Options{Name: "br0"})
	knows(all)
}

// asks6 is a question for another address by a host with a small number, which says its own by that.
func asks6(host byte, ip string) []byte {
	mac := packet.MAC{2, 0, 0, 0, 0, host}
	target := netip.MustParseAddr("2001:db8::99")
	group, to := packet.SolicitedNode(target)
	n := packet.ND{Type: packet.Solicitation, Src: netip.MustParseAddr(ip), Dst: group, Target: target, MAC: mac}
	return n.Frame(to, mac)
}
