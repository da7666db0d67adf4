package ovs

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/planetest"
)

// Many MACs at once, one more beside them, and many switches: all is installed. How long it
// takes is logged, not judged.
func TestScale(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := twoTenants()
	w.apply(p, s, nil)
	next := s.Clone()
	tunnel := intent.Tunnel{Peer: planetest.Peers[0], VNI: 5000}
	for n := range 10_000 {
		next.Unicast.Set(intent.MACKey{Switch: red, MAC: intent.MAC{2, 1, 0, 0, byte(n >> 8), byte(n)}}, tunnel)
	}
	took := func(what string, f func()) {
		start, ours, theirs := time.Now(), cpu(t, os.Getpid()), cpu(t, w.DaemonProcess().Pid)
		f()
		t.Logf("%s: %v, of processors %v, and %v of ovs-vswitchd", what, time.Since(start),
			cpu(t, os.Getpid())-ours, cpu(t, w.DaemonProcess().Pid)-theirs)
	}
	took("10,000 MACs", func() { w.apply(p, next, intent.Diff(s, next)) })
	one := next.Clone()
	one.Unicast.Set(intent.MACKey{Switch: red, MAC: intent.MAC{2, 2}}, tunnel)
	d := intent.Diff(next, one)
	took("one MAC more", func() { w.apply(p, one, d) })
	many := one.Clone()
	for n := range 50 {
		id := intent.SwitchID{1, byte(n)}
		many.Switches[id] = intent.Switch{Name: fmt.Sprint("ls", n), VNI: uint32(7000 + n)}
		many.Bindings[at("p0", uint16(200+n))] = intent.Binding{Switch: id}
		t := intent.Tunnel{Peer: planetest.Peers[1], VNI: uint32(7000 + n)}
		many.Floods[intent.FloodKey{Switch: id}] = intent.FloodSet{t}
		many.Decap.Set(t, id)
	}
	took("50 logical switches", func() { w.apply(p, many, intent.Diff(one, many)) })
	drift, err := p.Audit(context.Background())
	if err != nil || len(drift) > 0 {
		t.Errorf("%d drifts, %v", len(drift), err)
	}
	took("nothing", func() { w.apply(p, many, &intent.Delta{}) })
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.newPlane(t)
	took("adoption of it all", func() { w.apply(p, many, nil) })
}

// cpu is the processor time of a process, in hundredths of a second.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
