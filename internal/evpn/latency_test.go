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
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// BenchmarkRowToFDB: how soon the kernel of an FRR sends to a host whose row a VTEP has made, beside one that another FRR
// has heard.
func BenchmarkRowToFDB(b *testing.B) {
	f := newFabric(b, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n")
	leaf := func(n, other int) *leaf {
		return f.leaf(n, uint32(65000+n), fmt.Sprintf("router bgp %d\n bgp router-id 10.0.0.%d\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 timers connect 1\n"+
			" neighbor 10.0.0.%d remote-as %d\n neighbor 10.0.0.%[3]d timers connect 1\n address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  neighbor 10.0.0.%[3]d activate\n  advertise-all-vni\n exit-address-family\n",
			65000+n, n, other, 65000+other))
	}
	l, peer := leaf(2, 3), leaf(3, 2)
	peer.sends(all, "10.0.0.2")
	f.remote("unknown-dst>10.0.0.2,10.0.0.3")

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

	news, done := make(chan netlink.NeighUpdate, 1024), make(chan struct{})
	defer close(done)
	if err := l.ns.Do(func() error { return netlink.NeighSubscribe(news, done) }); err != nil {
		b.Fatal(err)
	}
	known := func(mac, to string) {
		end := time.After(deadline)
		for {
			select {
			case n := <-news:
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
		var took [2]time.Duration
		const each = 20
		for j := range each {
			mac := func(kind int) string { return fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", kind, i>>8, i&0xff, j) }
			start := time.Now()
			tx := hwvtep.NewTxn(nil)
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac(1), LogicalSwitch: ls, Locator: locator})
			if _, err := rows.Transact(b.Context(), tx.Ops()); err != nil {
				b.Fatal(err)
			}
			known(mac(1), "10.0.0.1")
			took[0] += time.Since(start)
			start = time.Now()
			peer.speaks(mac(2))
			known(mac(2), "10.0.0.3")
			took[1] += time.Since(start)
		}
		for k, name := range []string{"row-vtep-ms", "row-frr-ms"} {
			costs[name] = append(costs[name], took[k].Seconds()*1000/each)
		}
		ratios = append(ratios, float64(took[0])/float64(took[1]))
	}
	b.ReportMetric(0, "ns/op") // of a whole round: tells nothing
	median := func(all []float64) float64 { slices.Sort(all); return all[len(all)/2] }
	for name, all := range costs {
		b.ReportMetric(median(all), strings.Replace(name, "-", ":", 1))
	}
	b.ReportMetric(10, "row:goal-vtep-ms")
	b.ReportMetric(median(ratios), "row:vtep-x-frr")
	b.ReportMetric(ratios[0], "row:vtep-x-frr-min")
	b.ReportMetric(ratios[len(ratios)-1], "row:vtep-x-frr-max")
}
