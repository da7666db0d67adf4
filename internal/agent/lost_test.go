package agent_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/testenv"
)

func (p *faultyPlane) Sweep(ctx context.Context) ([]plane.Sighting, error) {
	p.sweeps.Add(1)
	if p.blind.Load() {
		return nil, errors.New("told to fail")
	}
	return p.Plane.Sweep(ctx)
}

// In a loop every frame moves its MAC, and most events are lost. The agent must not do
// nothing but sweep then.
func TestLoopInTheNetwork(t *testing.T) {
	onBoth(t, func(r *rig) {
		f := memory.New(memory.Options{Events: 8})
		f.AddDevice("p0")
		f.AddDevice("p1")
		v := r.start(f, agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0x21, 0), "192.0.2.2/33")
		start, before := time.Now(), v.plane.sweeps.Load()
		for time.Since(start) < time.Second || v.plane.sweeps.Load() == before {
			if time.Since(start) > deadline {
				r.Fatal("what was lost is not looked for")
			}
			for n := range 50 {
				v.fabric.FromPort("p0", frame(0x21, byte(n)))
				v.fabric.FromPort("p1", tag(frame(0x21, byte(n)), 100))
			}
			time.Sleep(time.Millisecond)
		}
		if n, most := v.plane.sweeps.Load()-before, int64(time.Since(start)/time.Second)+2; n > most {
			r.Errorf("%d sweeps, should be at most %d", n, most)
		}
	})
}

// tellingPlane tells what the test wants.
type tellingPlane struct {
	*faultyPlane
	events chan plane.Event
}

func (p *tellingPlane) Events() <-chan plane.Event { return p.events }

// If only MACs are among what was lost, as while a port has a crowd of hosts, a sweep tells of them. The report, which may
// have to wait, is then not asked for.
func TestLostMACs(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	p := &tellingPlane{events: make(chan plane.Event)}
	v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", Plane: p})
	r.howto()
	v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
	lose := func(e plane.Lost) (applied int64) {
		t.Helper()
		sweeps, calls := v.plane.sweeps.Load(), v.plane.calls.Load()
		p.events <- e
		testenv.Eventually(t, deadline, func() error {
			if v.plane.sweeps.Load() == sweeps {
				return errors.New("nothing is swept")
			}
			return nil
		})
		p.events <- plane.Seen{} // what is done about the one before has been done
		return v.plane.calls.Load() - calls
	}
	if n := lose(plane.Lost{Count: 7, MACs: true}); n != 0 {
		t.Errorf("%d reports are asked for", n)
	}
	if n := lose(plane.Lost{Count: 7}); n == 0 {
		t.Error("no report is asked for, although links may have changed")
	}
}

// If what was lost was that a link is gone, the report says so: nobody is behind that port.
func TestLostLink(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	p := &tellingPlane{events: make(chan plane.Event)}
	v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", Plane: p})
	r.howto()
	v.fabric.FromPort("p0", frame(0x21, 1))
	p.events <- plane.Lost{Count: 1, MACs: true}
	r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1")...)
	down := "p0"
	v.plane.down.Store(&down)
	p.events <- plane.Lost{Count: 1}
	r.rows(howtoRows...)
}

// While the plane can't say which MACs live, none is withdrawn as dead.
func TestNothingAgesUnseen(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		here := func() bool {
			for m := range r.view().UcastMACsLocal() {
				if m.MAC == "02:00:00:00:00:01" {
					return true
				}
			}
			return false
		}
		wait := func(what string, done func() bool) {
			r.Helper()
			testenv.Eventually(r, deadline, func() error {
				if !done() {
					return fmt.Errorf("still waiting for %s", what)
				}
				return nil
			})
		}
		wait("the row", here)
		v.plane.blind.Store(true)
		from := v.plane.sweeps.Load()
		r.ctl("set", "Physical_Switch", "br0", "other_config:mac_aging_time=1")
		wait("sweeps that fail", func() bool { return v.plane.sweeps.Load() >= from+3 })
		if !here() {
			r.Fatal("the row was withdrawn without a look")
		}
		v.plane.blind.Store(false)
		wait("the row to go", func() bool { return !here() })
	})
}
