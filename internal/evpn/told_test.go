package evpn

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// A VTEP is attached by a port if it serves segments, and has told, or had the time to tell, that the port has no link.
func TestAttaches(t *testing.T) {
	b, n := fabricOf(t)
	t.Cleanup(b.stopTimers)
	db, rows, id := b.database, hwvteptest.New(), hwvtep.UUID{9}
	db.view, db.read = rows.View(), true
	port := func(keys map[string]string, faults ...string) *attachment {
		a := &attachment{port: hwvtep.PhysicalPort{UUID: id, Name: "p1", OtherConfig: map[string]string{hwvtep.KeyESI: esi1}, PortFaultStatus: faults}, vtep: low}
		for k, v := range keys {
			a.port.OtherConfig[k] = v
		}
		a.configure()
		return a
	}
	later := func(a *attachment, faults ...string) *attachment {
		now := *a
		now.port.PortFaultStatus = faults
		return &now
	}
	expect := func(when string, a, was *attachment, attached bool, wait time.Duration) {
		t.Helper()
		if got := db.attaches(a, was); got != attached {
			t.Errorf("%s: attached %v", when, got)
		}
		if left := time.Until(a.quiet); wait > 0 && (left <= 0 || left > wait) || wait == 0 && left > 0 {
			t.Errorf("%s: the VTEP has %v to tell", when, left)
		}
	}
	a := port(nil)
	expect("it is new", a, nil, false, tellTime)
	a.quiet = time.Now()
	expect("it was told of", a, later(a), true, 0)
	down := later(a, portDown)
	expect("it has no link", down, a, false, 0)
	expect("the link comes", later(down), down, true, 0)
	db.anew = true
	restarted := later(down)
	expect("the database forgets that", restarted, down, false, retellTime)
	expect("and of the other one that it is well", later(a), a, true, 0)
	db.anew = false
	expect("the VTEP is not back", later(restarted), restarted, false, retellTime)
	again := later(restarted, portDown)
	expect("it is, and tells", again, restarted, false, retellTime)
	expect("the link comes after that", later(again), again, true, 0)

	db.read = false
	expect("an earlier bridge has had it for attached", port(map[string]string{hwvtep.KeySegment: "1", hwvtep.KeyBlocked: "7"}), nil, true, 0)
	expect("or not", port(map[string]string{hwvtep.KeySegment: "1", hwvtep.KeyBlocked: "all"}), nil, false, tellTime)
	db.read = true

	unserved := later(a, hwvtep.FaultUnspecified)
	expect("its VTEP serves no segments", unserved, a, false, 0)
	if !strings.Contains(unserved.why, "unspecified_fault") {
		t.Errorf("it says %q", unserved.why)
	}

	// Which of the ports of one VTEP, not of all, have heard a host can be told.
	a.number = 1
	n.own, n.ports = map[esi]*attachment{seg1: a}, map[hwvtep.UUID]struct{}{id: {}, {8}: {}}
	for around, want := range map[string]esi{"": seg1, "8": {}} {
		if a.around = map[hwvtep.UUID]struct{}{id: {}}; around != "" {
			a.around[hwvtep.UUID{8}] = struct{}{}
		}
		if got := n.segmentOf(&local{vtep: low}); got != want {
			t.Errorf("with %d ports of its VTEP in the switch the host is of segment %v", len(a.around), got)
		}
	}

	text := strings.Replace(string(hwvtep.Schema().AppendJSON(nil)), `,"tunnel_key":{"type":{"key":"integer","min":0}}},"indexes":[["encapsulation_type"`, `},"indexes":[["encapsulation_type"`, 1)
	v, err := wire.ParseString(strings.Replace(text, `"dst_ip","tunnel_key"]]`, `"dst_ip"]]`, 1))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := ovsdb.ParseSchema(v)
	if err != nil {
		t.Fatal(err)
	}
	db.view = hwvteptest.NewWithSchema(schema).View()
	old := port(nil)
	db.bySegment[seg1] = old
	expect("locators have no keys", old, nil, false, 0)
	if old.fault == "" || old.segment != (esi{}) || old.keys()[hwvtep.KeySegment] != "" || len(db.bySegment) > 0 {
		t.Errorf("it says %q, and has keys %v", old.fault, old.keys())
	}
}

// segmentOfHost waits until a host is announced as one of this segment.
func (s *bed) segmentOfHost(mac string, want esi) {
	s.Helper()
	testenv.Eventually(s, deadline, func() (err error) {
		failed := s.bridge.ask(s.Context(), func() {
			err = fmt.Errorf("%s is not announced", mac)
			for k, r := range s.bridge.speaker.announced {
				if k.mac != mac {
					continue
				}
				if err = nil; r.segment != want {
					err = fmt.Errorf("%s is of segment %q, want %q", mac, r.segment, want)
					return
				}
			}
		})
		return cmp.Or(failed, err)
	})
}

