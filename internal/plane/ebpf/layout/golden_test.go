package layout

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/intent"
)

var update = flag.Bool("update", false, "write the golden files anew")

// machine stands for the machine: ports by name are on devices, ways lead to all peers.
type machine map[string]int

var usual = machine{"p0": 10, "p1": 11, "p2": 12}

func (m machine) name(ifindex uint32) string {
	for name, index := range m {
		if index == int(ifindex) {
			return name
		}
	}
	return ""
}

// stage works a delta into contents, and tells them of the machine.
func (m machine) stage(c *Contents, next *intent.State, d *intent.Delta) {
	c.StageEnds(next, intent.TunnelIPs{}, 0, 0)
	for _, ch := range d.ACLs {
		if ch.New == nil {
			delete(c.ACLNumbers, ch.Key)
		} else if c.ACLNumbers[ch.Key] == 0 {
			c.ACLNumbers[ch.Key] = uint32(ch.Key[0])
		}
	}
	c.Stage(next, d, Joiner{
		PortWanted: func(p *Port, _ intent.Port) {
			c.SetDevice(p, m[p.Name], 1500)
			if p.Device != 0 {
				c.Maps.Devices.Set(uint32(p.Device), Device{Port: p.Number})
			}
		},
		PortGone: func(name string) { c.Maps.Devices.Del(uint32(m[name])) },
	})
	for _, pr := range c.Unresolved {
		if c.Peers[pr.IP] != pr {
			continue
		}
		entry := Peer{IP: AddressOf(pr.IP)}
		if pr.Targets > 0 {
			entry.Ifindex, entry.MTU, entry.Hop = 2, 1500, AddressOf(pr.IP)
		}
		c.Maps.Peers.Set(pr.Number, entry)
	}
	c.Unresolved = nil
}

// fresh are contents of maps in which there is nothing yet.
func fresh(most Limits) *Contents {
	c := &Contents{Maps: NewTables()}
	c.Adopt(1, most, usual.name)
	return c
}

var ample = Limits{Members: 64, Slots: 64, Ports: 64, Peers: 64}

// text lists what is wanted, a line for each entry.
func (t *Tables) text() string {
	var b strings.Builder
	v := reflect.ValueOf(t).Elem()
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		var lines []string
		for key, value := range v.Field(i).Elem().FieldByName("Want").Addr().MethodByName("All").Call(nil)[0].Seq2() {
			lines = append(lines, entry(key)+": "+entry(value))
		}
		if len(lines) > 0 {
			slices.Sort(lines)
			fmt.Fprintf(&b, "%s\n  %s\n", strings.ToLower(v.Type().Field(i).Name), strings.Join(lines, "\n  "))
		}
	}
	return b.String()
}

// entry is a key or a value, without what is zero.
func entry(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Address:
		return x.Addr().String()
	case [6]uint8:
		return net.HardwareAddr(x[:]).String()
	case [16]uint8:
		return fmt.Sprintf("%x", x[:4])
	}
	var parts []string
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || v.Field(i).IsZero() {
				continue
			}
			text := entry(v.Field(i))
			switch f.Name {
			case "Flags", "Features":
				text = fmt.Sprintf("%#x", v.Field(i).Uint())
			case "IP":
				if n, ok := v.Field(i).Interface().(uint32); ok { // in network byte order
					text = netip.AddrFrom4([4]byte(binary.NativeEndian.AppendUint32(nil, n))).String()
				}
			}
			parts = append(parts, strings.ToLower(f.Name)+"="+text)
		}
		return strings.Join(parts, " ")
	case reflect.Array:
		for i := range v.Len() {
			if !v.Index(i).IsZero() {
				parts = append(parts, "("+entry(v.Index(i))+")")
			}
		}
		return strings.Join(parts, " ")
	}
	return fmt.Sprint(v.Interface())
}

var (
	ls1, ls2  = intent.SwitchID{1}, intent.SwitchID{2}
	router    = intent.RouterID{7}
	acl1      = intent.ACLID{1}
	acl2      = intent.ACLID{2}
	peer1     = netip.MustParseAddr("192.0.2.1")
	peer2     = netip.MustParseAddr("2001:db8::2")
	macR      = intent.MAC{2, 0, 0, 0, 0, 0x0a}
	routerMAC = intent.MAC{2, 0, 0, 0, 0, 1}
	group     = intent.MAC{1, 0, 0x5e, 1, 2, 3}
)

func at(port string, vlan uint16) intent.BindingKey { return intent.BindingKey{Port: port, VLAN: vlan} }

// basic is a switch with two ports and a peer.
func basic() *intent.State {
	s := intent.NewState()
	s.TunnelIP = netip.MustParseAddr("192.0.2.100")
	s.Ports["p0"], s.Ports["p1"] = intent.Port{}, intent.Port{}
	s.Switches[ls1] = intent.Switch{Name: "ls1", VNI: 10}
	s.Bindings[at("p0", 0)], s.Bindings[at("p1", 0)] = intent.Binding{Switch: ls1}, intent.Binding{Switch: ls1}
	far := intent.Tunnel{Peer: peer1, VNI: 10}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macR}, far)
	s.Floods[intent.FloodKey{Switch: ls1}] = intent.FloodSet{far}
	s.Decap.Set(far, ls1)
	return s
}

