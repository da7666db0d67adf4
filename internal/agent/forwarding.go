package agent

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// Forwarding is what forwarding has to be. Its text is the canonical one of intent.State.
type Forwarding struct {
	TunnelIP        string             `json:"tunnel_ip"`  // "": there are no tunnels to IPv4 peers
	TunnelIP6       string             `json:"tunnel_ip6"` // likewise of IPv6
	AcceptAnySource bool               `json:"accept_any_source"`
	MACLimit        uint32             `json:"mac_limit"`
	Ports           []string           `json:"ports"`
	Segments        []PortSegment      `json:"segments"` // of ports to which other VTEPs are attached
	Switches        []ForwardingSwitch `json:"logical_switches"`

	text string
}

// ForwardingSwitch is one logical switch of it, with what belongs to that.
type ForwardingSwitch struct {
	UUID     string          `json:"uuid"`
	Name     string          `json:"name"`
	VNI      uint32          `json:"vni"`
	Bindings []PortRole      `json:"bindings"`
	Unicast  []ForwardingMAC `json:"unicast"`
	Attached []AttachedMAC   `json:"attached"` // at ports of segments, by a row
	Floods   []ForwardingMAC `json:"floods"`   // the MAC 00:00:00:00:00:00 stands for all that have no other
	Members  []GroupPorts    `json:"members"`  // as intent.MemberSet has them
	Accepted []PeerVNI       `json:"accepted"` // frames of these enter it
}

// PortSegment is the Ethernet segment of a port: what one of these VTEPs floods does not leave by the port.
type PortSegment struct {
	Port  string   `json:"port"`
	VTEPs []string `json:"vteps"`
}

// PortRole is a binding, and what it does for the segment of its port: one of the words of intent.Role, or
// nothing where no other VTEP is attached to one, and so it forwards as any.
type PortRole struct {
	PortVLAN
	Role string `json:"role,omitempty"`
}

// AttachedMAC is the binding by which frames to a host leave.
type AttachedMAC struct {
	MAC string `json:"mac"`
	PortVLAN
}

// GroupPorts is the bindings that get frames to a group MAC.
type GroupPorts struct {
	MAC      string     `json:"mac"`
	Bindings []PortVLAN `json:"bindings"`
}

// PortVLAN is a binding.
type PortVLAN struct {
	Port string `json:"port"`
	VLAN uint16 `json:"vlan"`
}

// PeerVNI is a tunnel in one direction.
type PeerVNI struct {
	Peer string `json:"peer"`
	VNI  uint32 `json:"vni"`
}

// ForwardingMAC is where frames to one address go.
type ForwardingMAC struct {
	MAC     string    `json:"mac"`
	Tunnels []PeerVNI `json:"tunnels"`
}

func peerVNI(t intent.Tunnel) PeerVNI { return PeerVNI{t.Peer.String(), t.VNI} }

func (f Forwarding) String() string { return f.text }

// State returns what forwarding has to be.
func (a *Agent) State(ctx context.Context) (Forwarding, error) {
	return ask(ctx, a, func(context.Context) (Forwarding, error) { return forwarding(a.compiler.State()), nil })
}

