package hwvteptest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// Reported is what the tables that agents write say, in sorted lines; with measured, what changes
// by itself too: the counters, and the state of tunnels.
func Reported(v *hwvtep.View, measured bool) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	ip := func(id hwvtep.UUID) string {
		l, ok := v.PhysicalLocator(id)
		if !ok {
			return "?"
		}
		if key, ok := l.TunnelKey.Get(); ok {
			return fmt.Sprintf("%s/%d", l.DstIP, key)
		}
		return l.DstIP
	}
	ls := func(id hwvtep.UUID) string {
		ls, _ := v.LogicalSwitch(id)
		return ls.Name
	}
	for m := range v.UcastMACsLocal() {
		says := ""
		if m.IPAddr != "" {
			says = " says " + m.IPAddr
		}
		add("ucast %s %s %s%s", ls(m.LogicalSwitch), m.MAC, ip(m.Locator), says)
	}
	for m := range v.McastMACsLocal() {
		set, _ := v.PhysicalLocatorSet(m.LocatorSet)
		ips := []string{}
		for _, l := range set.Locators {
			ips = append(ips, ip(l))
		}
		slices.Sort(ips)
		add("mcast %s %s %s", ls(m.LogicalSwitch), m.MAC, strings.Join(ips, " "))
	}
	for ps := range v.PhysicalSwitches() {
		for _, id := range ps.Tunnels {
			t, _ := v.Tunnel(id)
			status := ""
			if measured {
				status = pairsText(" status", t.BFDStatus)
			}
			add("tunnel %s %s-%s%s", ps.Name, ip(t.Local), ip(t.Remote), status)
		}
		for _, f := range ps.SwitchFaultStatus {
			add("fault %s %s", ps.Name, f)
		}
	}
	for p := range v.PhysicalPorts() {
		for vlan, id := range p.VLANStats {
			if !measured {
				add("stats %s/%d", p.Name, vlan)
				continue
			}
			s, _ := v.LogicalBindingStats(id)
			add("stats %s/%d from %d/%d to %d/%d", p.Name, vlan, s.PacketsFromLocal, s.BytesFromLocal, s.PacketsToLocal, s.BytesToLocal)
		}
		for _, f := range p.PortFaultStatus {
			add("fault %s %s", p.Name, f)
		}
	}
	for lr := range v.LogicalRouters() {
		for _, f := range lr.LRFaultStatus {
			add("fault %s %s", lr.Name, f)
		}
	}
	for a := range v.ACLs() {
		for _, f := range a.FaultStatus {
			add("fault %s %s", a.Name, f)
		}
	}
	for e := range v.ACLEntries() {
		for _, f := range e.ACLEFaultStatus {
			add("fault entry %d %s", e.Sequence, f)
		}
	}
	slices.Sort(lines)
	return lines
}

func pairsText(name string, m map[string]string) string {
	text := ""
	for _, k := range slices.Sorted(maps.Keys(m)) {
		text += name + ":" + k + "=" + m[k]
	}
	return text
}
