package agent_test

import (
	"context"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
)

func (p *faultyPlane) Sweep(ctx context.Context) ([]plane.Sighting, error) {
	p.sweeps.Add(1)
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
