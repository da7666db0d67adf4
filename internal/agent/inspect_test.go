package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

func asText[T fmt.Stringer](look func(context.Context) (T, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got, err := look(ctx)
		return got.String(), err
	}
}

func asData[T any](look func(context.Context) (T, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got, err := look(ctx)
		if err != nil {
			return "", err
		}
		b, err := json.Marshal(got)
		return string(b), err
	}
}

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
		drops := func(ctx context.Context) (string, error) { return v.agent.Drops(ctx, false) }
		for _, c := range []struct {
			name string
			look func(context.Context) (string, error)
			want string // in the answer; "": the answer is empty
		}{
			{"State", asText(v.agent.State), "02:00:00:00:00:21"},
			{"State as data", asData(v.agent.State), `{"uuid":`},
			{"State as data", asData(v.agent.State), `"name":"ls0","vni":33,"bindings":[{"port":"p0","vlan":0},{"port":"p1","vlan":100}],"unicast":[{"mac":"02:00:00:00:00:21","tunnels":[{"peer":"192.0.2.2","vni":33}]}]`},
			{"Traffic", asText(v.agent.Traffic), "Physical_Port p0 VLAN 0: from it "},
			{"Traffic as data", asData(v.agent.Traffic), `"unbound_vlan":1`},
			{"Tunnels", asText(v.agent.Tunnels), "192.0.2.1 to 192.0.2.2, VNI 33\n"},
			{"Tunnels as data", asData(v.agent.Tunnels), `[{"local":"192.0.2.1","remote":"192.0.2.2","vnis":[33],"error":""}]`},
			{"MACStats", asText(v.agent.MACStats), "all ports: 1 MACs of at most 1000000\nPhysical_Port p0: 1 MACs\nPhysical_Port p1: 0 MACs\n"},
			{"MACStats as data", asData(v.agent.MACStats), `{"entries":1,"limit":1000000,"ports":[{"port":"p0","entries":1,"limit":0}`},
			{"MACs as data", asData(func(ctx context.Context) (agent.LearnedMACs, error) { return v.agent.MACs(ctx, "ls0") }),
				`[{"logical_switch":"ls0","mac":"02:00:00:00:00:01","port":"p0","vlan":0,"age":`},
			{"Problems", func(context.Context) (string, error) { return problems.Text(), nil }, "ignored_row: Ucast_Macs_Remote no-mac of Logical_Switch ls0: "},
			{"Drops", drops, "unbound_vlan: 1\n  Physical_Port p1 untagged: 1 (not bound)\n"},
			{"Drops", drops, "unknown_tunnel: 2\n  peer 192.0.2.2 VNI 5999: 1 (known from it: 33)\n  peer 192.0.2.9 VNI 33: 1 (no row names this peer)\n"},
			{"Audit", asText(v.agent.Audit), ""},
			{"Audit as data", asData(v.agent.Audit), "[]"},
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
		if _, err := v.agent.FlushMACs(ctx, "other"); err == nil || !strings.Contains(err.Error(), "no logical switch other") {
			r.Errorf("flushing an unknown switch: %v", err)
		}
		if text, err := v.agent.FlushMACs(ctx, "ls0"); err != nil || text != "table successfully flushed\n" {
			r.Errorf("flushing: %q, %v", text, err)
		}
		if all, err := v.agent.MACs(ctx, ""); err != nil || len(all) != 0 {
			r.Errorf("after that %v are learned, %v", all, err)
		}
		r.rows(slices.DeleteFunc(slices.Clone(howtoRows), func(s string) bool { return strings.HasPrefix(s, "ucast") })...)
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		if all, err := v.agent.MACs(ctx, ""); err != nil || len(all) != 1 {
			r.Errorf("the next frame is learned as %v, %v", all, err)
		}
		v.stop()
		if _, err := v.agent.State(ctx); err == nil {
			r.Error("an agent that has ended answers")
		}
	})
}
