package agent_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testenv"
)

// Hosts stay where they are when another VTEP becomes the designated one for their binding, and when it is no more: the plane
// knows them still, and does not tell of them again. By a binding that goes on standby nothing gets to them.
func TestRolesKeepLearned(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}})
	r.ports(2)
	r.ctl("add-ls", "a", "--", "set", "Logical_Switch", "a", "tunnel_key=33", "--", "bind-ls", "br0", "p0", "0", "a", "--", "bind-ls", "br0", "p1", "0", "a")
	local := func(n byte) string { return fmt.Sprintf("ucast a 02:00:00:00:00:0%d 192.0.2.1", n) }
	rest := []string{"mcast a unknown-dst 192.0.2.1", "stats p0/0", "stats p1/0"}
	rows := func(more ...string) {
		t.Helper()
		r.rows(slices.Concat(rest, more)...)
	}
	v.forwards("p0", frame(0xff, 1), "p1")
	rest = append(rest, local(2))
	v.forwards("p1", frame(0xff, 2), "p0")
	rows(local(1))

	becomes := func(role intent.Role, n byte) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			if b := v.fabric.Installed().Bindings[intent.BindingKey{Port: "p0"}]; b.Role != role {
				return fmt.Errorf("p0 is %v", b.Role)
			}
			return nil
		})
		v.fabric.FromPort("p1", frame(0xff, n)) // its row comes after what the change does to rows
		rest = append(rest, local(n))
	}
	r.ctl("set", "Physical_Port", "p0", `other_config:evpn_esi="03:00:00:00:00:00:01:00:00:01"`, "other_config:evpn_blocked=all")
	becomes(intent.NotDesignated, 3)
	rows(local(1))
	r.ctl("remove", "Physical_Port", "p0", "other_config", "evpn_blocked")
	becomes(intent.Designated, 4)
	rows(local(1))
	r.ctl("set", "Physical_Port", "p0", "other_config:evpn_single_active=true", "other_config:evpn_blocked=all")
	becomes(intent.Standby, 5)
	rows()
	r.ctl("remove", "Physical_Port", "p0", "other_config", "evpn_blocked")
	becomes(intent.Designated, 6)
	v.forwards("p0", frame(0xff, 1), "p1")
	rows(local(1))
}
