package evpn

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// Rows and routes may come in any order: what becomes of them is the same.
func TestAnyOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 3 {
		steps := random.Perm(7)
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed %d: in the order %v", seed, steps)
				}
			}()
			inOrder(t, steps)
		})
	}
}

// inOrder takes steps, each when those before it are done, and wants the outcome.
func inOrder(t *testing.T, steps []int) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "red"})
	})
	s.up()
	s.whole()
	// view has f look at the database when it has what the test has written.
	view := func(f func(v *hwvtep.View) error) {
		t.Helper()
		testenv.Eventually(t, deadline, func() (err error) {
			if asked := s.bridge.ask(t.Context(), func() { err = f(s.bridge.database.view) }); asked != nil {
				return asked
			}
			return err
		})
	}
	find := func(name string) (id hwvtep.UUID) {
		view(func(v *hwvtep.View) error {
			for ls := range v.LogicalSwitches() {
				if ls.Name == name {
					id = ls.UUID
					return nil
				}
			}
			return fmt.Errorf("there is no %s", name)
		})
		return id
	}
	ls0, red := find("ls0"), find("red")
	locator := func(tx *hwvtep.Txn) hwvtep.UUID { // there may be one
		for l := range s.bridge.database.view.PhysicalLocators() {
			if l.DstIP == "10.0.0.1" {
				return l.UUID
			}
		}
		return tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
	}
	prefix := &route{key: key{kind: Prefix, rd: "10.0.0.2:5000", to: netip.MustParsePrefix("10.2.0.0/16")}, vtep: high, vni: 5000, routerMAC: "02:00:00:00:50:02", targets: []target{{"65002", false, 5000}}}
	all := []func(){
		func() {
			s.write(func(tx *hwvtep.Txn) {
				tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})}})
			})
		},
		func() {
			s.write(func(tx *hwvtep.Txn) {
				tx.UpdateLogicalSwitch(red, hwvtep.LogicalSwitch{TunnelKey: hwvtep.Some[int64](5000)}, hwvtep.LogicalSwitchTunnelKey)
			})
		},
		func() {
			s.write(func(tx *hwvtep.Txn) {
				tx.InsertLogicalRouter(hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: map[string]hwvtep.UUID{"10.1.0.1/24": ls0, "169.254.0.1/16": red}, OtherConfig: map[string]string{keyL3Switch: "red"}})
			})
		},
		func() {
			s.write(func(tx *hwvtep.Txn) {
				tx.InsertARPSourceLocal(hwvtep.ARPSourceLocal{SrcMAC: "02:00:00:00:99:01", Locator: locator(tx)})
			})
		},
		func() {
			s.write(func(tx *hwvtep.Txn) {
				tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: host1, LogicalSwitch: ls0, Locator: locator(tx), IPAddr: "10.1.0.9"})
			})
		},
		func() { s.announce(prefix, nil) },
		func() { s.announce(hostAt("02:00:00:00:00:0b", high), nil) },
	}
	for _, i := range steps {
		all[i]()
	}
	view(func(v *hwvtep.View) error {
		var got []string
		for r := range v.LogicalRouters() {
			got = append(got, fmt.Sprint(r.StaticRoutes))
		}
		for m := range v.UcastMACsRemote() {
			got = append(got, m.MAC+" "+m.IPAddr)
		}
		for k := range s.bridge.speaker.announced {
			r := s.bridge.speaker.announced[k]
			got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s %v %s", k.kind, k.mac, k.to, r.routerMAC)))
		}
		slices.Sort(got)
		want := []string{"02:00:00:00:00:0b ", "02:00:00:00:50:02 169.254.0.2",
			"2 02:00:00:00:00:01 invalid Prefix", "2 02:00:00:00:00:01 invalid Prefix 02:00:00:00:99:01", "5  10.1.0.0/24 02:00:00:00:99:01", "map[10.2.0.0/16:169.254.0.2]"}
		if !slices.Equal(got, want) {
			return fmt.Errorf("there is %q, want %q", got, want)
		}
		return nil
	})
}
