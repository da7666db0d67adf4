package agent_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testenv"
)

// Whichever of two routers has a switch keeps it over a restart, and the neighbours that only hosts have
// told of are there from the first that the new process applies: else routed packets would be lost.
func TestRestartKeepsRouters(t *testing.T) {
	const pairs = 6 // by chance the rows alone give one to the right router
	onBoth(t, func(r *rig) {
		opts := agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0"}}
		v := r.start(newFabric("p0"), opts)
		r.ports(1)
		bound := func(side string) {
			var args []string
			for i := range pairs {
				args = append(args, "--", "create", "Logical_Router", fmt.Sprint("name=", side, i),
					fmt.Sprintf("switch_binding:\"198.51.100.%d/24\"=%s", 100+i, r.uuid(fmt.Sprint("ls", i))))
			}
			r.ctl(args[1:]...)
		}
		var args []string
		for i := range pairs {
			ls := fmt.Sprint("ls", i)
			args = append(args, "--", "add-ls", ls, "--", "bind-ls", "br0", "p0", fmt.Sprint(i), ls)
		}
		r.ctl(args[1:]...)
		testenv.Eventually(r, deadline, func() error {
			n := 0
			for range r.view().LogicalSwitches() {
				n++
			}
			if n != pairs {
				return fmt.Errorf("%d switches", n)
			}
			return nil
		})
		bound("a")
		owned := func(s *intent.State) error {
			if len(s.Switches) != pairs || len(s.Routers) != pairs {
				return fmt.Errorf("%d switches, %d routers", len(s.Switches), len(s.Routers))
			}
			for _, ls := range s.Switches {
				if name := s.Routers[ls.Router].Name; !strings.HasPrefix(name, "a") {
					return fmt.Errorf("%s belongs to the router %q", ls.Name, name)
				}
			}
			return nil
		}
		installed := func(v *vtep) {
			r.Helper()
			testenv.Eventually(r, deadline, func() error { return owned(v.fabric.Installed()) })
		}
		installed(v)
		bound("b")
		v.forwards("p0", says(1, "198.51.100.1"))
		v.forwards("p0", says(1, "198.51.100.2"))
		v.forwards("p0", asks6(1, "2001:db8::1"))
		var known map[intent.IPKey]intent.MAC
		testenv.Eventually(r, deadline, func() error {
			if known = v.fabric.Installed().Neighbours; len(known) != 3 {
				return fmt.Errorf("neighbours %v", known)
			}
			return nil
		})
		v.stop()

		ready := make(chan struct{})
		opts.Ready = func() error { close(ready); return nil }
		w := r.start(v.fabric, opts)
		<-ready
		testenv.Eventually(r, deadline, func() error {
			if w.plane.whole.Load() == nil {
				return fmt.Errorf("nothing was applied")
			}
			return nil
		})
		if s := w.plane.whole.Load(); !maps.Equal(s.Neighbours, known) || owned(s) != nil {
			r.Errorf("a new process begins with the neighbours %v, not %v; %v", s.Neighbours, known, owned(s))
		}
		installed(w)
		var after map[intent.IPKey]intent.MAC
		testenv.Eventually(r, deadline, func() error {
			if after = w.fabric.Installed().Neighbours; !maps.Equal(after, known) {
				return fmt.Errorf("neighbours %v", after)
			}
			return nil
		})
		if _, err := w.agent.FlushMACs(r.Context(), ""); err != nil {
			r.Fatal(err)
		}
		testenv.Eventually(r, deadline, func() error { // all of them go with the MAC
			if after = w.fabric.Installed().Neighbours; len(after) > 0 {
				return fmt.Errorf("neighbours %v", after)
			}
			return nil
		})
	})
}
