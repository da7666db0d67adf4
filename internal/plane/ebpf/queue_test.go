package ebpf

import (
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// A crowd at a port leaves room for what others tell, in the order in which it came; what is lost of it is only MACs. That more
// is lost is told, too.
func TestQueueIsShared(t *testing.T) {
	q := newQueue()
	seen := func(port string, n int) plane.Event {
		return plane.Seen{Key: intent.MACKey{MAC: intent.MAC{2, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)}}, At: intent.BindingKey{Port: port}}
	}
	told := func() (at map[plane.Event]int, lost plane.Lost) {
		go q.pump()
		at = map[plane.Event]int{}
		for e := range q.out {
			at[e] = len(at)
			if l, ok := e.(plane.Lost); ok {
				lost = l
				go q.close()
			}
		}
		return at, lost
	}
	crowd := func() {
		for n := range 2 * queueLength {
			q.add(seen("p0", n))
		}
	}
	crowd()
	q.add(seen("p1", 0))
	q.add(plane.PortChanged{Name: "p1"})
	at, lost := told()
	if at[seen("p1", 0)] != queueLength/2 || at[plane.PortChanged{Name: "p1"}] != queueLength/2+1 {
		t.Error("what others tell is not among what is told")
	}
	if want := (plane.Lost{Count: 3 * queueLength / 2, MACs: true}); lost != want {
		t.Errorf("lost is %+v, should be %+v", lost, want)
	}
	q = newQueue()
	for range queueLength + 1 {
		q.add(plane.PortChanged{Name: "p1"})
	}
	crowd()
	if _, lost := told(); lost.MACs || lost.Count != 2*queueLength+1 {
		t.Errorf("lost is %+v", lost)
	}
}
