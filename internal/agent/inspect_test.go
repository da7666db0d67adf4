package agent_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// The agent tells what it wants, what is wrong, and what was dropped, while it runs and only then.
func TestInspect(t *testing.T) {
	onBoth(t, func(r *rig) {
		problems := problem.NewSet(slog.New(slog.DiscardHandler))
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", Problems: problems})
		r.howto()
		r.ctl("add-ucast-remote", "ls0", "no-mac", "192.0.2.2")
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		v.fabric.FromPort("p1", frame(0xff, 2)) // p1 has no binding for untagged frames
		v.fabric.FromTunnel(hwPeer, 5999, frame(0xff, 3))
		v.fabric.FromTunnel(netip.MustParseAddr("192.0.2.9"), 33, frame(0xff, 3))
		ctx := context.Background()
		for _, c := range []struct {
			name string
			look func(context.Context) (string, error)
			want string // in the answer; "": the answer is empty
		}{
			{"State", v.agent.State, "02:00:00:00:00:21"},
			{"Problems", func(context.Context) (string, error) { return problems.Text(), nil }, "ignored_row: Ucast_Macs_Remote no-mac of Logical_Switch ls0: "},
			{"Drops", v.agent.Drops, "unbound_vlan: 1\n  Physical_Port p1 untagged: 1 (not bound)\n"},
			{"Drops", v.agent.Drops, "unknown_tunnel: 2\n  peer 192.0.2.2 VNI 5999: 1 (known from it: 33)\n  peer 192.0.2.9 VNI 33: 1 (no row names this peer)\n"},
			{"Audit", v.agent.Audit, ""},
		} {
			testenv.Eventually(r, deadline, func() error {
				got, err := c.look(ctx)
				if err != nil {
					return err
				}
				if !strings.Contains(got, c.want) || c.want == "" && got != "" {
					return fmt.Errorf("%s() = %q, want %q in it", c.name, got, c.want)
				}
				return nil
			})
		}
		v.stop()
		if _, err := v.agent.State(ctx); err == nil {
			r.Error("an agent that has ended answers")
		}
	})
}
