package vtep

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// Wanted is what the database must have of a switch when its VTEP starts. What the database
// says already counts more: a switch with tunnel IPs keeps them.
type Wanted struct {
	Name     string
	TunnelIP string   // "": none is set
	Ports    []string // to add
}

const bootstrapComment = "vtep: what the command line asks for"

// Bootstrap returns the transaction that gives the database what it lacks; nil: nothing.
// Without tunnel IP and ports not even the switch is made: it is then the operator's.
func Bootstrap(v *hwvtep.View, want Wanted) *hwvtep.Txn {
	if want.TunnelIP == "" && len(want.Ports) == 0 {
		return nil
	}
	tx := hwvtep.NewTxn(v.Layout())
	for ps := range v.PhysicalSwitches() {
		if ps.Name != want.Name {
			continue
		}
		if len(ps.TunnelIPs) == 0 && want.TunnelIP != "" {
			tx.AddPhysicalSwitchTunnelIPs(ps.UUID, want.TunnelIP)
		}
		tx.AddPhysicalSwitchPorts(ps.UUID, newPorts(v, tx, ps.Ports, want.Ports)...)
		if tx.Len() == 0 {
			return nil
		}
		tx.Comment(bootstrapComment)
		return tx
	}
	ps := hwvtep.PhysicalSwitch{Name: want.Name, Ports: newPorts(v, tx, nil, want.Ports)}
	if want.TunnelIP != "" {
		ps.TunnelIPs = []string{want.TunnelIP}
	}
	id := tx.InsertPhysicalSwitch(ps)
	if g, ok := v.TheGlobal(); ok {
		tx.AddGlobalSwitches(g.UUID, id)
	} else {
		tx.InsertGlobal(hwvtep.Global{Switches: []UUID{id}})
	}
	tx.Comment(bootstrapComment)
	return tx
}

// Overruled says in which the database has it otherwise than what is wanted, and counts: one
// line for each.
func Overruled(v *hwvtep.View, want Wanted) []string {
	var lines []string
	for ps := range v.PhysicalSwitches() {
		if ps.Name != want.Name {
			continue
		}
		if want.TunnelIP != "" && len(ps.TunnelIPs) > 0 && !hwvtep.HasIP(ps.TunnelIPs, want.TunnelIP) {
			lines = append(lines, fmt.Sprintf("the database says that the tunnel IP of %s is %s, not %s as the command line does, and the database counts: "+
				"vtep-ctl set Physical_Switch %s tunnel_ips=%s changes it", ps.Name, strings.Join(ps.TunnelIPs, " "), want.TunnelIP, ps.Name, want.TunnelIP))
		}
		var more []string
		for _, id := range ps.Ports {
			if p, ok := v.PhysicalPort(id); ok && !slices.Contains(want.Ports, p.Name) {
				more = append(more, p.Name)
			}
		}
		if len(want.Ports) > 0 && len(more) > 0 {
			slices.Sort(more)
			lines = append(lines, fmt.Sprintf("%s has ports that the command line does not name, and keeps them: %s; vtep-ctl del-port %s NAME takes one away",
				ps.Name, strings.Join(more, " "), ps.Name))
		}
	}
	return lines
}

// newPorts makes the rows of wanted ports that are not among those there are.
func newPorts(v *hwvtep.View, tx *hwvtep.Txn, have []UUID, want []string) []UUID {
	var names []string
	for _, id := range have {
		if p, ok := v.PhysicalPort(id); ok {
			names = append(names, p.Name)
		}
	}
	var made []UUID
	for _, name := range want {
		if !slices.Contains(names, name) {
			names = append(names, name)
			made = append(made, tx.InsertPhysicalPort(hwvtep.PhysicalPort{Name: name}))
		}
	}
	return made
}
