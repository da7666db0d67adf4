package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/fdb"
	"github.com/vtep/vtep/internal/problem"
)

// macLines bounds a listing of MACs.
const macLines = 100_000

// MACs returns the MACs that are learned on the ports, a line each: switch, MAC, port, VLAN,
// seconds since the last frame, and how often the MAC has moved since it was learned.
func (a *Agent) MACs(ctx context.Context, name string) (string, error) {
	return a.ask(ctx, func(loop context.Context) (string, error) {
		now := time.Now()
		a.sweep(loop, now) // for the ages
		names := a.compiler.State().Switches
		list := make([]fdb.Entry, 0, a.table.Len())
		known := name == ""
		for _, ls := range names {
			known = known || ls.Name == name
		}
		if !known {
			return "", fmt.Errorf("no logical switch %s is bound here", problem.Name(name))
		}
		for e := range a.table.Entries(now) {
			if name == "" || names[e.Key.Switch].Name == name {
				list = append(list, e)
			}
		}
		slices.SortFunc(list, func(x, y fdb.Entry) int {
			return cmp.Or(cmp.Compare(names[x.Key.Switch].Name, names[y.Key.Switch].Name), x.Key.Compare(y.Key))
		})
		var b strings.Builder
		for i, e := range list {
			if i == macLines {
				fmt.Fprintf(&b, "and %d more\n", len(list)-i)
				break
			}
			fmt.Fprintf(&b, "%s %v port %s vlan %d age %d moves %d\n", problem.Name(names[e.Key.Switch].Name), e.Key.MAC,
				problem.Name(e.At.Port), e.At.VLAN, int(e.Idle.Seconds()), e.Moves)
		}
		return b.String(), nil
	})
}
