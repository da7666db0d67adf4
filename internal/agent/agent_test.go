package agent_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// howto is what an NVC and an operator do with vtep-ctl, step by step.
func (r *rig) howto() {
	r.ctl("add-ps", "br0")
	r.ctl("set", "Physical_Switch", "br0", "tunnel_ips=192.0.2.1")
	r.ctl("add-port", "br0", "p0", "--", "add-port", "br0", "p1")
	r.ctl("add-ls", "ls0")
	r.ctl("set", "Logical_Switch", "ls0", "tunnel_key=33")
	r.ctl("bind-ls", "br0", "p0", "0", "ls0")
	r.ctl("bind-ls", "br0", "p1", "100", "ls0")
	r.ctl("add-mcast-remote", "ls0", "unknown-dst", "192.0.2.2")
	r.ctl("add-ucast-remote", "ls0", "02:00:00:00:00:21", "192.0.2.2")
}

var howtoRows = []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0", "stats p1/100", "tunnel br0 192.0.2.1-192.0.2.2"}

func TestHowto(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
		if got := r.ctl("list-local-macs", "ls0"); !strings.Contains(got, "02:00:00:00:00:01 -> vxlan_over_ipv4/192.0.2.1") {
			r.Errorf("list-local-macs: %s", got)
		}
		if got := outs(v.fabric.FromTunnel(hwPeer, 33, frame(1, 0x21))); !slices.Equal(got, []string{"p0"}) {
			r.Errorf("from the peer to %q", got)
		}
		// Another peer, and source replication.
		r.ctl("add-mcast-remote", "ls0", "unknown-dst", "192.0.2.3")
		r.ctl("set-replication-mode", "ls0", "source_node")
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "192.0.2.3/33", "p1")
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1", "tunnel br0 192.0.2.1-192.0.2.3")...)

		// The NVC can delete the switch once it is unbound.
		r.ctl("unbind-ls", "br0", "p0", "0", "--", "unbind-ls", "br0", "p1", "100")
		r.ctl("clear-remote-macs", "ls0")
		r.rows()
		r.ctl("del-ls", "ls0")
	})
}

// The rows that the command line asks for are made, and not again.
func TestBootstrap(t *testing.T) {
	onBoth(t, func(r *rig) {
		opts := agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0"}}
		for range 2 {
			ready := make(chan struct{})
			opts.Ready = func() error {
				close(ready)
				return nil
			}
			v := r.start(newFabric("p0"), opts)
			select {
			case <-ready:
			case <-time.After(deadline):
				r.Fatal("not ready")
			}
			if _, ok := v.fabric.Installed().Ports["p0"]; !ok {
				r.Error("ready, but the port is not managed yet")
			}
			if got := r.ctl("list-ports", "br0"); got != "p0\n" {
				r.Errorf("ports %q", got)
			}
			v.stop()
			opts.TunnelIP = "192.0.2.9" // the database is what counts now
		}
		if got := r.ctl("get", "Physical_Switch", "br0", "tunnel_ips"); got != "\"192.0.2.1\"\n" && got != "[\"192.0.2.1\"]\n" {
			r.Errorf("tunnel_ips %q", got)
		}
	})
}

// Nothing to do is nothing done.
func TestIdle(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
		r.counts("p0", 0, 1)
		before := v.replica.transactions.Load()
		applies := v.plane.calls.Load()
		time.Sleep(time.Second)
		if n := v.replica.transactions.Load() - before; n != 0 {
			r.Errorf("%d transactions with nothing to do", n)
		}
		if n := v.plane.calls.Load() - applies; n != 0 {
			r.Errorf("%d calls of Apply with nothing to do", n)
		}
	})
}

// counts waits until a binding's published counters are of at least n frames from the host.
func (r *rig) counts(port string, vlan int64, n int64) {
	r.Helper()
	testenv.Eventually(r, deadline, func() error {
		for p := range r.view().PhysicalPorts() {
			if p.Name == port {
				s, _ := r.view().LogicalBindingStats(p.VLANStats[vlan])
				if s.PacketsFromLocal >= n {
					return nil
				}
				return fmt.Errorf("%d frames are counted", s.PacketsFromLocal)
			}
		}
		return errors.New("no such port")
	})
}

// The agent dies and another takes over: forwarding, MACs and rows stay as they are.
func TestRestart(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		all := append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")
		r.rows(all...)
		ids := rowIDs(r.view())
		v.stop()
		if got := outs(v.fabric.FromPort("p0", frame(0x21, 1))); !slices.Equal(got, []string{"192.0.2.2/33"}) {
			r.Errorf("without an agent goes to %q", got)
		}
		r.ctl("add-ucast-remote", "ls0", "02:00:00:00:00:22", "192.0.2.3")
		w := r.start(v.fabric, agent.Options{Name: "br0"})
		w.forwards("p0", frame(0x22, 1), "192.0.2.3/33")
		r.rows(append(all, "tunnel br0 192.0.2.1-192.0.2.3")...)
		for id := range ids {
			if _, still := rowIDs(r.view())[id]; !still {
				r.Errorf("row %s was made anew", id)
			}
		}
		w.forwards("p1", tag(frame(1, 2), 100), "p0") // what was learned is still known
	})
}

