package agent_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// Of two switches that want one (peer, VNI) the first keeps it, also when the process restarts:
// else the peer's frames would change tenants.
func TestRestartKeepsContestedVNI(t *testing.T) {
	const pairs = 8 // by chance the rows alone give one to the right switch
	onBoth(t, func(r *rig) {
		opts := agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}}
		v := r.start(newFabric("p0", "p1"), opts)
		r.ports(2)
		add := func(side, port string) {
			var args []string
			for i := range pairs {
				ls := fmt.Sprint(side, i)
				args = append(args, "--", "add-ls", ls, "--", "set", "Logical_Switch", ls, fmt.Sprintf("tunnel_key=%d", 100+i),
					"--", "bind-ls", "br0", port, fmt.Sprint(i), ls, "--", "add-ucast-remote", ls, "02:00:00:00:00:21", "192.0.2.2")
			}
			r.ctl(args[1:]...)
		}
		owned := func(v *vtep, switches int) {
			r.Helper()
			testenv.Eventually(r, deadline, func() error {
				s := v.fabric.Installed()
				if len(s.Switches) != switches {
					return fmt.Errorf("%d switches", len(s.Switches))
				}
				for i := range pairs {
					id := s.Decap.At(intent.Tunnel{Peer: hwPeer, VNI: uint32(100 + i)})
					if got, want := s.Switches[id].Name, fmt.Sprint("a", i); got != want {
						return fmt.Errorf("VNI %d belongs to %q, not to %q", 100+i, got, want)
					}
				}
				return nil
			})
		}
		add("a", "p0")
		owned(v, pairs)
		add("b", "p1")
		owned(v, 2*pairs)
		v.stop()
		ready := make(chan struct{})
		opts.Ready = func() error { close(ready); return nil }
		w := r.start(v.fabric, opts)
		<-ready
		owned(w, 2*pairs)
	})
}

// While there is no process, a binding goes to another switch, and a host to another VTEP. The
// rows of these MACs are known to be wrong, and go at once; of others they stay.
func TestRestartWithdrawsMoved(t *testing.T) {
	onBoth(t, func(r *rig) {
		opts := agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1", "p2"}}
		v := r.start(newFabric("p0", "p1", "p2"), opts)
		r.ports(3)
		r.ctl("add-ls", "a", "--", "add-ls", "b", "--", "set", "Logical_Switch", "a", "tunnel_key=33",
			"--", "bind-ls", "br0", "p0", "0", "a", "--", "bind-ls", "br0", "p1", "0", "a", "--", "bind-ls", "br0", "p2", "0", "b")
		v.forwards("p0", frame(0xff, 1), "p1") // its port's binding will move
		v.forwards("p1", frame(0xff, 2), "p0") // stays
		v.forwards("p1", frame(0xff, 3), "p0") // moves to another VTEP
		rest := []string{"mcast a unknown-dst 192.0.2.1", "mcast b unknown-dst 192.0.2.1", "stats p0/0", "stats p1/0", "stats p2/0",
			"ucast a 02:00:00:00:00:02 192.0.2.1"}
		r.rows(append(rest, "ucast a 02:00:00:00:00:01 192.0.2.1", "ucast a 02:00:00:00:00:03 192.0.2.1")...)
		v.stop()

		r.ctl("unbind-ls", "br0", "p0", "0", "--", "bind-ls", "br0", "p0", "0", "b")
		r.ctl("add-ps", "br1", "--", "set", "Physical_Switch", "br1", "tunnel_ips=192.0.2.7")
		r.ctl("--", "--id=@l", "create", "Physical_Locator", "dst_ip=192.0.2.7", "encapsulation_type=vxlan_over_ipv4",
			"--", "create", "Ucast_Macs_Local", "MAC=\"02:00:00:00:00:03\"", "logical_switch="+r.uuid("a"), "locator=@l")
		w := r.start(v.fabric, opts)
		r.rows(append(rest, "ucast a 02:00:00:00:00:03 192.0.2.7", "tunnel br0 192.0.2.1-192.0.2.7")...)
		w.forwards("p1", frame(3, 2), "192.0.2.7/33")
		w.forwards("p0", frame(0xff, 1), "p2") // its host speaks in its new switch
		r.rows(append(rest, "ucast a 02:00:00:00:00:03 192.0.2.7", "tunnel br0 192.0.2.1-192.0.2.7", "ucast b 02:00:00:00:00:01 192.0.2.1")...)
	})
}

