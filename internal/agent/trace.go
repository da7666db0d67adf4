package agent

import (
	"context"
	"errors"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/vtep"
)

// Expected is what should be installed of some entries, and where that comes from.
type Expected struct {
	*plane.Installed
	Rows     map[plane.Entry][]vtep.Row
	Switches map[intent.SwitchID]string // the names of all that are active here
	Routers  map[intent.RouterID]string
	Unfit    string // why the database is not what forwarding follows now; "": it is
}

// ErrNoTrace is returned where the dataplane can't tell what it has installed.
var ErrNoTrace = errors.New("this dataplane does not tell what it has installed: Open vSwitch traces by itself, with ovs-appctl ofproto/trace BRIDGE FLOW")

// Tracer returns the plane, as far as it can say what would become of a frame.
func (a *Agent) Tracer() (plane.Tracer, error) {
	t, ok := a.opts.Plane.(plane.Tracer)
	if !ok {
		return nil, ErrNoTrace
	}
	return t, nil
}

// Teller returns the plane, as far as its switch says itself what would become of a frame.
func (a *Agent) Teller() (plane.Teller, bool) {
	t, ok := a.opts.Plane.(plane.Teller)
	return t, ok
}

// Expect says what should be installed of entries by the database.
func (a *Agent) Expect(ctx context.Context, entries []plane.Entry) (Expected, error) {
	return ask(ctx, a, func(context.Context) (Expected, error) {
		s := a.compiler.State()
		x := Expected{Installed: plane.NewInstalled(), Rows: map[plane.Entry][]vtep.Row{}, Switches: map[intent.SwitchID]string{}, Routers: map[intent.RouterID]string{}}
		switch {
		case a.frozen:
			x.Unfit = "forwarding is frozen: it stays as it is, whatever the database says"
		case !a.ready:
			x.Unfit = "forwarding does not follow the database yet"
		}
		for _, e := range entries {
			x.Take(s, e)
			if rows := a.compiler.Origins(e); len(rows) > 0 {
				x.Rows[e] = rows
			}
		}
		for id, ls := range s.Switches {
			x.Switches[id] = ls.Name
		}
		for id, r := range s.Routers {
			x.Routers[id] = r.Name
		}
		return x, nil
	})
}
