package ovs

import (
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// On a machine that has no time for Open vSwitch what comes out late is not taken for something of the next frame,
// and the next frame is forwarded by what was learned from it.
func TestForwardedLate(t *testing.T) {
	w := newWorld(t)
	w.plane = w.newPlane(t)
	w.apply(w.plane, twoTenants(), nil)
	w.tenants(t)
	for n, want := range []int{0, 1} {
		if err := w.DaemonProcess().Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		host := byte(0x41 + n)
		w.send(t, "h0", frameFrom(host, all).Bytes())
		wakes := time.AfterFunc(time.Second, func() { _ = w.DaemonProcess().Signal(syscall.SIGCONT) })
		defer wakes.Stop()
		if got := w.Receive(t, want); len(got) != 2 {
			t.Errorf("of a frame to two places %d copies came: %v", len(got), got)
		}
		if err := knows(w.plane, intent.MACKey{Switch: red, MAC: intent.MAC{2, 5: host}}, at("p0", 0)); err != nil {
			t.Error(err)
		}
	}
}
