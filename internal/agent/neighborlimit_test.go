package agent

import (
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/neighbor"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/vtep"
)

// Where hosts have all the neighbors that they may have is told by the place, with what to do, until it is over.
func TestNeighborLimit(t *testing.T) {
	a := &Agent{opts: Options{Problems: problem.NewSet(testenv.Logger(t))}, compiler: vtep.NewCompiler("br0", plane.Features{Routers: true})}
	at := neighbor.Place{Switch: intent.SwitchID{1}, At: intent.BindingKey{Port: "p0", VLAN: 7}}
	a.tellFull([]neighbor.Full{{Place: at}, {Place: at, Answers: true}})
	list := a.opts.Problems.All()
	if len(list) != 2 || list[0].Text == list[1].Text {
		t.Fatalf("told is %v", list)
	}
	for _, p := range list {
		if p.Kind != problem.NeighborLimit || p.Object != problem.PortVLAN("p0", 7) || p.Remedy == "" {
			t.Errorf("told is %+v", p)
		}
	}
	a.tellFull(nil)
	if list := a.opts.Problems.All(); len(list) > 0 {
		t.Errorf("told is still %v", list)
	}
}