func forwarding(s *intent.State) Forwarding {
	f := Forwarding{AcceptAnySource: s.AcceptAnySource, MACLimit: s.MACLimit, Ports: slices.AppendSeq([]string{}, maps.Keys(s.Ports)),
		Segments: []PortSegment{}, Switches: []ForwardingSwitch{}, text: s.String()}
	if s.TunnelIP.IsValid() {
		f.TunnelIP = s.TunnelIP.String()
	}
	if s.TunnelIP6.IsValid() {
		f.TunnelIP6 = s.TunnelIP6.String()
	}
	slices.Sort(f.Ports)
	for _, port := range slices.Sorted(maps.Keys(s.Segments)) {
		seg := PortSegment{Port: port}
		for _, ip := range s.Segments[port] {
			seg.VTEPs = append(seg.VTEPs, ip.String())
		}
		f.Segments = append(f.Segments, seg)
	}
	ids := slices.SortedFunc(maps.Keys(s.Switches), func(x, y intent.SwitchID) int {
		return cmp.Or(cmp.Compare(s.Switches[x].Name, s.Switches[y].Name), cmp.Compare(x.String(), y.String()))
	})
	at := map[intent.SwitchID]*ForwardingSwitch{}
	f.Switches = make([]ForwardingSwitch, len(ids))
	for i, id := range ids {
		f.Switches[i] = ForwardingSwitch{UUID: id.String(), Name: s.Switches[id].Name, VNI: s.Switches[id].VNI,
			Bindings: []PortRole{}, Unicast: []ForwardingMAC{}, Attached: []AttachedMAC{}, Floods: []ForwardingMAC{}, Members: []GroupPorts{}, Accepted: []PeerVNI{}}
		at[id] = &f.Switches[i]
	}
	for _, key := range slices.SortedFunc(maps.Keys(s.Bindings), intent.BindingKey.Compare) {
		if ls := at[s.Bindings[key].Switch]; ls != nil {
			ls.Bindings = append(ls.Bindings, portRole(s, key))
		}
	}
	for _, key := range slices.SortedFunc(s.Unicast.Keys(), intent.MACKey.Compare) {
		if ls := at[key.Switch]; ls != nil {
			ls.Unicast = append(ls.Unicast, ForwardingMAC{key.MAC.String(), []PeerVNI{peerVNI(s.Unicast.At(key))}})
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(s.Attached), intent.MACKey.Compare) {
		if ls := at[key.Switch]; ls != nil {
			ls.Attached = append(ls.Attached, AttachedMAC{key.MAC.String(), PortVLAN{s.Attached[key].Port, s.Attached[key].VLAN}})
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(s.Floods), intent.MACKey.Compare) {
		if ls := at[key.Switch]; ls != nil {
			tunnels := []PeerVNI{}
			for _, t := range s.Floods[key] {
				tunnels = append(tunnels, peerVNI(t))
			}
			ls.Floods = append(ls.Floods, ForwardingMAC{key.MAC.String(), tunnels})
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(s.Members), intent.MACKey.Compare) {
		if ls := at[key.Switch]; ls != nil {
			group := GroupPorts{key.MAC.String(), []PortVLAN{}}
			for _, b := range s.Members[key] {
				group.Bindings = append(group.Bindings, PortVLAN{b.Port, b.VLAN})
			}
			ls.Members = append(ls.Members, group)
		}
	}
	for _, t := range slices.SortedFunc(s.Decap.Keys(), intent.Tunnel.Compare) {
		if ls := at[s.Decap.At(t)]; ls != nil {
			ls.Accepted = append(ls.Accepted, peerVNI(t))
		}
	}
	return f
}

func portRole(s *intent.State, key intent.BindingKey) PortRole {
	r := PortRole{PortVLAN: PortVLAN{key.Port, key.VLAN}}
	role := s.Bindings[key].Role
	if _, shared := s.Segments[key.Port]; shared || role != intent.Designated {
		r.Role = role.String()
	}
	return r
}

// Traffic is the counters of the dataplane.
type Traffic struct {
	Bindings []BindingTraffic  `json:"bindings"`
	Drops    map[string]uint64 `json:"drops"`              // frames, by reason
	Answered map[string]uint64 `json:"answered,omitempty"` // questions for neighbors, by kind
}

// BindingTraffic is what the hosts of one binding have sent and got.
type BindingTraffic struct {
	PortVLAN
	FromPackets uint64 `json:"packets_from_local"`
	FromBytes   uint64 `json:"bytes_from_local"`
	ToPackets   uint64 `json:"packets_to_local"`
	ToBytes     uint64 `json:"bytes_to_local"`
}

func (t Traffic) String() string {
	var b strings.Builder
	for _, c := range t.Bindings {
		fmt.Fprintf(&b, "%s: from it %d packets %d bytes, to it %d packets %d bytes\n", problem.PortVLAN(c.Port, c.VLAN), c.FromPackets, c.FromBytes, c.ToPackets, c.ToBytes)
	}
	for _, reason := range slices.Sorted(maps.Keys(t.Drops)) {
		fmt.Fprintf(&b, "dropped %s: %d\n", reason, t.Drops[reason])
	}
	for _, kind := range slices.Sorted(maps.Keys(t.Answered)) {
		fmt.Fprintf(&b, "answered %s: %d\n", kind, t.Answered[kind])
	}
	return b.String()
}

// Traffic reads the counters.
func (a *Agent) Traffic(ctx context.Context) (Traffic, error) {
	return ask(ctx, a, func(loop context.Context) (Traffic, error) {
		stats, err := a.opts.Plane.Stats(loop)
		if err != nil {
			return Traffic{}, fmt.Errorf("read the counters: %w", err)
		}
		t := Traffic{Bindings: []BindingTraffic{}, Drops: stats.Drops, Answered: stats.Answered}
		for _, at := range slices.SortedFunc(maps.Keys(stats.Bindings), intent.BindingKey.Compare) {
			c := stats.Bindings[at]
			t.Bindings = append(t.Bindings, BindingTraffic{PortVLAN{at.Port, at.VLAN}, c.PacketsFromLocal, c.BytesFromLocal, c.PacketsToLocal, c.BytesToLocal})
		}
		return t, nil
	})
}

// Tunnels is the tunnels to other VTEPs; as text a line each.
type Tunnels []Tunnel

// Tunnel is one of them.
type Tunnel struct {
	Local  string   `json:"local"`
	Remote string   `json:"remote"`
	VNIs   []uint32 `json:"vnis"`
	Error  string   `json:"error"` // why it does not work; "": nothing is known against it
}

func (all Tunnels) String() string {
	var b strings.Builder
	for _, t := range all {
		fmt.Fprintf(&b, "%s to %s, VNI", t.Local, t.Remote)
		for i, vni := range t.VNIs {
			if i == 10 {
				fmt.Fprintf(&b, " and %d more", len(t.VNIs)-i)
				break
			}
			fmt.Fprintf(&b, " %d", vni)
		}
		if t.Error != "" {
			b.WriteString(": " + t.Error)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Tunnels lists the tunnels to other VTEPs.
func (a *Agent) Tunnels(ctx context.Context) (Tunnels, error) {
	return ask(ctx, a, func(context.Context) (Tunnels, error) {
		return tunnels(a.compiler.State(), a.reporter.Report()), nil
	})
}

func tunnels(s *intent.State, r *plane.Report) Tunnels {
	vnis := map[netip.Addr][]uint32{}
	for t := range s.Decap.Keys() {
		vnis[t.Peer] = append(vnis[t.Peer], t.VNI)
	}
	all := Tunnels{}
	for _, peer := range slices.SortedFunc(maps.Keys(vnis), netip.Addr.Compare) {
		slices.Sort(vnis[peer])
		t := Tunnel{Local: s.Source(peer).String(), Remote: peer.String(), VNIs: vnis[peer]}
		switch {
		case r.Tunnels != nil:
			t.Error = r.Tunnels.Error()
		case r.Peers[peer] != nil:
			t.Error = r.Peers[peer].Error()
		}
		all = append(all, t)
	}
	return all
}
