package vtep

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/intent"
)

// Two agents and an NVC work on one database. Agents act on views that are out of date, so that
// their transactions fail, or meet. In the end the rows are what both agents want, and both
// are idle.
func TestReportRaces(t *testing.T) { races(t, 2) }

// The same with one agent, which looks at what has changed only.
func TestReportIncremental(t *testing.T) { races(t, 1) }

func races(t *testing.T, n int) {
	rapid.Check(t, func(rt *rapid.T) {
		db := hwvteptest.NewDB()
		do := func(edit func(*hwvtep.Txn)) bool {
			tx := hwvtep.NewTxn(nil)
			edit(tx)
			_, err := db.Transact(tx)
			return err == nil
		}
		names := []string{"br0", "br1"}
		ips := []string{"192.0.2.1", "192.0.2.2"}
		var agents []*site
		for i, name := range names {
			if _, err := db.Transact(Bootstrap(db.View(), Wanted{Name: name, TunnelIP: ips[i], Ports: []string{name + "-p"}})); err != nil {
				rt.Fatal(err)
			}
		}
		for _, ls := range []string{"ls0", "ls1"} {
			do(func(tx *hwvtep.Txn) {
				tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: ls, TunnelKey: hwvtep.Some[int64](5)})
			})
		}
		db.Changes()
		for _, name := range names[:n] {
			a := newSite(t, db, name)
			a.alone = n == 1
			agents = append(agents, a)
		}
		any := agents[0]
		ls := func(t *rapid.T) UUID { return any.ls(rapid.SampledFrom([]string{"ls0", "ls1"}).Draw(t, "ls")).UUID }
		mac := func(t *rapid.T) intent.MAC { return intent.MAC{2, 5: rapid.ByteRange(1, 3).Draw(t, "mac")} }
		flying := make([]*hwvtep.Txn, n)
		which := func(t *rapid.T) int { return rapid.IntRange(0, n-1).Draw(t, "agent") }
		port := func(t *rapid.T) UUID { return any.port(rapid.SampledFrom(names).Draw(t, "switch") + "-p").UUID }
		rt.Repeat(map[string]func(*rapid.T){
			"bind": func(t *rapid.T) {
				port := any.port(names[which(t)] + "-p").UUID
				do(func(tx *hwvtep.Txn) {
					tx.PutPhysicalPortVLANBindings(port, map[int64]UUID{rapid.Int64Range(0, 1).Draw(t, "vlan"): ls(t)})
				})
			},
			"unbind": func(t *rapid.T) {
				do(func(tx *hwvtep.Txn) {
					tx.RemovePhysicalPortVLANBindings(port(t), rapid.Int64Range(0, 1).Draw(t, "vlan"))
				})
			},
			"remote": func(t *rapid.T) {
				do(func(tx *hwvtep.Txn) {
					tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac(t).String(), LogicalSwitch: ls(t),
						Locator: any.locator(tx, rapid.SampledFrom([]string{"192.0.2.8", "192.0.2.9", "192.0.2.1"}).Draw(t, "ip"))})
				})
			},
			"no remotes": func(*rapid.T) {
				do(func(tx *hwvtep.Txn) {
					for m := range db.View().UcastMACsRemote() {
						tx.DeleteUcastMACRemote(m.UUID)
					}
				})
			},
			"vandalize": func(t *rapid.T) { do(func(tx *hwvtep.Txn) { vandalize(t, db.View(), tx, n == 1) }) },
			"learn": func(t *rapid.T) {
				a := agents[which(t)]
				key := intent.MACKey{Switch: switchID(ls(t)), MAC: mac(t)}
				if rapid.Bool().Draw(t, "learned") && a.c.Active(key.Switch) {
					a.learned[key] = intent.BindingKey{Port: "x"}
				} else {
					delete(a.learned, key)
				}
				a.r.MarkMAC(key)
			},
			"look": func(t *rapid.T) {
				if i := which(t); flying[i] == nil {
					agents[i].look()
				}
			},
			"build": func(t *rapid.T) {
				if i := which(t); flying[i] == nil {
					agents[i].now = agents[i].now.Add(time.Second)
					flying[i] = agents[i].build()
				}
			},
			"transact": func(t *rapid.T) {
				if i := which(t); flying[i] != nil {
					_, err := db.Transact(flying[i])
					if rapid.Bool().Draw(t, "undone") { // before the agent has seen it done
						do(func(tx *hwvtep.Txn) { vandalize(t, db.View(), tx, n == 1) })
					}
					agents[i].look()
					agents[i].r.Done(err)
					flying[i] = nil
				}
			},
			"restart": func(t *rapid.T) {
				i := which(t)
				agents[i].restart(names[i])
				db.Changes()
				agents[i].look()
				agents[i].r.Unadopt()
				flying[i] = nil
			},
		})
		for i, tx := range flying {
			if tx != nil {
				agents[i].land(tx)
			}
		}
		for range 20 {
			for _, a := range agents {
				a.look()
				a.now = a.now.Add(tunnelGrace)
				if tx := a.build(); tx != nil {
					a.land(tx)
				}
			}
		}
		for _, a := range agents {
			a.look()
			if tx := a.build(); tx != nil {
				rt.Fatalf("%s is not idle: %s", a.c.name, tx.Ops())
			}
		}
		if got, want := reported(db.View()), wanted(agents, ips); got != want {
			rt.Fatalf("rows say\n%s\nwant\n%s", got, want)
		}
	})
}

