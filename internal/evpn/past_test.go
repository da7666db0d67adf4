package evpn

import (
	"fmt"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
)

// The sequence of a host that has gone is known for a time.
func TestPast(t *testing.T) {
	b, n := fabricOf(t)
	route := func(mac string, sequence uint32) *route {
		r := macRoute(high, mac, sequence)
		r.segment = esi{}
		return r
	}
	hears(b, true, route(host1, 7))
	hears(b, false, route(host1, 7))
	now := time.Now()
	if b.expire(now.Add(pastTime / 2)); n.hosts[host1] == nil || n.hosts[host1].highest != 7 {
		t.Fatalf("the sequence is forgotten: %+v", n.hosts[host1])
	}
	hears(b, true, route(host1, 8))
	if b.past.Len() != 0 {
		t.Error("a host that is there is aged")
	}
	hears(b, false, route(host1, 8))
	if b.expire(now.Add(2 * pastTime)); len(n.hosts) != 0 || b.past.Len() != 0 {
		t.Errorf("remembered: %v", n.hosts)
	}

	// One that has been here only is not remembered, and one that is here is not aged.
	h := n.host(host1)
	h.locals[hwvtep.UUID{9}] = &local{vtep: low, ours: true}
	hears(b, true, route(host1, 1))
	hears(b, false, route(host1, 1))
	if b.past.Len() != 0 || n.hosts[host1] == nil {
		t.Error("a host that is here is aged")
	}
	delete(h.locals, hwvtep.UUID{9})
	b.settle(n, host1)
	for i := range pastHosts + 10 {
		mac := fmt.Sprintf("02:00:01:%02x:%02x:%02x", byte(i>>16), byte(i>>8), byte(i))
		hears(b, true, route(mac, 0))
		hears(b, false, route(mac, 0))
	}
	if len(n.hosts) != pastHosts || b.past.Len() != pastHosts || n.hosts[host1] != nil {
		t.Errorf("%d hosts are remembered", len(n.hosts))
	}
}
