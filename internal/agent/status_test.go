package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testenv"
)

// lines are those of a log with a text in them, from that on.
func lines(log *testenv.Output, text string) (all []string) {
	for line := range strings.Lines(log.String()) {
		if _, rest, ok := strings.Cut(line, text); ok {
			all = append(all, text+strings.TrimSuffix(rest, "\n"))
		}
	}
	return all
}

// TestStatus asks how a VTEP does that forwards, and after its port has lost its device. Each change of
// the state of a port and of a tunnel is one line of the log.
func TestStatus(t *testing.T) {
	onBoth(t, func(r *rig) {
		log := &testenv.Output{}
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", Logger: slog.New(slog.NewTextHandler(log, nil))})
		r.howto()
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		v.fabric.FromPort("p1", frame(0xff, 2)) // p1 has no binding for untagged frames
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
		status := func() agent.Status {
			r.Helper()
			s, err := v.agent.Status(context.Background())
			if err != nil {
				r.Fatal(err)
			}
			return s
		}
		var s agent.Status
		testenv.Eventually(r, deadline, func() error { // the row is there before the agent has heard that it is
			if s = status(); s.FrameToRow.Count == 0 {
				return errors.New("no latency of a row is told")
			}
			return nil
		})
		if s.State != agent.Running || !slices.Equal(s.TunnelIPs, []string{"192.0.2.1"}) || s.Floods != 1 {
			r.Errorf("%+v", s)
		}
		if len(s.Ports) != 2 || s.Ports[0].Name != "p0" || s.Ports[0].State != "up" || s.Ports[0].Bindings != 1 || s.Ports[0].MACs != 1 ||
			s.Ports[0].InPackets == 0 || s.Ports[1].OutPackets != s.Ports[0].InPackets {
			r.Errorf("the ports are %+v", s.Ports)
		}
		if len(s.Switches) != 1 || s.Switches[0].Name != "ls0" || s.Switches[0].VNI != 33 || s.Switches[0].Bindings != 2 ||
			s.Switches[0].LocalMACs != 1 || s.Switches[0].RemoteMACs != 1 || s.Switches[0].Peers != 1 {
			r.Errorf("the switches are %+v", s.Switches)
		}
		if len(s.Tunnels) != 1 || s.Tunnels[0].Remote != "192.0.2.2" || s.Tunnels[0].Local != "192.0.2.1" || s.Tunnels[0].State != "up" || s.Tunnels[0].VNIs != 1 {
			r.Errorf("the tunnels are %+v", s.Tunnels)
		}
		if s.MACs.Entries != 1 || s.MACs.Remote != 1 || s.MACs.Learned != 1 {
			r.Errorf("the MACs are %+v", s.MACs)
		}
		if i := slices.IndexFunc(s.Drops, func(d agent.DropStatus) bool { return d.Reason == "unbound_vlan" }); i < 0 || s.Drops[i].Total != 1 {
			r.Errorf("the drops are %+v", s.Drops)
		}
		if s.CommitToPlane.Count == 0 || s.FrameToRow.Count != 1 || s.FrameToRow.Sum <= 0 {
			r.Errorf("latencies are %+v, %+v", s.CommitToPlane, s.FrameToRow)
		}
		topology, err := v.agent.Topology(context.Background())
		if want := (agent.Topology{
			Bindings: []agent.TopologyBinding{{Port: "p0", Switch: s.Switches[0].UUID}, {Port: "p1", VLAN: 100, Switch: s.Switches[0].UUID}},
			Tunnels:  []agent.TopologyTunnel{{Peer: "192.0.2.2", VNI: 33, Switch: s.Switches[0].UUID}},
		}); err != nil || !slices.Equal(topology.Bindings, want.Bindings) || !slices.Equal(topology.Tunnels, want.Tunnels) {
			r.Errorf("the topology is %+v, %v", topology, err)
		}
		var ls hwvtep.LogicalSwitch
		for ls = range r.view().LogicalSwitches() {
		}
		here := intent.MACKey{Switch: intent.SwitchID(ls.UUID), MAC: intent.MAC{2, 0, 0, 0, 0, 1}}
		where, err := v.agent.WhereLearned(context.Background(), []intent.MACKey{here, {Switch: here.Switch, MAC: intent.MAC{2, 9}}})
		if err != nil || len(where) != 1 || where[here].Port != "p0" || where[here].Switch != "ls0" {
			r.Errorf("learned at %+v, %v", where, err)
		}
		history, err := v.agent.DropHistory(context.Background())
		if err != nil || len(history) != 1 || len(history[0].Drops) > 1 {
			r.Errorf("the history is %+v, %v", history, err)
		}

		v.fabric.FromPort("p1", frame(0xff, 2))
		testenv.Eventually(r, deadline, func() error {
			for _, d := range status().Drops {
				if d.Reason == "unbound_vlan" && d.Total == 2 && d.Rose > 0 {
					return nil
				}
			}
			return fmt.Errorf("the drop is not told of: %+v", status().Drops)
		})
		v.fabric.RemoveDevice("p1")
		testenv.Eventually(r, deadline, func() error {
			if s := status(); s.Ports[1].State != "refused" || s.Ports[1].Why == "" {
				return fmt.Errorf("the ports are %+v", s.Ports)
			}
			return nil
		})
		v.fabric.AddDevice("p1")
		r.ctl("clear-remote-macs", "ls0")
		want := []string{
			"changed\" module=state name=p0 before=absent after=up",
			"changed\" module=state name=p1 before=absent after=up",
			"changed\" module=state name=192.0.2.2 before=absent after=up",
			"changed\" module=state name=p1 before=up after=refused why=",
			"changed\" module=state name=p1 before=refused after=up",
			"changed\" module=state name=192.0.2.2 before=up after=absent",
		}
		testenv.Eventually(r, deadline, func() error {
			got := lines(log, "changed\"")
			for _, w := range want {
				n := 0
				for _, line := range got {
					if strings.HasPrefix(line, w) {
						n++
					}
				}
				if n != 1 {
					return fmt.Errorf("%d lines begin with %q:\n%s", n, w, strings.Join(got, "\n"))
				}
			}
			if len(got) != len(want) {
				return fmt.Errorf("more than the changes are told of:\n%s", strings.Join(got, "\n"))
			}
			return nil
		})
	})
}

// TestStatusBusy asks while the plane is at a change that takes long, as of a thousand ports: the answer is that.
func TestStatusBusy(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		v.plane.turn.Lock()
		defer v.plane.turn.Unlock()
		before := v.plane.calls.Load()
		r.ctl("set", "Logical_Switch", "ls0", "tunnel_key=34")
		testenv.Eventually(r, deadline, func() error {
			if v.plane.calls.Load() == before {
				return errors.New("the change is not under way")
			}
			return nil
		})
		answered := make(chan error, 1)
		go func() {
			_, err := v.agent.Status(context.Background())
			answered <- err
		}()
		select {
		case err := <-answered:
			if err == nil || !strings.Contains(err.Error(), "busy") {
				r.Errorf("status: %v", err)
			}
		case <-time.After(deadline):
			r.Error("no answer")
		}
	})
}
