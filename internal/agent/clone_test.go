package agent_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// Two switches have the same tunnel IP by mistake. Nothing says whose rows are whose: neither
// may take away what the other puts there.
func TestSameTunnelIP(t *testing.T) {
	onBoth(t, func(r *rig) {
		a := r.start(newFabric("p0"), agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0"}})
		b := r.start(newFabric("q0"), agent.Options{Name: "br1", TunnelIP: "192.0.2.1", Ports: []string{"q0"}})
		r.ports(2)
		r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33", "--", "add-mcast-remote", "ls0", "unknown-dst", "192.0.2.2",
			"--", "add-ls", "ls1", "--", "set", "Logical_Switch", "ls1", "tunnel_key=34",
			"--", "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br1", "q0", "0", "ls1")
		a.forwards("p0", frame(0xff, 1), "192.0.2.2/33")
		testenv.Eventually(r, deadline, func() error {
			b.fabric.FromPort("q0", frame(0xff, 2))
			if n := r.view().Len(hwvtep.TableUcastMACLocal); n != 2 {
				return fmt.Errorf("%d local MACs", n)
			}
			return nil
		})
		before := a.replica.transactions.Load() + b.replica.transactions.Load()
		time.Sleep(time.Second)
		if n := a.replica.transactions.Load() + b.replica.transactions.Load() - before; n > 5 {
			r.Errorf("%d transactions while nothing happens", n)
		}
		r.ctl("unbind-ls", "br0", "p0", "0")
		testenv.Eventually(r, deadline, func() error {
			if n := r.view().Len(hwvtep.TableUcastMACLocal); n != 1 {
				return fmt.Errorf("%d local MACs after one is gone", n)
			}
			return nil
		})
		r.ctl("clear-remote-macs", "ls0", "--", "del-ls", "ls0")
		r.ctl("del-ps", "br1") // what it left behind is nobody's else now
		r.rows()
	})
}