func rowIDs(v *hwvtep.View) map[string]bool {
	ids := map[string]bool{}
	for m := range v.UcastMACsLocal() {
		ids["ucast "+m.UUID.String()] = true
	}
	for m := range v.McastMACsLocal() {
		ids["mcast "+m.UUID.String()] = true
	}
	for t := range v.Tunnels() {
		ids["tunnel "+t.UUID.String()] = true
	}
	for s := range v.LogicalBindingStatsRows() {
		ids["stats "+s.UUID.String()] = true
	}
	return ids
}

func tag(f []byte, vid byte) []byte {
	return slices.Concat(f[:12], []byte{0x81, 0x00, 0, vid}, f[12:])
}

// The database server restarts: faults, which it does not keep, are published again, and what
// changed meanwhile follows.
func TestServerRestart(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0"), agent.Options{Name: "br0"}) // p1 is missing
		r.howto()
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		all := append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1", "fault p1 invalid_vlan_map")
		r.rows(all...)
		r.server.stop(r)
		if got := outs(v.fabric.FromPort("p0", frame(0x21, 3))); !slices.Equal(got, []string{"192.0.2.2/33"}) {
			r.Errorf("without a server goes to %q", got)
		}
		r.server.start(r)
		all = append(all, "ucast ls0 02:00:00:00:00:03 192.0.2.1")
		r.rows(all...)
		v.fabric.AddDevice("p1")
		r.rows(slices.DeleteFunc(all, func(s string) bool { return strings.HasPrefix(s, "fault") })...)
	})
}

// The server comes back with an empty database: forwarding stays as it is until somebody writes
// there. Where it comes back with the right one after all, it follows that.
func TestServerLosesDatabase(t *testing.T) {
	onBoth(t, func(r *rig) {
		problems := problem.NewSet(slog.New(slog.DiscardHandler))
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", Problems: problems})
		r.howto()
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		frozen := func(want bool) {
			t.Helper()
			testenv.Eventually(r, deadline, func() error {
				if text := problems.Text(); strings.Contains(text, "frozen: ") != want || strings.Contains(text, "no_switch: ") {
					return fmt.Errorf("the problems are\n%s", text) // the second follows from the first
				}
				return nil
			})
		}
		db := filepath.Join(r.env.DBDir, "vtep.db")
		restart := func(change func()) {
			t.Helper()
			r.server.stop(r)
			change()
			r.server.start(r)
		}
		rename := func(from, to string) {
			t.Helper()
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		empty := func() {
			rename(db, db+".kept")
			r.env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", db, filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema"))
		}

		restart(empty)
		frozen(true)
		if text, err := v.agent.Audit(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing to compare") {
			t.Errorf("audited: %q, %v", text, err)
		}
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		restart(func() { rename(db+".kept", db) })
		frozen(false)
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		r.ctl("del-ucast-remote", "ls0", "02:00:00:00:00:21") // and it is followed
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33", "p1")

		restart(empty)
		frozen(true)
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		r.ctl("add-ps", "br0", "--", "add-port", "br0", "p0", "--", "add-ls", "ls0", "--", "bind-ls", "br0", "p0", "0", "ls0")
		frozen(false)
		v.forwards("p0", frame(0xff, 1))
		testenv.Eventually(r, deadline, func() error { // they are told of after forwarding follows
			if text := problems.Text(); !strings.HasPrefix(text, "no_vni: Logical_Switch ls0: ") || strings.Count(text, "\n") != 1 {
				return fmt.Errorf("what is wrong with the rows that are followed now:\n%s", text)
			}
			return nil
		})
	})
}

func TestApplyFails(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		v.plane.failures.Store(3)
		r.ctl("add-ucast-remote", "ls0", "02:00:00:00:00:22", "192.0.2.3")
		v.forwards("p0", frame(0x22, 1), "192.0.2.3/33")
		r.ctl("del-ucast-remote", "ls0", "02:00:00:00:00:22")
		v.forwards("p0", frame(0x22, 1), "192.0.2.2/33", "p1")
	})
}

func TestAgeing(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
		r.ctl("set", "Physical_Switch", "br0", "other_config:mac_aging_time=1")
		r.rows(howtoRows...)
		v.forwards("p1", tag(frame(1, 2), 100), "192.0.2.2/33", "p0") // the plane has forgotten it, too
	})
}

