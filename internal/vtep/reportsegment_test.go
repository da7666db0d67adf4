package vtep

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// places are the keys of the locators of local rows, by MAC.
func (s *site) places() string {
	var all []string
	for m := range s.db.View().UcastMACsLocal() {
		l, _ := s.db.View().PhysicalLocator(m.Locator)
		key := "-"
		if n, ok := l.TunnelKey.Get(); ok {
			key = fmt.Sprint(n)
		}
		all = append(all, m.MAC[15:]+" "+l.DstIP+" "+key)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// The row of a host says by its locator that it was heard at the port of a segment: from the number on that the bridge gives,
// wherever the host moves, and over a restart.
func TestReportSegments(t *testing.T) {
	s := hw(t)
	s.features = plane.Features{Segments: true}
	s.restart("br0")
	want := func(places string) {
		t.Helper()
		s.settle()
		if got := s.places(); got != places {
			t.Errorf("the rows say %q, want %q", got, places)
		}
	}
	segment := func(port, number string) {
		s.edit(func(tx *hwvtep.Txn) {
			row := hwvtep.PhysicalPort{OtherConfig: map[string]string{"evpn_esi": "03:00:00:00:00:00:00:00:00:01", "evpn_segment": number}}
			if number == "" {
				row.OtherConfig = nil
			}
			tx.UpdatePhysicalPort(s.port(port).UUID, row, hwvtep.PhysicalPortOtherConfig)
		})
	}
	s.edit(func(tx *hwvtep.Txn) {
		tx.PutPhysicalPortVLANBindings(s.port("p1").UUID, map[int64]UUID{0: s.ls("ls0").UUID})
	})
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	s.learn("02:00:00:00:00:02", "ls0", "p1")
	want("01 192.0.2.1 -, 02 192.0.2.1 -")
	segment("p0", "3")
	want("01 192.0.2.1 3, 02 192.0.2.1 -")
	segment("p0", "4")
	want("01 192.0.2.1 4, 02 192.0.2.1 -")

	mac := intent.MACKey{Switch: switchID(s.ls("ls0").UUID), MAC: intent.MAC{2, 5: 2}}
	s.learned[mac] = intent.BindingKey{Port: "p0"}
	s.r.MarkMoved(mac)
	want("01 192.0.2.1 4, 02 192.0.2.1 4")
	clear(s.learned)
	s.restart("br0")
	want("01 192.0.2.1 4, 02 192.0.2.1 4")
	s.learn("02:00:00:00:00:02", "ls0", "p1")
	want("01 192.0.2.1 4, 02 192.0.2.1 -")
	segment("p0", "")
	want("01 192.0.2.1 -, 02 192.0.2.1 -")
}

// A port of a segment tells by a fault that it has no link; any other does not.
func TestReportDown(t *testing.T) {
	s := hw(t)
	s.features = plane.Features{Segments: true}
	s.restart("br0")
	want := func(down bool) {
		t.Helper()
		s.settle()
		if got := slices.Contains(s.port("p0").PortFaultStatus, hwvtep.FaultPortDown); got != down {
			t.Errorf("the faults of the port are %v", s.port("p0").PortFaultStatus)
		}
	}
	s.r.SetReport(plane.Report{Down: map[string]struct{}{"p0": {}}})
	want(false)
	s.edit(func(tx *hwvtep.Txn) {
		tx.UpdatePhysicalPort(s.port("p0").UUID, hwvtep.PhysicalPort{OtherConfig: map[string]string{"evpn_esi": "03:00:00:00:00:00:00:00:00:01"}}, hwvtep.PhysicalPortOtherConfig)
	})
	want(true)
	s.r.SetReport(plane.Report{})
	want(false)
	s.r.SetReport(plane.Report{Ports: map[string]error{"p0": fmt.Errorf("no device")}})
	want(true)
	s.r.SetReport(plane.Report{Down: map[string]struct{}{"p1": {}}})
	want(false)
}
