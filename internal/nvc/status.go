package nvc

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Status is what a controller does at one moment.
type Status struct {
	Targets  []TargetStatus  `json:"targets"`
	Networks []NetworkStatus `json:"networks"`
	Peers    []string        `json:"peers"`
	Resting  []int64         `json:"resting"` // VNIs that are given to no other network for a time
}

// TargetStatus is one database.
type TargetStatus struct {
	Target       string   `json:"target"`
	State        string   `json:"state"`    // "connecting", "active", "standby": another controller has the lock
	Switches     []string `json:"switches"` // the Physical_Switches, with their tunnel IPs
	Transactions uint64   `json:"transactions"`
	Rows         uint64   `json:"rows"` // written
	Failures     uint64   `json:"failures"`
	Failure      string   `json:"failure"` // the last one, "" if it is over
	Pending      int      `json:"pending"` // MACs, groups and switches to look at
}

// NetworkStatus is the logical switches of one name.
type NetworkStatus struct {
	Name    string   `json:"name"`
	VNI     int64    `json:"vni"` // 0: none yet
	Members []string `json:"members"`
	MACs    int      `json:"macs"`
	Groups  int      `json:"groups"`
	Apart   []string `json:"apart"` // targets where another writer has set another VNI
}

// Status asks what is going on.
func (n *NVC) Status(ctx context.Context) (s Status, err error) {
	err = n.do(ctx, func() { s = n.status() })
	return s, err
}

func (n *NVC) status() Status {
	s := Status{Targets: []TargetStatus{}, Networks: []NetworkStatus{}, Peers: []string{}, Resting: []int64{}}
	for vni, r := range n.mesh.resting {
		if time.Now().Before(r.until) {
			s.Resting = append(s.Resting, vni)
		}
	}
	slices.Sort(s.Resting)
	for _, p := range n.opts.Peers {
		s.Peers = append(s.Peers, p.String())
	}
	byDB := map[*database]string{}
	for _, t := range n.targets {
		byDB[t.db] = t.name
		ts := TargetStatus{Target: t.name, State: t.writer.State(), Switches: []string{}, Transactions: t.writer.Transactions, Rows: t.rows,
			Failures: t.writer.Failures, Failure: t.writer.Failure, Pending: len(t.db.marked) + len(t.db.switches)}
		if err := t.replica.LastError(); ts.State == "connecting" && err != nil {
			ts.Failure = err.Error()
		}
		if t.db.read {
			for ps := range t.db.view.PhysicalSwitches() {
				ts.Switches = append(ts.Switches, strings.TrimSpace(ps.Name+" "+strings.Join(ps.TunnelIPs, " ")))
			}
		}
		slices.Sort(ts.Switches)
		s.Targets = append(s.Targets, ts)
	}
	for _, net := range n.mesh.networks {
		if len(net.in) == 0 {
			continue
		}
		ns := NetworkStatus{Name: net.name, VNI: net.vni, Members: slices.Sorted(maps.Keys(net.members)), MACs: len(net.stations),
			Groups: len(net.groups), Apart: []string{}}
		if net.groups[unknownDst] != nil {
			ns.Groups--
		}
		for db, p := range net.in {
			if !p.joined && net.vni != 0 {
				ns.Apart = append(ns.Apart, byDB[db])
			}
		}
		slices.Sort(ns.Apart)
		s.Networks = append(s.Networks, ns)
	}
	slices.SortFunc(s.Networks, func(a, b NetworkStatus) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

// String is the status in lines for people.
func (s Status) String() string {
	var b strings.Builder
	for _, t := range s.Targets {
		fmt.Fprintf(&b, "%s: %s", t.Target, t.State)
		if len(t.Switches) > 0 {
			fmt.Fprintf(&b, ", %s", strings.Join(t.Switches, ", "))
		}
		fmt.Fprintf(&b, "; %d transactions, %d rows, %d failures", t.Transactions, t.Rows, t.Failures)
		if t.Pending > 0 {
			fmt.Fprintf(&b, ", %d pending", t.Pending)
		}
		b.WriteString("\n")
		if t.Failure != "" {
			fmt.Fprintf(&b, "  %s\n", t.Failure)
		}
	}
	for _, n := range s.Networks {
		fmt.Fprintf(&b, "switch %s: VNI %d, %d MACs, %d groups, members %s\n", n.Name, n.VNI, n.MACs, n.Groups, strings.Join(n.Members, " "))
		for _, t := range n.Apart {
			fmt.Fprintf(&b, "  not in the mesh: %s, where another writer has set another tunnel_key\n", t)
		}
	}
	if len(s.Resting) > 0 {
		fmt.Fprintf(&b, "not given to other switches for a time: VNI %s\n", strings.Trim(fmt.Sprint(s.Resting), "[]"))
	}
	return b.String()
}
