package evpn

import (
	"errors"
	"runtime"
	"testing"
	"weak"

	"github.com/vtep/vtep/internal/testenv"
)

// A bridge that has ended keeps nothing, though the neighbour was to be back, and a host that has gone was to be remembered.
func TestNothingIsLeft(t *testing.T) {
	var bridge weak.Pointer[Bridge]
	t.Run("runs", func(t *testing.T) {
		s := newBed(t, Neighbor{}, newSwitch)
		s.opens(65002, graceful(4000))
		s.established(true)
		s.announce(hostAt("02:00:00:00:00:01", high), nil)
		s.whole()
		s.knows("02:00:00:00:00:01", ": row in ls0")
		gone := hostAt("02:00:00:00:00:02", high)
		s.announce(gone, nil)
		s.rows("02:00:00:00:00:01>10.0.0.2", "02:00:00:00:00:02>10.0.0.2")
		s.withdraw(gone)
		s.rows("02:00:00:00:00:01>10.0.0.2")
		bridge = weak.Make(s.bridge)
	})
	testenv.Eventually(t, deadline, func() error {
		if runtime.GC(); bridge.Value() != nil {
			return errors.New("something still has the bridge")
		}
		return nil
	})
}