// vandalize writes where others have no business to.
func vandalize(t *rapid.T, v *hwvtep.View, tx *hwvtep.Txn, alone bool) {
	what := rapid.SampledFrom([]string{"rows", "tunnels", "MACs", "addresses", "stats", "key"}).Draw(t, "what")
	for m := range v.UcastMACsLocal() {
		switch what {
		case "rows":
			tx.DeleteUcastMACLocal(m.UUID)
		case "MACs":
			tx.UpdateUcastMACLocal(m.UUID, hwvtep.UcastMACLocal{MAC: "nonsense"}, hwvtep.UcastMACLocalMAC)
		case "addresses":
			tx.UpdateUcastMACLocal(m.UUID, hwvtep.UcastMACLocal{IPAddr: "198.51.100.7"}, hwvtep.UcastMACLocalIPAddr)
		}
	}
	for m := range v.McastMACsLocal() {
		switch what {
		case "rows":
			tx.DeleteMcastMACLocal(m.UUID)
		case "MACs":
			tx.UpdateMcastMACLocal(m.UUID, hwvtep.McastMACLocal{MAC: "01:00:5e:00:00:07"}, hwvtep.McastMACLocalMAC)
		}
	}
	for ps := range v.PhysicalSwitches() {
		if what == "tunnels" {
			tx.RemovePhysicalSwitchTunnels(ps.UUID, ps.Tunnels...)
		}
		for l := range v.PhysicalLocators() {
			// Other switches take the locators that there are for their tunnels.
			if what == "key" && alone && slices.Contains(ps.TunnelIPs, l.DstIP) && !l.TunnelKey.Present() {
				key := hwvtep.Some(rapid.Int64Range(1, 9).Draw(t, "key"))
				tx.UpdatePhysicalLocator(l.UUID, hwvtep.PhysicalLocator{TunnelKey: key}, hwvtep.PhysicalLocatorTunnelKey)
			}
		}
	}
	for p := range v.PhysicalPorts() {
		if what == "stats" {
			tx.UpdatePhysicalPort(p.UUID, hwvtep.PhysicalPort{}, hwvtep.PhysicalPortVLANStats)
		}
	}
}

// look takes what is new in the database, or, if others look too, all of it.
func (s *site) look() {
	var changes *hwvtep.Changes
	if s.alone {
		ch := s.db.Changes()
		changes = &ch
	}
	s.c.Update(s.db.View(), changes)
	for key := range s.learned { // what has no binding is not learned
		if !s.c.Active(key.Switch) {
			delete(s.learned, key)
			s.r.MarkMAC(key)
		}
	}
	s.r.Update(changes)
}

// land executes a transaction that was built on what may be out of date by now.
func (s *site) land(tx *hwvtep.Txn) {
	_, err := s.db.Transact(tx)
	s.look()
	s.r.Done(err)
}

// wanted is what the rows must say, by the simplest way to say it.
func wanted(agents []*site, ips []string) string {
	var lines []string
	flood := map[string][]string{}
	for i, a := range agents {
		v := a.db.View()
		for id := range a.c.ActiveSwitches() {
			ls, _ := v.LogicalSwitch(UUID(id))
			flood[ls.Name] = append(flood[ls.Name], ips[i])
			for key := range a.learned {
				if key.Switch == id {
					lines = append(lines, fmt.Sprintf("ucast %s %v %s", ls.Name, key.MAC, ips[i]))
				}
			}
		}
		for peer := range a.c.peers.Keys() {
			if peer == netip.MustParseAddr(ips[i]) {
				lines = append(lines, "a tunnel to itself")
			}
			lines = append(lines, fmt.Sprintf("tunnel %s %s-%v", a.c.name, ips[i], peer))
		}
		for p := range a.c.Ports() {
			for vlan := range p.Bindings {
				lines = append(lines, fmt.Sprintf("stats %s/%d from 0/0 to 0/0", p.Name, vlan))
			}
		}
		for _, f := range a.c.Faults() {
			lines = append(lines, fmt.Sprintf("fault %s %s", a.c.name, f))
		}
	}
	for ls, set := range flood {
		slices.Sort(set)
		lines = append(lines, fmt.Sprintf("mcast %s unknown-dst %s", ls, strings.Join(set, " ")))
	}
	if len(agents) == 1 { // of the other switch nothing is reported
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "br1") })
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
