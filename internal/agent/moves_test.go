package agent_test

import (
	"errors"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// A host moves between two switches of a database, to and fro. Both must agree each time on
// where it is, long before its old entry would age.
func TestMoveBetweenSwitches(t *testing.T) {
	onBoth(t, func(r *rig) {
		a := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}})
		b := r.start(newFabric("q0"), agent.Options{Name: "br1", TunnelIP: "192.0.2.2", Ports: []string{"q0"}})
		r.ports(3)
		r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33",
			"--", "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br0", "p1", "0", "ls0", "--", "bind-ls", "br1", "q0", "0", "ls0")
		rest := []string{"mcast ls0 unknown-dst 192.0.2.1 192.0.2.2", "stats p0/0", "stats p1/0", "stats q0/0",
			"tunnel br0 192.0.2.1-192.0.2.2", "tunnel br1 192.0.2.2-192.0.2.1", "ucast ls0 02:00:00:00:00:02 192.0.2.1"}
		a.forwards("p1", frame(0xff, 2), "192.0.2.2/33", "p0") // host 2 stays at p1
		for range 2 {
			b.forwards("q0", frame(2, 1), "192.0.2.1/33") // host 1 is at q0
			r.rows(append(rest, "ucast ls0 02:00:00:00:00:01 192.0.2.2")...)
			a.forwards("p1", frame(1, 2), "192.0.2.2/33")

			a.forwards("p0", frame(2, 1), "p1") // it moves to p0
			r.rows(append(rest, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
			a.forwards("p1", frame(1, 2), "p0")
			if got := outs(a.fabric.FromTunnel(hwPeer, 33, frame(1, 9))); len(got) != 1 || got[0] != "p0" {
				r.Errorf("from br1 to %q", got)
			}
		}
	})
}

// Two hosts with one address: the rows must not follow each frame.
func TestSameAddressTwice(t *testing.T) {
	onBoth(t, func(r *rig) {
		a := r.start(newFabric("p0"), agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0"}})
		b := r.start(newFabric("q0"), agent.Options{Name: "br1", TunnelIP: "192.0.2.2", Ports: []string{"q0"}})
		r.ports(2)
		r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33",
			"--", "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br1", "q0", "0", "ls0")
		a.forwards("p0", frame(0xff, 1), "192.0.2.2/33")
		b.forwards("q0", frame(0xff, 1), "192.0.2.1/33")
		both := func() error {
			if n := r.view().Len(hwvtep.TableUcastMACLocal); n != 2 {
				return errors.New("one of them has it now")
			}
			return nil
		}
		send := func() {
			a.fabric.FromPort("p0", frame(0xff, 1))
			b.fabric.FromPort("q0", frame(0xff, 1))
		}
		testenv.Eventually(r, deadline, func() error { send(); return both() }) // each has given up once
		before := a.replica.transactions.Load() + b.replica.transactions.Load()
		start := time.Now()
		for range 200 {
			send()
			time.Sleep(5 * time.Millisecond)
		}
		// An address is given up once in five seconds, which a slow machine may pass several times.
		most := 20 * (1 + int64(time.Since(start)/(5*time.Second)))
		if n := a.replica.transactions.Load() + b.replica.transactions.Load() - before; n > most {
			r.Errorf("%d transactions for 400 frames, should be at most %d", n, most)
		}
	})
}
