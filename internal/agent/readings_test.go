package agent

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/compact"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// TestTotals has bindings come, go, and come back: what a port has counted never becomes less.
func TestTotals(t *testing.T) {
	var c totals
	at := func(vlan uint16) intent.BindingKey { return intent.BindingKey{Port: "p0", VLAN: vlan} }
	in := func(n uint64) plane.Counters { return plane.Counters{PacketsFromLocal: n, BytesToLocal: 2 * n} }
	for i, step := range []struct {
		now  map[intent.BindingKey]plane.Counters
		want uint64
	}{
		{map[intent.BindingKey]plane.Counters{at(0): in(1000), at(1): in(500)}, 1500},
		{map[intent.BindingKey]plane.Counters{at(0): in(1001), at(1): in(500)}, 1501},
		{map[intent.BindingKey]plane.Counters{at(0): in(1001)}, 1501},
		{map[intent.BindingKey]plane.Counters{}, 1501},
		{map[intent.BindingKey]plane.Counters{at(0): in(3)}, 1504},
		{map[intent.BindingKey]plane.Counters{at(0): in(2)}, 1506}, // begun anew between two readings
	} {
		c.add(step.now)
		if got := c.ports["p0"]; got.InPackets != step.want || got.OutBytes != 2*step.want {
			t.Errorf("step %d: %+v, want %d", i, got, step.want)
		}
	}
}

// TestPeerTotals has peers come, go, and come back with the counters of others, and counters begin anew.
func TestPeerTotals(t *testing.T) {
	var c totals
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	in := func(n uint64) plane.Traffic { return plane.Traffic{InPackets: n, OutBytes: 3 * n} }
	for i, step := range []struct {
		now  map[netip.Addr]plane.Traffic
		want map[netip.Addr]uint64
	}{
		{map[netip.Addr]plane.Traffic{a: in(1000)}, map[netip.Addr]uint64{a: 0}}, // counted before this process, or of another peer
		{map[netip.Addr]plane.Traffic{a: in(1007), b: in(5)}, map[netip.Addr]uint64{a: 7, b: 0}},
		{map[netip.Addr]plane.Traffic{a: in(2), b: in(6)}, map[netip.Addr]uint64{a: 9, b: 1}},
		{nil, map[netip.Addr]uint64{a: 9, b: 1}}, // nobody has read them
		{map[netip.Addr]plane.Traffic{b: in(7)}, map[netip.Addr]uint64{b: 2}},
		{map[netip.Addr]plane.Traffic{a: in(50), b: in(7)}, map[netip.Addr]uint64{a: 0, b: 2}},
	} {
		c.addPeers(step.now)
		if c.peers.Len() != len(step.want) {
			t.Errorf("step %d: %+v", i, c.peers)
		}
		for peer, want := range step.want {
			if got, _ := c.peers.Get(peer); got.InPackets != want || got.OutBytes != 3*want {
				t.Errorf("step %d: %v has %+v, want %d", i, peer, got, want)
			}
		}
	}
}

// TestIdlePeerTotals has readings without traffic between them need the memory of one; and one that was made stay as it was.
func TestIdlePeerTotals(t *testing.T) {
	var c totals
	peer := netip.MustParseAddr("192.0.2.1")
	read := func(n uint64) *compact.Map[netip.Addr, plane.Traffic] {
		c.addPeers(map[netip.Addr]plane.Traffic{peer: {InPackets: n}})
		return c.peers
	}
	one, two, three := read(5), read(5), read(6)
	if one != two {
		t.Error("readings that are the same are two")
	}
	was, _ := two.Get(peer)
	is, _ := three.Get(peer)
	if was.InPackets != 0 || is.InPackets != 1 {
		t.Errorf("%v, then %v", was, is)
	}
}

// TestReadings has counters read for two minutes: what is remembered is bounded, and reaches a minute back.
func TestReadings(t *testing.T) {
	var all readings
	began := time.Unix(1000, 0)
	for i := range 1200 {
		all.add(reading{at: began.Add(time.Duration(i) * 100 * time.Millisecond), drops: map[string]uint64{"x": uint64(i)}, ports: map[string]plane.Traffic{}})
	}
	if len(all) > 63 {
		t.Errorf("%d readings are kept", len(all))
	}
	withPorts := 0
	for _, r := range all {
		if r.ports != nil {
			withPorts++
		}
	}
	if withPorts > 2 {
		t.Errorf("%d readings have ports", withPorts)
	}
	now := all[len(all)-1].at.Add(ratePeriod)
	if r, ok := all.oldest(now); !ok || now.Sub(r.at) < memory || now.Sub(r.at) > memory+ratePeriod {
		t.Errorf("the oldest is %v old", now.Sub(r.at))
	}
	if r, ok := all.rates(now); !ok || now.Sub(r.at) != ratePeriod {
		t.Errorf("rates are over %v", now.Sub(r.at))
	}
	if got := rose(map[string]uint64{"x": 3, "y": 1}, map[string]uint64{"x": 5, "y": 1, "z": 2}); len(got) != 2 || got["x"] != 2 || got["z"] != 2 {
		t.Errorf("%v", got)
	}
}
