package evpn

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// No two VTEPs have a route distinguisher in common, nor two networks of one.
func TestDistinguishers(t *testing.T) {
	b, _ := fabricOf(t)
	seen := map[string]bool{}
	ips := []netip.Addr{low, high}
	for i := range 5 {
		ips = append(ips, netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i)))
	}
	for _, ip := range ips {
		b.database.own[ip] = true
	}
	for _, vni := range []uint32{33, 33 + 65536, 33 + 2*65536, 34, 65536, 1<<24 - 1} {
		for _, ip := range ips {
			rd := b.rd(ip, vni)
			if seen[rd] || rd != b.rd(ip, vni) || strings.HasSuffix(rd, ":0") {
				t.Errorf("VNI %d of %v: %s", vni, ip, rd)
			}
			seen[rd] = true
		}
	}
	b, _ = fabricOf(t)
	b.database.own[netip.MustParseAddr("2001:db8::1")] = true
	if rd := b.rd(netip.MustParseAddr("2001:db8::1"), 33); rd != "10.0.0.1:33" {
		t.Errorf("a VTEP that is alone has %s", rd)
	}
}

// A restart with the same rows changes no distinguisher, not even those that others would have, too.
func TestDistinguishersStay(t *testing.T) {
	var first map[instance]uint16
	for range 20 {
		b, _ := fabricOf(t)
		heads := map[netip.Addr]bool{}
		for i := range 3 {
			heads[netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i))] = true
		}
		maps.Copy(b.database.own, heads)
		for _, vni := range []uint32{7, 7 + 65536, 7 + spreads, 7 + 2*65536, 8, 8 + 65536} {
			n := newNetwork()
			n.vni, n.row.UUID = vni, hwvtep.UUID{1, byte(vni >> 16), byte(vni >> 8), byte(vni)}
			n.heads[hwvtep.UUID{byte(vni)}] = heads
			b.database.networks[n.row.UUID] = n
		}
		b.reserve()
		if len(b.numbers) != 18 {
			t.Fatalf("reserved are %d", len(b.numbers))
		}
		if first == nil {
			first = b.numbers
		}
		if !maps.Equal(first, b.numbers) {
			t.Fatalf("%v, were %v", b.numbers, first)
		}
	}
}

// Numbers of distinguishers are given back.
func TestRelease(t *testing.T) {
	b, n := fabricOf(t)
	first := b.rd(low, 33)
	for vni := range uint32(100) {
		b.rd(low, 34+vni)
	}
	b.release()
	if len(b.rds) != 1 || b.rd(low, 33) != first {
		t.Errorf("%d numbers are taken", len(b.rds))
	}
	n.vni = 33 + 1<<16
	second := b.rd(low, n.vni)
	b.release()
	if len(b.rds) != 1 || second == first || b.rd(low, n.vni) != second {
		t.Errorf("taken: %v", b.rds)
	}
	v6 := []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")}
	for _, ip := range v6 {
		b.database.own[ip] = true
		b.rd(ip, n.vni)
	}
	if b.release(); len(b.rds) != 3 {
		t.Errorf("taken: %v", b.rds)
	}
	delete(b.database.own, v6[0])
	if b.release(); len(b.rds) != 2 {
		t.Errorf("taken: %v", b.rds)
	}
}

// Where there are more instances than numbers some share one, each always the same, which stays with its owner.
func TestDistinguishersRunOut(t *testing.T) {
	b, _ := fabricOf(t)
	for vni := uint32(1); vni <= 65535; vni++ {
		b.rd(low, vni)
	}
	const more = 65536 + 33
	shared := b.rd(low, more)
	if shared != b.rd(low, 33) || b.rd(low, more) != shared || len(b.rds) != 65535 || len(b.numbers) != 65536 {
		t.Errorf("%s of %d, %d are taken by %d", shared, more, len(b.rds), len(b.numbers))
	}
	b.release()
	if len(b.rds) != 1 || len(b.numbers) != 1 || b.rd(low, 33) != shared {
		t.Errorf("taken: %v", b.rds)
	}
}

// Two VTEPs of a database with IPv6 tunnel IPs announce the same prefix, the same gateway, and each that it wants what is flooded: none of
// these takes the place of another.
func TestIPv6VTEPs(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		red := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "red", TunnelKey: hwvtep.Some[int64](5000)})
		tx.InsertLogicalRouter(hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: map[string]hwvtep.UUID{"10.1.0.1/24": ls, "169.254.0.1/16": red},
			OtherConfig: map[string]string{keyL3Switch: "red", keyGateway: "true"}})
		var switches []hwvtep.UUID
		for i, ip := range []string{"2001:db8::1", "2001:db8::2"} {
			switches = append(switches, tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: fmt.Sprintf("v%d", i+1), TunnelIPs: []string{ip}}))
			l := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ip})
			tx.InsertARPSourceLocal(hwvtep.ARPSourceLocal{SrcMAC: fmt.Sprintf("02:00:00:00:99:%02x", i+1), Locator: l})
			set := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: []hwvtep.UUID{l}})
			tx.InsertMcastMACLocal(hwvtep.McastMACLocal{MAC: unknownDst, LogicalSwitch: ls, LocatorSet: set})
		}
		tx.InsertGlobal(hwvtep.Global{Switches: switches})
	})
	s.up()
	s.whole()
	s.announces("2 2001:db8::1", "2 2001:db8::2", "3 2001:db8::1", "3 2001:db8::2", "5 2001:db8::1", "5 2001:db8::2")
}

// announces waits until these routes are announced, each as its type and VTEP.
func (s *bed) announces(want ...string) {
	s.Helper()
	testenv.Eventually(s, deadline, func() (err error) {
		failed := s.bridge.ask(s.Context(), func() {
			var got []string
			for k, r := range s.bridge.speaker.announced {
				got = append(got, fmt.Sprint(k.kind, " ", r.vtep))
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				err = fmt.Errorf("announced are %q, want %q", got, want)
			}
		})
		return cmp.Or(failed, err)
	})
}