// A port that its VTEP can't serve as a link of a segment is not announced, and the status says why. Hosts at it are reached by the other
// VTEPs that are attached, and if there are none by this one.
func TestUnservedSegment(t *testing.T) {
	s := newBed(t, Neighbor{}, ownSegment)
	s.up()
	s.whole()
	s.hears(host1, 1, true)
	s.segmentOfHost(host1, seg1)
	faults := func(all ...string) {
		s.port("p1", func(tx *hwvtep.Txn, row hwvtep.PhysicalPort) {
			row.PortFaultStatus = all
			tx.UpdatePhysicalPort(row.UUID, row, hwvtep.PhysicalPortPortFaultStatus)
		})
	}
	faults(hwvtep.FaultUnspecified)
	const why = "p1: its VTEP says unspecified_fault"
	testenv.Eventually(t, deadline, func() error {
		if got := fmt.Sprint(s.status().Ports); !strings.Contains(got, why) {
			return fmt.Errorf("the ports are %s, want %q", got, why)
		}
		return nil
	})
	s.segmentRoutes()
	s.holds("p1", "1 [] all")
	s.segmentOfHost(host1, esi{})
	other := discovery(high, allTags, false)
	other.targets = []target{{"65002", false, 33}}
	s.announce(other, nil)
	s.segmentOfHost(host1, seg1)
	behind := hostAt(host1, high)
	behind.segment = seg1
	s.announce(behind, nil)
	s.rows()
	s.said(host1, map[string]int64{"": -1}) // it has not moved
	s.withdraw(other)
	s.segmentOfHost(host1, esi{})
	s.announce(other, nil)
	s.segmentOfHost(host1, seg1)
	faults(portDown) // of a port without link the VTEP withdraws hosts
	faults()
	s.segmentRoutes(slices.Clone(announcedOfSegment)...)
	s.holds("p1", "1 [] ")
	s.withdraw(other)
	s.said(host1, map[string]int64{"": -1})
	s.segmentOfHost(host1, seg1)
}

// The only session flaps by which is known who else is attached to the segment of a port that can't be: hosts at it are of the segment at
// each moment, while that is about to be heard again, and of none when it is not heard.
func TestUnservedSegmentFlaps(t *testing.T) {
	s := newBed(t, Neighbor{}, ownSegment)
	s.up()
	s.whole()
	s.port("p1", func(tx *hwvtep.Txn, row hwvtep.PhysicalPort) {
		row.PortFaultStatus = []string{hwvtep.FaultUnspecified}
		tx.UpdatePhysicalPort(row.UUID, row, hwvtep.PhysicalPortPortFaultStatus)
	})
	s.hears(host1, 1, true)
	s.segmentOfHost(host1, esi{})
	other := discovery(high, allTags, false)
	other.targets = []target{{"65002", false, 33}}
	attached := func() {
		s.announce(attachedAt(high, relay.Election{}), nil)
		s.announce(other, nil)
	}
	attached()
	s.segmentOfHost(host1, seg1)

	for i, back := range []bool{true, true, false} {
		_ = s.conn.Close()
		s.established(false)
		s.segmentOfHost(host1, seg1)
		told, w := io.Pipe()
		t.Cleanup(func() { _ = told.Close() })
		s.told = w
		s.up()
		s.segmentOfHost(host1, seg1)
		if back {
			attached()
		}
		s.whole()
		want := []esi{seg1}
		if !back {
			want = append(want, esi{})
			s.segmentOfHost(host1, esi{})
		}
		last := fmt.Sprintf("02:00:00:00:99:%02x", i)
		s.hears(last, 0, true)
		if got := segments(t, told, host1, last); !slices.Equal(got, want) {
			t.Errorf("session %d: the host is announced with the segments %v, want %v", i, got, want)
		}
		go func() { _, _ = io.Copy(io.Discard, told) }()
	}
}

// segments reads messages until one announces the other MAC, and returns the segments that the first is announced with.
func segments(t *testing.T, from io.Reader, mac, until string) (all []esi) {
	t.Helper()
	for {
		for _, a := range nextUpdate(t, from).PathAttributes {
			reach, ok := a.(*bgp.PathAttributeMpReachNLRI)
			if !ok {
				continue
			}
			for _, p := range reach.Value {
				host, ok := p.NLRI.(*bgp.EVPNNLRI).RouteTypeData.(*bgp.EVPNMacIPAdvertisementRoute)
				switch {
				case !ok:
				case host.MacAddress.String() == mac:
					all = append(all, esiOf(host.ESI))
				case host.MacAddress.String() == until:
					return all
				}
			}
		}
	}
}
