package intent

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// String returns the UUID form.
func (id SwitchID) String() string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// String returns "PORT/VLAN", as in "p0/100"; VLAN 0 is untagged.
func (k BindingKey) String() string { return fmt.Sprintf("%s/%d", k.Port, k.VLAN) }

// String returns "SWITCH MAC".
func (k MACKey) String() string { return k.Switch.String() + " " + groupText(k.MAC) }

// String returns "PEER/VNI", as in "192.0.2.2/5000".
func (t Tunnel) String() string { return fmt.Sprintf("%v/%d", t.Peer, t.VNI) }

func groupText(m MAC) string {
	if m == UnknownDst {
		return "unknown-dst"
	}
	return m.String()
}

// String returns s as text, a line for each entry, sorted: equal States have equal texts.
// Switches are called by their names.
func (s *State) String() string {
	var b strings.Builder
	if s.TunnelIP.IsValid() {
		fmt.Fprintf(&b, "tunnel-ip %v\n", s.TunnelIP)
	}
	if s.TunnelIP6.IsValid() {
		fmt.Fprintf(&b, "tunnel-ip6 %v\n", s.TunnelIP6)
	}
	if s.AcceptAnySource {
		b.WriteString("accept-any-source\n")
	}
	if s.MACLimit != 0 {
		fmt.Fprintf(&b, "mac-limit %d\n", s.MACLimit)
	}
	n := switchNames(s.Switches)
	for _, t := range tables {
		for _, line := range t.lines(n, s) {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// names is how a text calls switches.
type names map[SwitchID]string

func (n names) of(id SwitchID) string {
	if name, ok := n[id]; ok {
		return name
	}
	return id.String()
}

// switchNames returns how to call each switch: by its name, quoted where it would not read
// as one word, or by its UUID where another has the same.
func switchNames(switches map[SwitchID]Switch) names {
	called := map[string]int{}
	for _, ls := range switches {
		called[ls.Name]++
	}
	all := make(names, len(switches))
	for id, ls := range switches {
		switch quoted := strconv.Quote(ls.Name); {
		case ls.Name == "" || called[ls.Name] > 1:
			all[id] = id.String()
		case quoted != `"`+ls.Name+`"` || strings.ContainsAny(ls.Name, " \t"):
			all[id] = quoted
		default:
			all[id] = ls.Name
		}
	}
	return all
}

// String returns d as text: what goes with "-", what comes with "+", sorted.
func (d *Delta) String() string {
	before, after := NewState(), NewState()
	for _, t := range tables {
		t.divide(before, after, d)
	}
	var b strings.Builder
	if d.Global {
		fmt.Fprintf(&b, "= {%v %v %d}\n", d.Scalars.TunnelIP, d.Scalars.AcceptAnySource, d.Scalars.MACLimit)
		if d.Scalars.TunnelIP6.IsValid() {
			fmt.Fprintf(&b, "= {%v}\n", d.Scalars.TunnelIP6)
		}
	}
	for _, part := range []struct {
		sign  string
		state *State
	}{{"- ", before}, {"+ ", after}} {
		for line := range strings.Lines(part.state.String()) {
			b.WriteString(part.sign + line)
		}
	}
	return b.String()
}
