package agent_test

import (
	"context"
	"testing"

	"github.com/vtep/vtep/internal/agent"
)

// A VTEP that is taken down leaves no rows that lead others to it, and leaves alone what is
// not its own.
func TestWithdraw(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
		// Another switch of this database floods in the same network.
		r.ctl("add-ps", "br1", "--", "set", "Physical_Switch", "br1", "tunnel_ips=192.0.2.9",
			"--", "add-mcast-local", "ls0", "unknown-dst", "192.0.2.9", "--", "add-ucast-local", "ls0", "02:00:00:00:00:99", "192.0.2.9")
		v.stop()
		if err := v.agent.Withdraw(context.Background()); err != nil {
			r.Fatal(err)
		}
		r.rows("mcast ls0 unknown-dst 192.0.2.9", "ucast ls0 02:00:00:00:00:99 192.0.2.9", "stats p0/0", "stats p1/100")
	})
}
