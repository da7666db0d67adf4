package intent

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
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
	w := &writer{names: switchNames(s.Switches)}
	if s.TunnelIP.IsValid() {
		w.line("tunnel-ip %v", s.TunnelIP)
	}
	if s.AcceptAnySource {
		w.line("accept-any-source")
	}
	if s.MACLimit != 0 {
		w.line("mac-limit %d", s.MACLimit)
	}
	section(w, s.Ports, func(name string, p Port) string {
		if p.TakeOver {
			name += " take-over"
		}
		if p.ServiceTags {
			name += " service-tags"
		}
		if p.MACLimit != 0 {
			return fmt.Sprintf("port %s mac-limit %d", name, p.MACLimit)
		}
		return "port " + name
	})
	section(w, s.Switches, func(id SwitchID, ls Switch) string {
		tags := ""
		if ls.InnerTags {
			tags = " inner-tags"
		}
		switch {
		case ls.VNI0:
			return fmt.Sprintf("switch %s vni %d allow-vni-0%s", w.name(id), ls.VNI, tags)
		case ls.VNI == 0:
			return fmt.Sprintf("switch %s no vni%s", w.name(id), tags)
		}
		return fmt.Sprintf("switch %s vni %d%s", w.name(id), ls.VNI, tags)
	})
	section(w, s.Bindings, func(k BindingKey, b Binding) string {
		return fmt.Sprintf("binding %v -> %s", k, w.name(b.Switch))
	})
	section(w, s.Unicast, func(k MACKey, t Tunnel) string {
		return fmt.Sprintf("unicast %s %v -> %v", w.name(k.Switch), k.MAC, t)
	})
	section(w, s.Floods, func(k FloodKey, set FloodSet) string {
		var b strings.Builder
		fmt.Fprintf(&b, "flood %s %s ->", w.name(k.Switch), groupText(k.MAC))
		for _, t := range set {
			b.WriteString(" " + t.String())
		}
		return b.String()
	})
	section(w, s.Decap, func(t Tunnel, id SwitchID) string {
		return fmt.Sprintf("decap %v -> %s", t, w.name(id))
	})
	section(w, s.BFD, func(peer netip.Addr, b BFD) string { return fmt.Sprintf("bfd %v %v", peer, b) })
	return w.String()
}

type writer struct {
	strings.Builder
	names map[SwitchID]string
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

func (w *writer) name(id SwitchID) string {
	if name, ok := w.names[id]; ok {
		return name
	}
	return id.String()
}

func section[K comparable, V any](w *writer, m map[K]V, text func(K, V) string) {
	lines := make([]string, 0, len(m))
	for k, v := range maps.All(m) {
		lines = append(lines, text(k, v))
	}
	slices.Sort(lines)
	for _, l := range lines {
		w.line("%s", l)
	}
}

// switchNames returns how to call each switch: by its name, quoted where it would not read
// as one word, or by its UUID where another has the same.
func switchNames(switches map[SwitchID]Switch) map[SwitchID]string {
	called := map[string]int{}
	for _, ls := range switches {
		called[ls.Name]++
	}
	names := make(map[SwitchID]string, len(switches))
	for id, ls := range switches {
		switch quoted := strconv.Quote(ls.Name); {
		case ls.Name == "" || called[ls.Name] > 1:
			names[id] = id.String()
		case quoted != `"`+ls.Name+`"` || strings.ContainsAny(ls.Name, " \t"):
			names[id] = quoted
		default:
			names[id] = ls.Name
		}
	}
	return names
}

// String returns d as text: what goes with "-", what comes with "+", sorted.
func (d *Delta) String() string {
	before, after := NewState(), NewState()
	divide(before.Ports, after.Ports, d.Ports)
	divide(before.Switches, after.Switches, d.Switches)
	divide(before.Bindings, after.Bindings, d.Bindings)
	divide(before.Unicast, after.Unicast, d.Unicast)
	divide(before.Floods, after.Floods, d.Floods)
	divide(before.Decap, after.Decap, d.Decap)
	divide(before.BFD, after.BFD, d.BFD)
	var b strings.Builder
	if d.Global {
		fmt.Fprintf(&b, "= {%v %v %d}\n", d.Scalars.TunnelIP, d.Scalars.AcceptAnySource, d.Scalars.MACLimit)
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

func divide[K comparable, V any](before, after map[K]V, changes []Change[K, V]) {
	for _, c := range changes {
		if c.Old != nil {
			before[c.Key] = *c.Old
		}
		if c.New != nil {
			after[c.Key] = *c.New
		}
	}
}
