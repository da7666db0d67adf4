package agent

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
)

// bootstrap collects the rows that the command line asks for and the database lacks. What is
// there is left as it is: from then on the database is what counts.
func bootstrap(v *hwvtep.View, opts *Options) *hwvtep.Txn {
	tx := hwvtep.NewTxn(v.Layout())
	global, haveGlobal := v.TheGlobal()
	sw, haveSwitch := findSwitch(v, opts.Name)
	if !haveSwitch && len(opts.Ports) == 0 && opts.TunnelIP == "" {
		return tx // the operator makes the rows
	}
	if !haveGlobal {
		global.UUID = tx.InsertGlobal(hwvtep.Global{})
	}
	if !haveSwitch {
		sw = hwvtep.PhysicalSwitch{Name: opts.Name}
		sw.UUID = tx.InsertPhysicalSwitch(sw)
	}
	if !slices.Contains(global.Switches, sw.UUID) {
		tx.AddGlobalSwitches(global.UUID, sw.UUID)
	}
	if opts.TunnelIP != "" && len(sw.TunnelIPs) == 0 {
		tx.AddPhysicalSwitchTunnelIPs(sw.UUID, opts.TunnelIP)
	}
	for _, name := range opts.Ports {
		if hasPort(v, sw.Ports, name) {
			continue
		}
		tx.AddPhysicalSwitchPorts(sw.UUID, tx.InsertPhysicalPort(hwvtep.PhysicalPort{Name: name}))
	}
	return tx
}

// findSwitch returns the Physical_Switch of that name.
func findSwitch(v *hwvtep.View, name string) (hwvtep.PhysicalSwitch, bool) {
	for sw := range v.PhysicalSwitches() {
		if sw.Name == name {
			return sw, true
		}
	}
	return hwvtep.PhysicalSwitch{}, false
}

// hasPort says whether one of the ports has that name.
func hasPort(v *hwvtep.View, ports []hwvtep.UUID, name string) bool {
	return slices.ContainsFunc(ports, func(id hwvtep.UUID) bool {
		p, ok := v.PhysicalPort(id)
		return ok && p.Name == name
	})
}