func TestUnbind(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		v.forwards("p1", tag(frame(0x21, 2), 100), "192.0.2.2/33")
		both := []string{"ucast ls0 02:00:00:00:00:01 192.0.2.1", "ucast ls0 02:00:00:00:00:02 192.0.2.1"}
		r.rows(append(both, howtoRows...)...)
		r.ctl("unbind-ls", "br0", "p0", "0")
		r.rows("mcast ls0 unknown-dst 192.0.2.1", "stats p1/100", "tunnel br0 192.0.2.1-192.0.2.2", both[1])
		v.fabric.RemoveDevice("p1") // its hosts are gone; the binding stays
		r.rows("mcast ls0 unknown-dst 192.0.2.1", "stats p1/100", "tunnel br0 192.0.2.1-192.0.2.2", "fault p1 invalid_vlan_map")
		r.ctl("del-ps", "br0")
		r.rows()
		r.ctl("clear-remote-macs", "ls0", "--", "del-ls", "ls0")
	})
}

// Somebody takes a port's device away: what was learned there is not told of any more.
func TestRefusedPort(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
	r.howto()
	v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
	v.forwards("p1", tag(frame(0x21, 2), 100), "192.0.2.2/33")
	one, two := "ucast ls0 02:00:00:00:00:01 192.0.2.1", "ucast ls0 02:00:00:00:00:02 192.0.2.1"
	r.rows(append(howtoRows, one, two)...)
	name := "p1"
	v.plane.refused.Store(&name)
	r.ctl("add-ucast-remote", "ls0", "02:00:00:00:00:22", "192.0.2.2") // or anything else that leads to an Apply
	r.rows(append(howtoRows, one, "fault p1 invalid_vlan_map")...)
}

// Two agents share a database, and a logical switch. No NVC tells them of each other.
func TestTwoSwitches(t *testing.T) {
	onBoth(t, func(r *rig) {
		a := r.start(newFabric("p0"), agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0"}})
		b := r.start(newFabric("q0"), agent.Options{Name: "br1", TunnelIP: "192.0.2.2", Ports: []string{"q0"}})
		r.ports(2)
		r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33",
			"--", "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br1", "q0", "7", "ls0")
		a.forwards("p0", frame(0xff, 1), "192.0.2.2/33")
		b.forwards("q0", tag(frame(1, 2), 7), "192.0.2.1/33")
		a.forwards("p0", frame(2, 1), "192.0.2.2/33")
		r.rows("mcast ls0 unknown-dst 192.0.2.1 192.0.2.2", "stats p0/0", "stats q0/7",
			"tunnel br0 192.0.2.1-192.0.2.2", "tunnel br1 192.0.2.2-192.0.2.1",
			"ucast ls0 02:00:00:00:00:01 192.0.2.1", "ucast ls0 02:00:00:00:00:02 192.0.2.2")
		if got := outs(b.fabric.FromTunnel(hwOwn, 33, frame(2, 1))); !slices.Equal(got, []string{"q0"}) {
			r.Errorf("from br0 to %q", got)
		}
		a.stop()
		r.ctl("unbind-ls", "br1", "q0", "7")
		r.rows("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0", "tunnel br0 192.0.2.1-192.0.2.2", "ucast ls0 02:00:00:00:00:01 192.0.2.1")
	})
}

// A full table gives up the MACs of the port that has most, and says that it is full.
func TestLimit(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		r.ctl("set", "Physical_Switch", "br0", "other_config:mac_limit=4")
		testenv.Eventually(r, deadline, func() error {
			if n := v.fabric.Installed().MACLimit; n != 4 {
				return fmt.Errorf("limit %d", n)
			}
			return nil
		})
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
		for n := byte(10); n < 30; n++ {
			v.forwards("p1", tag(frame(0x21, n), 100), "192.0.2.2/33")
		}
		testenv.Eventually(r, deadline, func() error {
			rows := reported(r.view())
			n := r.view().Len(hwvtep.TableUcastMACLocal)
			if n != 4 || !slices.Contains(rows, "ucast ls0 02:00:00:00:00:01 192.0.2.1") || !slices.Contains(rows, "fault br0 mac_table_exhaustion") {
				return fmt.Errorf("rows say\n%s", strings.Join(rows, "\n"))
			}
			return nil
		})
		r.ctl("remove", "Physical_Switch", "br0", "other_config", "mac_limit")
		testenv.Eventually(r, deadline, func() error {
			if rows := reported(r.view()); slices.Contains(rows, "fault br0 mac_table_exhaustion") {
				return errors.New("it is not full any more")
			}
			return nil
		})
	})
}

// Events that were lost are made up for by a sweep.
func TestLostEvents(t *testing.T) {
	onBoth(t, func(r *rig) {
		f := memory.New(memory.Options{Events: 8})
		f.AddDevice("p0")
		f.AddDevice("p1")
		v := r.start(f, agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0x21, 0), "192.0.2.2/33")
		for n := range 250 {
			v.fabric.FromPort("p1", tag(frame(0x21, byte(n)), 100))
		}
		testenv.Eventually(r, deadline, func() error {
			if n := r.view().Len(hwvtep.TableUcastMACLocal); n != 250 {
				return fmt.Errorf("%d MACs, 250 were seen", n)
			}
			return nil
		})
	})
}
