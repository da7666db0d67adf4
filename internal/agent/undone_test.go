package agent_test

import (
	"fmt"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

// Somebody deletes what the agent reports before the agent has seen it: insert and delete reach
// it merged into nothing. It reports again.
func TestUndone(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"}, func(c *countingReplica) {
			left := 5
			c.undo = func() {
				if left == 0 {
					return
				}
				left--
				r.ctl("clear-local-macs", "ls0")
				testenv.Eventually(r, deadline, func() error {
					view := hwvtep.NewView[*idl.Table](c.Snapshot())
					if n := view.Len(hwvtep.TableUcastMACLocal) + view.Len(hwvtep.TableMcastMACLocal); n > 0 {
						return fmt.Errorf("%d rows are left", n)
					}
					return nil
				})
			}
		})
		r.howto()
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
	})
}