// TestGolden compares what is wanted for intents with files that people have read.
func TestGolden(t *testing.T) {
	for name, change := range map[string]func(*intent.State){
		"basic": func(*intent.State) {},
		"vlans": func(s *intent.State) { // the untagged frames of a port that has VLANs, service tags, a group policy
			s.Ports["p1"] = intent.Port{ServiceTags: true, Group: 77}
			s.Ports["p2"] = intent.Port{}
			s.Switches[ls2] = intent.Switch{Name: "ls2", VNI: 20}
			s.Bindings[at("p0", 5)], s.Bindings[at("p1", 7)] = intent.Binding{Switch: ls2}, intent.Binding{Switch: ls1}
		},
		"without_device": func(s *intent.State) {
			s.Ports["p9"] = intent.Port{}
			s.Bindings[at("p9", 0)] = intent.Binding{Switch: ls1}
		},
		"without_port": func(s *intent.State) { s.Bindings[at("p2", 3)] = intent.Binding{Switch: ls1} },
		"features": func(s *intent.State) {
			s.Switches[ls1] = intent.Switch{Name: "ls1", VNI: 10, SwitchOptions: intent.SwitchOptions{
				InnerTags: true, SnoopIPs: true, Suppress: true, SnoopGroups: true, Flooding: intent.FloodNone, ReservedMACs: 1 << 0xe}}
		},
		"flood": func(s *intent.State) { // more targets than one chunk has
			var set intent.FloodSet
			for n := range byte(ChunkTargets + 1) {
				set = append(set, intent.Tunnel{Peer: netip.AddrFrom4([4]byte{192, 0, 2, 1 + n}), VNI: 10})
			}
			s.Floods[intent.FloodKey{Switch: ls1}] = set
			s.Floods[intent.FloodKey{Switch: ls1, MAC: group}] = nil
		},
		"groups": func(s *intent.State) {
			s.Members[intent.MACKey{Switch: ls1, MAC: group}] = intent.MemberSet{at("p1", 0)}
			s.Members[intent.MACKey{Switch: ls1, MAC: intent.OtherGroups4}] = intent.MemberSet{}
		},
		"segments": func(s *intent.State) { // shared with two VTEPs; roles; hosts that rows place at bindings
			s.Segments["p0"] = intent.Segment{peer1, netip.MustParseAddr("2001:db8::2")}
			s.Bindings[at("p0", 5)] = intent.Binding{Switch: ls1, Role: intent.NotDesignated}
			s.Bindings[at("p1", 0)] = intent.Binding{Switch: ls1, Role: intent.Standby}
			s.Attached[intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 5: 9}}] = at("p0", 5)
		},
		"tunnels": func(s *intent.State) { // IPv6, any source, other ends, a session of BFD with somebody that nothing goes to
			s.AcceptAnySource = true
			s.TunnelIP6 = netip.MustParseAddr("2001:db8::100")
			s.Ends[netip.MustParseAddr("192.0.2.101")] = intent.End{}
			s.Switches[ls2] = intent.Switch{Name: "ls2", VNI: 20}
			s.Decap.Set(intent.Tunnel{Peer: peer2, VNI: 20}, ls2)
			s.BFD[netip.MustParseAddr("192.0.2.9")] = intent.BFD{}
		},
		"acls": func(s *intent.State) {
			s.ACLs[acl1] = intent.ACL{Name: "a1"}
			s.Policies[at("p0", 0)] = intent.Policy{ACL: acl1}
		},
		"router": withRouter,
	} {
		t.Run(name, func(t *testing.T) {
			s := basic()
			change(s)
			c := fresh(ample)
			usual.stage(c, s, intent.Diff(intent.NewState(), s))
			got, file := c.Maps.text(), filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("wanted is\n%s\nnot, as %s has it,\n%s", got, file, want)
			}
		})
	}
}

// withRouter joins two switches with a router: connected prefixes of both families, a route by a next hop, a
// neighbour, ACLs of an interface.
func withRouter(s *intent.State) {
	s.Switches[ls1] = intent.Switch{Name: "ls1", VNI: 10, Router: router}
	s.Switches[ls2] = intent.Switch{Name: "ls2", VNI: 20, Router: router}
	s.Routers[router] = intent.Router{Name: "r", MAC: routerMAC}
	s.ARPSource = intent.MAC{2, 0, 0, 0, 0, 2}
	s.ACLs[acl2] = intent.ACL{Name: "a2"}
	for ip, at := range map[string]struct {
		id   intent.SwitchID
		bits int
		acl  intent.ACLID
	}{"10.1.0.254": {ls1, 24, acl2}, "10.2.0.254": {ls2, 30, intent.ACLID{}}, "2001:db8:1::fe": {ls1, 64, intent.ACLID{}}} {
		addr := netip.MustParseAddr(ip)
		s.Interfaces[intent.IPKey{Switch: at.id, IP: addr}] = intent.Interface{Bits: at.bits, ACL: at.acl}
		s.Routes[intent.RouteKey{Router: router, Prefix: netip.PrefixFrom(addr, at.bits).Masked()}] = intent.Route{Switch: at.id}
	}
	s.Routes[intent.RouteKey{Router: router, Prefix: netip.MustParsePrefix("0.0.0.0/0")}] = intent.Route{Switch: ls1, Via: netip.MustParseAddr("10.1.0.1")}
	s.Neighbours[intent.IPKey{Switch: ls1, IP: netip.MustParseAddr("10.1.0.1")}] = macR
}
