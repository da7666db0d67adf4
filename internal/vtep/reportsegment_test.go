package vtep

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
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

// In a database whose locators have no keys there are no numbers of segments: that is told, and rows are as without.
func TestSegmentsOfOldSchema(t *testing.T) {
	text := string(hwvtep.Schema().AppendJSON(nil))
	for part, without := range map[string]string{
		`,"tunnel_key":{"type":{"key":"integer","min":0}}},"indexes":[["encapsulation_type"`: `},"indexes":[["encapsulation_type"`,
		`"dst_ip","tunnel_key"]]`: `"dst_ip"]]`,
	} {
		if strings.Count(text, part) != 1 {
			t.Fatalf("it has not one %s", part)
		}
		text = strings.Replace(text, part, without, 1)
	}
	v, err := wire.ParseString(text)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := ovsdb.ParseSchema(v)
	if err != nil {
		t.Fatal(err)
	}
	b := &book{hwvteptest.NewWithSchema(schema), map[string]string{}, map[string]string{}}
	c := NewCompiler("br0", plane.Features{Segments: true})
	b.edit(t, `
		Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0
		Physical_Port P0 name=p0 vlan_bindings=0:LS0 other_config=evpn_esi:03:00:00:00:00:00:00:00:00:01,evpn_segment:7,evpn_blocked:all
		Logical_Switch LS0 name=ls0 tunnel_key=5000`)
	c.Update(b.rows.View(), nil)
	key := intent.MACKey{Switch: switchID(labelUUID("LS0")), MAC: intent.MAC{2, 5: 1}}
	r := NewReporter(c, learnedMap{key: {Port: "p0"}})
	r.Update(nil)
	if at := r.placeOf(key, localMAC{}, false); at.segment != 0 {
		t.Errorf("the host is at segment %d", at.segment)
	}
	if got := fmt.Sprint(c.Problems()); !strings.Contains(got, "unserved_option") || !strings.Contains(got, "needs locators that have a tunnel_key") {
		t.Errorf("problems are %s", got)
	}
	for p := range c.Ports() {
		if !slices.Equal(p.Faults, []string{hwvtep.FaultUnspecified}) {
			t.Errorf("faults of the port are %v", p.Faults)
		}
	}
}
