package evpn_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// BenchmarkRowToFDB: how soon the kernel of an FRR sends to a host whose row a VTEP has made, beside one that another FRR
// has heard. FRR's zebra waits 10 ms before it looks at what has come, unless it is told otherwise: "quick" is one that waits 1 ms.
func BenchmarkRowToFDB(b *testing.B) {
	f := newFabric(b, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n- address: 10.0.0.4\n  as: 65004\n")
	start := func(n, other int, prepare ...func(*leaf)) *leaf {
		return f.leaf(n, uint32(65000+n), fmt.Sprintf("router bgp %d\n bgp router-id 10.0.0.%d\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 timers connect 1\n"+
			" neighbor 10.0.0.%d remote-as %d\n neighbor 10.0.0.%[3]d timers connect 1\n address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  neighbor 10.0.0.%[3]d activate\n  advertise-all-vni\n exit-address-family\n",
			65000+n, n, other, 65000+other), prepare...)
	}
	l, peer := start(2, 3), start(3, 2)
	quick := start(4, 3, func(l *leaf) { l.zebra = "zebra work-queue 1\n" })
	peer.sends(all, "10.0.0.2")
	quick.sends(all, "10.0.0.1")

	target := "unix:" + filepath.Join(f.env.RunDir, "db.sock")
	targets, _, err := idl.ParseTargets(target, nil)
	if err != nil {
		b.Fatal(err)
	}
	rows := idl.New(idl.Options{Database: hwvtep.Database, Targets: targets, Tables: map[string][]string{hwvtep.TableLogicalSwitch: {"name"}}})
	go func() { _ = rows.Run(b.Context()) }()
	uuid := func(table, which string) hwvtep.UUID {
		id, ok := ovsdb.ParseUUID(strings.TrimSpace(f.ctl("--bare", "--columns=_uuid", "find", table, which)))
		if !ok {
			b.Fatalf("no %s with %s", table, which)
		}
		return id
	}
	ls, locator := uuid("Logical_Switch", "name=ls0"), uuid("Physical_Locator", "dst_ip=10.0.0.1")
	<-rows.Updates()

	done := make(chan struct{})
	defer close(done)
	news := map[*namespace.Namespace]chan netlink.NeighUpdate{}
	for _, l := range []*namespace.Namespace{l.ns, quick.ns} {
		all := make(chan netlink.NeighUpdate, 1024)
		news[l] = all
		if err := l.Do(func() error { return netlink.NeighSubscribe(all, done) }); err != nil {
			b.Fatal(err)
		}
	}
	known := func(at *namespace.Namespace, mac, to string) {
		end := time.After(deadline)
		for {
			select {
			case n := <-news[at]:
				if n.HardwareAddr.String() == mac && n.IP != nil && n.IP.String() == to {
					return
				}
			case <-end:
				b.Fatalf("FRR's kernel does not know of %s", mac)
			}
		}
	}
	costs := map[string][]float64{}
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		var took [3]time.Duration
		const each = 20
		for j := range each {
			mac := func(kind int) string { return fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", kind, i>>8, i&0xff, j) }
			start := time.Now()
			tx := hwvtep.NewTxn(nil)
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac(1), LogicalSwitch: ls, Locator: locator})
			if _, err := rows.Transact(b.Context(), tx.Ops()); err != nil {
				b.Fatal(err)
			}
			known(quick.ns, mac(1), "10.0.0.1")
			took[2] += time.Since(start)
			known(l.ns, mac(1), "10.0.0.1")
			took[0] += time.Since(start)
			start = time.Now()
			peer.speaks(mac(2))
			known(l.ns, mac(2), "10.0.0.3")
			took[1] += time.Since(start)
		}
		for k, name := range []string{"row-vtep-ms", "row-frr-ms", "row-vtep-quick-ms"} {
			costs[name] = append(costs[name], took[k].Seconds()*1000/each)
		}
		ratios = append(ratios, float64(took[0])/float64(took[1]))
	}
	b.ReportMetric(0, "ns/op") // of a whole round: tells nothing
	median := func(all []float64) float64 { slices.Sort(all); return all[len(all)/2] }
	for name, all := range costs {
		b.ReportMetric(median(all), strings.Replace(name, "-", ":", 1))
	}
	b.ReportMetric(10, "row:goal-vtep-quick-ms")
	b.ReportMetric(median(ratios), "row:vtep-x-frr")
	b.ReportMetric(ratios[0], "row:vtep-x-frr-min")
	b.ReportMetric(ratios[len(ratios)-1], "row:vtep-x-frr-max")
}
