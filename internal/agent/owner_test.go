package agent_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

func TestLockName(t *testing.T) {
	for name, want := range map[string]string{
		"br0": "vtep_br0", "br-vtep": "vtep_br_2dvtep", "br_vtep": "vtep_br_5fvtep", "": "vtep_", "ü\n": "vtep__c3_bc_0a",
	} {
		if got := agent.LockName(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// Two processes run one switch. The second says so and does nothing, until the first is gone.
func TestTwoProcesses(t *testing.T) {
	onBoth(t, func(r *rig) {
		opts := agent.Options{Name: "br0", Lock: agent.LockName("br0"), TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}}
		problems := map[*vtep]*problem.Set{}
		start := func() *vtep {
			opts.Problems = problem.NewSet(slog.New(slog.DiscardHandler))
			v := r.start(newFabric("p0", "p1"), opts)
			problems[v] = opts.Problems
			return v
		}
		first := start()
		r.ports(2)
		r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33",
			"--", "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br0", "p1", "100", "ls0")
		r.ctl("add-mcast-remote", "ls0", "unknown-dst", "192.0.2.2")
		first.forwards("p0", frame(0x21, 1), "192.0.2.2/33", "p1")
		rows := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0", "stats p1/100", "tunnel br0 192.0.2.1-192.0.2.2",
			"ucast ls0 02:00:00:00:00:01 192.0.2.1"}
		r.rows(rows...)

		opts.Ports = append(opts.Ports, "p9") // it would add that
		second := start()
		said := func(v *vtep) bool { return strings.Contains(problems[v].Text(), "another process runs this switch") }
		says := func(v *vtep, want bool) {
			r.Helper()
			testenv.Eventually(r, deadline, func() error {
				if said(v) != want {
					return fmt.Errorf("problems %q", problems[v].Text())
				}
				return nil
			})
		}
		says(second, true)
		says(first, false)
		for n := byte(2); n < 5; n++ { // the first goes on undisturbed
			first.forwards("p0", frame(0x21, n), "192.0.2.2/33", "p1")
			rows = append(rows, fmt.Sprintf("ucast ls0 02:00:00:00:00:%02x 192.0.2.1", n))
			r.rows(rows...)
		}
		if n := second.replica.transactions.Load(); n != 0 {
			r.Errorf("the second has made %d transactions", n)
		}
		if n := second.plane.calls.Load(); n != 0 {
			r.Errorf("the second has called Apply %d times", n)
		}

		// The server restarts: one of them gets the lock, the other does nothing.
		r.server.stop(r)
		r.server.start(r)
		testenv.Eventually(r, deadline, func() error {
			if said(first) == said(second) {
				return fmt.Errorf("problems of the first %q, of the second %q", problems[first].Text(), problems[second].Text())
			}
			return nil
		})
		first.stop()
		first.disconnect() // as when its process ends
		says(second, false)
		r.ports(3)
		second.forwards("p0", frame(0x21, 1), "192.0.2.2/33", "p1")
	})
}
