package ovs

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/planetest"
)

// The priority of a tag is not that of the one with which the frame came, whatever went before by the same flow of the
// datapath: that leaves a tag alone where the next one is equal.
func TestPriorityOfTags(t *testing.T) {
	w := newWorld(t)
	s := twoTenants()
	s.Bindings[at("p1", 100)] = intent.Binding{Switch: red}
	delete(s.Bindings, at("p0", 0)) // where the tag would go in any case
	delete(s.Floods, intent.FloodKey{Switch: red})
	w.plane = w.newPlane(t)
	w.apply(w.plane, s, nil)
	w.settled(t)
	for n, inner := range [][]uint16{nil, {100}} {
		for _, pcp := range []uint16{0, 0, 5, 0} { // the first one teaches
			f := frameFrom(byte(0x51+n), all, append([]uint16{pcp<<13 | 100}, inner...)...)
			if pcp == 0 { // without what the datapath has of before the source was known
				w.Appctl(t, "revalidator/purge")
			}
			w.send(t, "h1", f.Bytes())
			f.Tags[0] = 100
			want := f.Bytes()
			got := w.Receive(t, 1)
			if !slices.ContainsFunc(got, func(o planetest.Out) bool { return o.Port == "p2" && slices.Equal(o.Frame, want) }) {
				t.Errorf("priority %d, then tags %v: came out\n%v", pcp, inner, fmt.Sprintf("%x", got))
			}
		}
	}
}
