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
	if s.FragmentOuter {
		b.WriteString("fragment-outer\n")
	}
	if s.MACLimit != 0 {
		fmt.Fprintf(&b, "mac-limit %d\n", s.MACLimit)
	}
	if !s.ARPSource.IsZero() {
		fmt.Fprintf(&b, "arp-source %v\n", s.ARPSource)
	}
	if s.GroupMark != 0 {
		fmt.Fprintf(&b, "group-mark %#x\n", s.GroupMark)
	}
	for _, p := range []struct {
		name string
		is   Priority
	}{{"tunnel-dscp", s.TunnelDSCP}, {"tag-pcp", s.TagPCP}} {
		if p.is != (Priority{}) {
			fmt.Fprintf(&b, "%s %v\n", p.name, p.is)
		}
	}
	n := namesOf(s)
	for _, t := range tables {
		for _, line := range t.lines(n, s) {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// names is how a text calls switches, routers and ACLs.
type names struct {
	switches map[SwitchID]string
	routers  map[RouterID]string
	acls     map[ACLID]string
}

func (n names) of(id SwitchID) string {
	if name, ok := n.switches[id]; ok {
		return name
	}
	return id.String()
}

func (n names) router(id RouterID) string {
	if name, ok := n.routers[id]; ok {
		return name
	}
	return id.String()
}

func (n names) acl(id ACLID) string {
	if name, ok := n.acls[id]; ok {
		return name
	}
	return id.String()
}

func namesOf(s *State) names {
	return names{
		call(s.Switches, func(ls Switch) string { return ls.Name }, SwitchID.String),
		call(s.Routers, func(r Router) string { return r.Name }, RouterID.String),
		call(s.ACLs, func(a ACL) string { return a.Name }, ACLID.String),
	}
}

// call returns how to call each of all: by its name, quoted where it would not read as one
// word, or by its UUID where another has the same.
func call[K comparable, V any](all map[K]V, name func(V) string, uuid func(K) string) map[K]string {
	called := map[string]int{}
	for _, v := range all {
		called[name(v)]++
	}
	texts := make(map[K]string, len(all))
	for id, v := range all {
		if own := name(v); own == "" || called[own] > 1 {
			texts[id] = uuid(id)
		} else {
			texts[id] = quoted(own)
		}
	}
	return texts
}

func quoted(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` || strings.ContainsAny(name, " \t") {
		return q
	}
	return name
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
		if !d.Scalars.ARPSource.IsZero() {
			fmt.Fprintf(&b, "= {arp-source %v}\n", d.Scalars.ARPSource)
		}
		if d.Scalars.GroupMark != 0 {
			fmt.Fprintf(&b, "= {group-mark %#x}\n", d.Scalars.GroupMark)
		}
		if d.Scalars.FragmentOuter {
			b.WriteString("= {fragment-outer}\n")
		}
		if none := (Priority{}); d.Scalars.TunnelDSCP != none || d.Scalars.TagPCP != none {
			fmt.Fprintf(&b, "= {dscp %v pcp %v}\n", d.Scalars.TunnelDSCP, d.Scalars.TagPCP)
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
