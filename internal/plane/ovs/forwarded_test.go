package ovs

import (
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/plane/planetest"
)

// On a machine that has no time for Open vSwitch what comes out late is not taken for something of the next frame.
func TestForwardedLate(t *testing.T) {
	w := newWorld(t)
	w.apply(w.newPlane(t), twoTenants(), nil)
	w.tenants(t)
	for _, want := range [][]planetest.Out{nil, {{Port: "p2"}}} {
		if err := w.DaemonProcess().Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		w.send(t, "h0", frameFrom(1, all).Bytes())
		wakes := time.AfterFunc(time.Second, func() { _ = w.DaemonProcess().Signal(syscall.SIGCONT) })
		defer wakes.Stop()
		if got := w.Receive(t, len(want)); len(got) != 2 {
			t.Errorf("of a frame to two places %d copies came: %v", len(got), got)
		}
	}
}
