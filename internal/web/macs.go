package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/quantity"
)

// macRow is a MAC as the table of them shows it.
type macRow struct {
	Switch     string // name of the logical switch
	SwitchUUID string
	MAC, IP    string
	Local      bool
	Where      string // "port p0 VLAN 100", "192.0.2.2 VNI 33"
	Peer       string // "": it is none
	Age, Moves string // of those that are learned here
	Table      string // the row
	UUID       string

	key intent.MACKey
}

// steady is how many MACs a page may have been chosen from that is made again with each change.
const steady = 5000

// macs shows what the database says of MACs: to look through it takes nothing from the agent. Where those
// of the page are learned, and when they were seen, is asked for.
func (s *site) macs(r *http.Request) (view, error) {
	q := queryOf(r)
	data := struct {
		list[macRow]
		Live bool
	}{}
	snapshot := s.source.Rows()
	if snapshot == nil {
		return view{}, errNoRows
	}
	found, all := macRows(snapshot, &q)
	rows, part := cut(&q, found, all, "MACs", "MAC, IP, switch, or peer")
	var keys []intent.MACKey
	for _, row := range rows {
		if row.Local {
			keys = append(keys, row.key)
		}
	}
	where, err := s.source.WhereLearned(r.Context(), keys)
	if err != nil {
		where = nil // the agent is busy: what the rows say is shown
	}
	for i := range rows {
		if at, ok := where[rows[i].key]; ok && rows[i].Local {
			rows[i].at(at)
		}
	}
	data.list, data.Live = list[macRow]{Rows: rows, paging: part}, all <= steady
	return view{Template: "macs.html", Title: "MACs", Data: data}, nil
}

func (m *macRow) at(l agent.LearnedMAC) {
	m.Where, m.Peer = fmt.Sprintf("port %s %s", name(l.Port), vlanName(l.VLAN)), ""
	m.Age, m.Moves = quantity.Span(time.Duration(l.Age)*time.Second), fmt.Sprint(l.Moves)
	m.IP = cmp.Or(m.IP, l.IP)
}

// macRows are the rows of MACs in a snapshot that a query asks for, by the names of their switches, and how many there are.
func macRows(snapshot *idl.Snapshot, q *query) (found []macRow, all int) {
	v := hwvtep.NewView[*idl.Table](snapshot)
	switches, locators := map[hwvtep.UUID]hwvtep.LogicalSwitch{}, map[hwvtep.UUID]string{}
	for o := range v.LogicalSwitches() {
		switches[o.UUID] = o
	}
	vni := map[hwvtep.UUID]int64{}
	for o := range v.PhysicalLocators() {
		locators[o.UUID] = o.DstIP
		if n, ok := o.TunnelKey.Get(); ok {
			vni[o.UUID] = n
		}
	}
	add := func(local bool, table string, id, ls, locator hwvtep.UUID, mac, ip string) {
		all++
		o, peer := switches[ls], locators[locator]
		if !q.matches(mac, ip, o.Name, peer) {
			return
		}
		m := macRow{Switch: o.Name, SwitchUUID: ls.String(), MAC: mac, IP: ip, Local: local, Where: peer, Peer: peer, Table: table, UUID: id.String()}
		if n, ok := vni[locator]; ok {
			m.Where += fmt.Sprintf(" VNI %d", n)
		} else if n, ok := o.TunnelKey.Get(); ok && peer != "" {
			m.Where += fmt.Sprintf(" VNI %d", n)
		}
		if local {
			m.Where, m.Peer = "this VTEP, or another one of the database", ""
		}
		if parsed, err := intent.ParseMAC(mac); err == nil {
			m.key = intent.MACKey{Switch: intent.SwitchID(ls), MAC: parsed}
		}
		found = append(found, m)
	}
	for o := range v.UcastMACsLocal() {
		add(true, hwvtep.TableUcastMACLocal, o.UUID, o.LogicalSwitch, o.Locator, o.MAC, o.IPAddr)
	}
	for o := range v.UcastMACsRemote() {
		add(false, hwvtep.TableUcastMACRemote, o.UUID, o.LogicalSwitch, o.Locator, o.MAC, o.IPAddr)
	}
	slices.SortFunc(found, func(a, b macRow) int {
		return cmp.Or(natural(a.Switch, b.Switch), cmp.Compare(a.SwitchUUID, b.SwitchUUID), cmp.Compare(a.MAC, b.MAC), cmp.Compare(a.UUID, b.UUID))
	})
	return found, all
}
