package agent_test

import (
	"testing"

	"github.com/vtep/vtep/internal/agent"
)

// An NVC places MACs behind a peer that are learned here. Their Local rows go at once, and come
// back when the hosts are heard here again; what was learned is kept.
func TestClaimedByNVC(t *testing.T) {
	onBoth(t, func(r *rig) {
		v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0"})
		r.howto()
		local := func(n string) string { return "ucast ls0 02:00:00:00:00:0" + n + " 192.0.2.1" }
		for n := byte(1); n <= 4; n++ {
			v.forwards("p0", frame(0x21, n), "192.0.2.2/33")
		}
		v.forwards("p1", tag(frame(0x21, 9), 100), "192.0.2.2/33")
		r.rows(append(howtoRows, local("1"), local("2"), local("3"), local("4"), local("9"))...)
		rows := append(howtoRows, "tunnel br0 192.0.2.1-192.0.2.3")

		for _, n := range []string{"1", "2", "3"} {
			r.ctl("add-ucast-remote", "ls0", "02:00:00:00:00:0"+n, "192.0.2.3")
		}
		r.ctl("add-ucast-remote", "ls0", "02:00:00:00:00:04", "192.0.2.1") // here: that is no claim
		r.rows(append(rows, local("4"), local("9"))...)
		v.forwards("p1", tag(frame(1, 9), 100), "192.0.2.3/33")

		// One is heard: the NVC has to decide. Until then its word counts.
		v.forwards("p0", frame(0x21, 1), "192.0.2.2/33")
		r.rows(append(rows, local("1"), local("4"), local("9"))...)
		v.forwards("p1", tag(frame(1, 9), 100), "192.0.2.3/33")

		// Of one it takes its word back: frames go to where the host was, of which nobody knows
		// whether it still is there.
		r.ctl("del-ucast-remote", "ls0", "02:00:00:00:00:02")
		v.forwards("p1", tag(frame(2, 9), 100), "p0")
		r.rows(append(rows, local("1"), local("4"), local("9"))...)
		v.forwards("p0", frame(0x21, 2), "192.0.2.2/33")
		r.rows(append(rows, local("1"), local("2"), local("4"), local("9"))...)

		// A new process knows no more of the third than the old one.
		v.stop()
		w := r.start(v.fabric, agent.Options{Name: "br0"})
		w.forwards("p0", frame(0x21, 5), "192.0.2.2/33")
		r.rows(append(rows, local("1"), local("2"), local("4"), local("5"), local("9"))...)
		w.forwards("p0", frame(0x21, 3), "192.0.2.2/33")
		r.rows(append(rows, local("1"), local("2"), local("3"), local("4"), local("5"), local("9"))...)

		// The NVC decides, and changes the row that it has.
		r.ctl("add-ucast-remote", "ls0", "02:00:00:00:00:03", "192.0.2.2")
		r.rows(append(rows, local("1"), local("2"), local("4"), local("5"), local("9"))...)
		w.forwards("p1", tag(frame(3, 9), 100), "192.0.2.2/33")
	})
}
