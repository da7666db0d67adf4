package fdb

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// An entry has the last IP addresses that were noted, and tells of each that it loses.
func TestIPs(t *testing.T) {
	epoch := time.Unix(1000, 0)
	table := NewTable(epoch, Config{})
	var lost []netip.Addr
	table.Lost = func(_ intent.MACKey, ip netip.Addr) { lost = append(lost, ip) }
	key, ip := intent.MACKey{MAC: intent.MAC{2, 1}}, func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, n}) }
	if table.SetIP(key, ip(1)) {
		t.Error("an address of what is not learned is noted")
	}
	table.Sight(epoch, key, intent.BindingKey{Port: "p0"})
	for n := byte(1); n <= maxIPs; n++ {
		if !table.SetIP(key, ip(n)) || table.SetIP(key, ip(n)) || table.IP(key) != ip(n) {
			t.Errorf("%v is not what is news", ip(n))
		}
	}
	if !table.SetIP(key, ip(1)) || len(lost) > 0 {
		t.Errorf("%v are lost by one that was there", lost)
	}
	if table.SetIP(key, ip(99)); !slices.Equal(lost, []netip.Addr{ip(2)}) {
		t.Errorf("%v are lost by one more, want %v", lost, ip(2))
	}
	if got := table.IPs(key); len(got) != maxIPs || got[0] != ip(99) || got[1] != ip(1) {
		t.Errorf("%v are left", got)
	}
	other := intent.MACKey{MAC: intent.MAC{2, 2}}
	table.Sight(epoch, other, intent.BindingKey{Port: "p0"})
	lost = nil
	if !table.SetIP(other, ip(1)) || !slices.Equal(lost, []netip.Addr{ip(1)}) || slices.Contains(table.IPs(key), ip(1)) {
		t.Errorf("%v are lost by one that another has, left are %v", lost, table.IPs(key))
	}
	if got, ok := table.Owner(intent.IPKey{IP: ip(1)}); got != other || !ok {
		t.Errorf("%v has it", got)
	}
	if !table.SetIP(key, ip(1)) || len(table.IPs(other)) > 0 {
		t.Errorf("%v are left to who had it for a while", table.IPs(other))
	}
	lost = nil
	if table.Remove(key); len(lost) != maxIPs {
		t.Errorf("%v are lost with the entry", lost)
	}
	if len(table.owners) > 0 {
		t.Errorf("%v are left", table.owners)
	}
}