// While there is no process, a port's device goes, and another one comes: who was behind it may be anywhere. Its row goes at once, as it
// would have gone then. Of a dataplane that has not gone on nothing is known, and rows stand until they age.
func TestRestartWithdrawsForgotten(t *testing.T) {
	onBoth(t, func(r *rig) {
		opts := agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}}
		v := r.start(newFabric("p0", "p1"), opts)
		r.ports(2)
		r.ctl("add-ls", "a", "--", "set", "Logical_Switch", "a", "tunnel_key=33", "--", "bind-ls", "br0", "p0", "0", "a", "--", "bind-ls", "br0", "p1", "0", "a")
		v.forwards("p0", frame(0xff, 1), "p1")
		v.forwards("p1", frame(0xff, 2), "p0")
		rest := []string{"mcast a unknown-dst 192.0.2.1", "stats p0/0", "stats p1/0", "ucast a 02:00:00:00:00:02 192.0.2.1"}
		r.rows(append(rest, "ucast a 02:00:00:00:00:01 192.0.2.1")...)
		v.stop()

		v.fabric.RemoveDevice("p0")
		v.fabric.AddDevice("p0")
		w := r.start(v.fabric, opts)
		r.rows(rest...)
		w.forwards("p0", frame(2, 1), "p1")
		r.rows(append(rest, "ucast a 02:00:00:00:00:01 192.0.2.1")...) // or it would end before its host is told of
		w.stop()

		ready := make(chan struct{})
		opts.Ready = func() error { close(ready); return nil }
		x := r.start(newFabric("p0", "p1"), opts)
		<-ready
		x.forwards("p0", frame(0xff, 3), "p1")
		rest = append(rest, "ucast a 02:00:00:00:00:01 192.0.2.1", "ucast a 02:00:00:00:00:03 192.0.2.1")
		r.rows(rest...)
		x.stop() // while that one does not know who is there

		// A binding for which another VTEP is designated meanwhile has its hosts.
		r.ctl("set", "Physical_Port", "p0", `other_config:evpn_esi="03:00:00:00:00:00:01:00:00:01"`, "other_config:evpn_blocked=all")
		ready = make(chan struct{})
		y := r.start(x.fabric, opts)
		<-ready
		y.forwards("p0", frame(0xff, 4), "p1")
		r.rows(append(rest, "ucast a 02:00:00:00:00:04 192.0.2.1")...)

		// From one that was on standby nobody is lost, wherever it goes.
		r.ctl("set", "Physical_Port", "p0", "other_config:evpn_single_active=true")
		r.rows(rest...)
		y.stop()
		r.ctl("add-ls", "b", "--", "unbind-ls", "br0", "p0", "0", "--", "bind-ls", "br0", "p0", "0", "b")
		ready = make(chan struct{})
		z := r.start(y.fabric, opts)
		<-ready
		z.forwards("p1", frame(0xff, 5))
		r.rows(append(rest, "mcast b unknown-dst 192.0.2.1", "ucast a 02:00:00:00:00:05 192.0.2.1")...)
	})
}

// blindPlane can't say at first what is learned.
type blindPlane struct {
	*faultyPlane
	tried atomic.Bool
}

func (p *blindPlane) Sweep(ctx context.Context) ([]plane.Sighting, error) {
	if !p.tried.Swap(true) {
		return nil, errors.New("told to fail")
	}
	return p.faultyPlane.Sweep(ctx)
}

// A process that can't read at first what is learned withdraws nothing for that, and reads it again soon.
func TestRestartBlind(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		rows := append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")
		r.rows(rows...)
		v.stop()

		w := r.start(v.fabric, agent.Options{Name: "br0", Plane: &blindPlane{}})
		testenv.Eventually(r, deadline, func() error {
			if w.plane.sweeps.Load() == 0 {
				return errors.New("nothing is read again")
			}
			return nil
		})
		w.forwards("p1", tag(frame(0x21, 2), 100), "192.0.2.2/33")
		r.rows(append(rows, "ucast ls0 02:00:00:00:00:02 192.0.2.1")...)
	})
}

// While there is no process, an NVC places a host that was learned here behind a peer. Its row goes as it would have gone then, and
// comes back when the host is heard here. That of a host that had been heard here since stays, as before.
func TestRestartWithdrawsClaimed(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		local := func(n string) string { return "ucast ls0 02:00:00:00:00:0" + n + " 192.0.2.1" }
		for n := byte(1); n <= 4; n++ {
			v.forwards("p0", frame(0x21, n), "192.0.2.2/33")
		}
		v.forwards("p1", tag(frame(0x21, 9), 100), "192.0.2.2/33")
		r.rows(append(howtoRows, local("1"), local("2"), local("3"), local("4"), local("9"))...)
		rows := append(howtoRows, "tunnel br0 192.0.2.1-192.0.2.3")
		for _, n := range []string{"1", "2"} {
			r.ctl("add-ucast-remote", "ls0", "02:00:00:00:00:0"+n, "192.0.2.3")
		}
		r.rows(append(rows, local("3"), local("4"), local("9"))...)
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		v.forwards("p0", frame(0x21, 2), "192.0.2.2/33")
		r.rows(append(rows, local("1"), local("2"), local("3"), local("4"), local("9"))...)
		v.stop()

		r.ctl("add-ucast-remote", "ls0", "02:00:00:00:00:03", "192.0.2.3")
		r.ctl("del-ucast-remote", "ls0", "02:00:00:00:00:02", "--", "add-ucast-remote", "ls0", "02:00:00:00:00:02", "192.0.2.2")
		w := r.start(v.fabric, agent.Options{Name: "br0"})
		r.rows(append(rows, local("1"), local("4"), local("9"))...) // the second one went from one peer to another
		w.forwards("p1", tag(frame(3, 9), 100), "192.0.2.3/33")
		w.forwards("p0", frame(0x21, 3), "192.0.2.2/33")
		r.rows(append(rows, local("1"), local("3"), local("4"), local("9"))...)
	})
}

// uuid is that of a logical switch.
func (r *rig) uuid(ls string) string {
	for row := range r.view().LogicalSwitches() {
		if row.Name == ls {
			return row.UUID.String()
		}
	}
	r.Fatalf("no logical switch %s", ls)
	return ""
}
