package ebpf

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// distantIP is a peer behind a router, to which two ways lead:
//
//	vtep ns                                          far ns
//	u0 192.0.2.1 ---veth--- r0 192.0.2.2 --.
//	                                        -- distantIP
//	u1 192.0.3.1 ---veth--- r1 192.0.3.2 --'
var distantIP = netip.MustParseAddr("198.18.0.2")

// twoWays adds the second way to a world.
func (w *world) twoWays() {
	w.t.Helper()
	w.veth(w.far, "r1", w.vtep, "u1", 1600)
	w.address(w.vtep, "u1", "192.0.3.1/24")
	w.address(w.far, "r1", "192.0.3.2/24")
	w.address(w.far, "r0", distantIP.String()+"/32")
	w.tap(w.far, "r1")
	for _, n := range []*namespace.Namespace{w.vtep, w.far} {
		w.looseReversePath(n)
	}
}

func (w *world) looseReversePath(n *namespace.Namespace) {
	w.t.Helper()
	if err := n.Sysctl("ipv4/conf/all/rp_filter", "2"); err != nil {
		w.t.Fatal(err)
	}
}

// route makes a route to distantIP in a table of the vtep ns.
func (w *world) route(table int, dev, gateway string) {
	w.t.Helper()
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName(dev)
		if err != nil {
			return err
		}
		return h.RouteReplace(&netlink.Route{Table: table, LinkIndex: l.Attrs().Index, Dst: host32(distantIP), Gw: net.ParseIP(gateway)})
	})
}

func host32(ip netip.Addr) *net.IPNet {
	return &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(32, 32)}
}

// distant is basic with the peer at distantIP.
func distant() *intent.State {
	s := basic()
	far := intent.Tunnel{Peer: distantIP, VNI: 10}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macR}, far)
	s.Floods[intent.FloodKey{Switch: ls1}] = intent.FloodSet{far}
	s.Decap.Clear()
	s.Decap.Set(far, ls1)
	return s
}

// short says whether the plane has a short way out to the peer.
func (p *Plane) short(ip netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr := p.contents.Peers[ip]
	return pr != nil && p.tPeers.Want.Get(pr.Number).Ifindex != 0 && p.settings.Flags&layout.ConfigDirectEncap != 0
}

// arrives waits until frames to the distant peer leave by the device that dev is the far end
// of, those that can take the short way and those that can't.
func (w *world) arrives(dev, what string) {
	w.t.Helper()
	for kind, make := range map[string]func(string) []byte{
		"unicast": func(text string) []byte {
			w.barriers++
			f := ipFrame(macR, macA, 64)
			copy(f[50:], fmt.Sprintf("%8d", w.barriers))
			return f
		},
		"broadcast": func(text string) []byte {
			w.barriers++
			return frame(bcast, macA, fmt.Sprint(text, w.barriers))
		},
	} {
		testenv.Eventually(w.t, 6*patience, func() error {
			want := make(what)
			w.send("h0", want)
			w.barrier()
			for b := w.taps[dev].Read(); b != nil; b = w.taps[dev].Read() {
				if o, ok := testnet.ParseOuter(b); ok && o.Dst == distantIP && string(o.Inner) == string(want) {
					return nil
				}
			}
			return fmt.Errorf("%s: the %s frame did not come to %s", what, kind, dev)
		})
	}
}

// Rules about what VXLAN packets are hold for the short way, too.
func TestRules(t *testing.T) {
	w := newWorld(t)
	w.twoWays()
	const table = 100
	w.route(unix.RT_TABLE_MAIN, "u0", "192.0.2.2")
	w.route(table, "u1", "192.0.3.2")
	p := w.plane(Options{})
	s := distant()
	s.TunnelDSCP = intent.Priority{Value: 4} // what the TOS of a rule has room for
	w.apply(p, s, nil)
	w.arrives("r0", "without rules")
	if !p.short(distantIP) {
		t.Error("there is no short way: this test shows nothing")
	}
	for _, c := range []struct {
		name  string
		set   func(*netlink.Rule)
		short bool
	}{
		{"source", func(r *netlink.Rule) { r.Src = host32(tunnelIP) }, true},
		{"protocol", func(r *netlink.Rule) { r.IPProto = unix.IPPROTO_UDP }, true},
		{"destination port", func(r *netlink.Rule) { r.Dport = netlink.NewRulePortRange(vxlanPort, vxlanPort) }, true},
		{"user", func(r *netlink.Rule) { r.UIDRange = netlink.NewRuleUIDRange(0, 0) }, true},
		{"source port", func(r *netlink.Rule) { r.Sport = netlink.NewRulePortRange(1024, 65534) }, false},
		{"DSCP", func(r *netlink.Rule) { r.Tos = 4 << 2 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := netlink.NewRule()
			rule.Priority, rule.Table, rule.Family = 1000, table, unix.AF_INET
			c.set(rule)
			w.links(w.vtep, func(h *netlink.Handle) error { return h.RuleAdd(rule) })
			w.arrives("r1", "with the rule")
			if p.short(distantIP) != c.short {
				t.Errorf("short way: %v", !c.short)
			}
			w.audit(p)
			w.links(w.vtep, func(h *netlink.Handle) error { return h.RuleDel(rule) })
			w.arrives("r0", "without the rule again")
			testenv.Eventually(t, 6*patience, func() error {
				if !p.short(distantIP) {
					return fmt.Errorf("the short way does not come back")
				}
				return nil
			})
		})
	}
}

// A frame that has a mark is for the kernel, which may have rules about it.
func TestMark(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	for mark, encapsulated := range map[uint32]bool{0: true, 7: false} {
		in := ipFrame(macR, macA, 64)
		ret, out := runAs(t, w.vtep, p.objs.VtepPort, "p0", in, stamp{mark: mark})
		if ret != actRedirect || len(out) > len(in) != encapsulated {
			t.Errorf("mark %d: action %d, %d bytes became %d", mark, int32(ret), len(in), len(out))
		}
	}
}

// nexthop makes or changes a nexthop object: by a device, or of others.
func (w *world) nexthop(id uint32, dev, gateway string, group ...uint32) {
	w.t.Helper()
	err := w.vtep.Do(func() error {
		req := nl.NewNetlinkRequest(unix.RTM_NEWNEXTHOP, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
		req.AddRawData([]byte{unix.AF_INET, 0, unix.RTPROT_STATIC, 0, 0, 0, 0, 0})
		add := func(kind int, value []byte) { req.AddRawData(nl.NewRtAttr(kind, value).Serialize()) }
		number := func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
		add(unix.NHA_ID, number(id))
		if dev != "" {
			ifi, err := net.InterfaceByName(dev)
			if err != nil {
				return err
			}
			add(unix.NHA_OIF, number(uint32(ifi.Index)))
			add(unix.NHA_GATEWAY, net.ParseIP(gateway).To4())
		} else {
			req.RawData[0] = unix.AF_UNSPEC
			var members []byte
			for _, n := range group {
				members = append(append(members, number(n)...), 0, 0, 0, 0)
			}
			add(unix.NHA_GROUP, members)
		}
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if err != nil {
		w.t.Fatalf("nexthop %d: %v", id, err)
	}
}

// A nexthop object changes under the route that names it, without any event of the route.
func TestNexthops(t *testing.T) {
	w := newWorld(t)
	w.twoWays()
	if err := w.vtep.Sysctl("ipv4/nexthop_compat_mode", "0"); err != nil {
		t.Fatal(err)
	}
	w.nexthop(1, "u0", "192.0.2.2")
	w.nexthop(2, "u1", "192.0.3.2")
	w.nexthop(3, "", "", 1, 2)
	to := func(id uint32) {
		err := w.vtep.Do(func() error {
			req := nl.NewNetlinkRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
			req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Dst_len: 32, Table: unix.RT_TABLE_MAIN,
				Protocol: unix.RTPROT_STATIC, Type: unix.RTN_UNICAST}})
			req.AddData(nl.NewRtAttr(unix.RTA_DST, distantIP.AsSlice()))
			req.AddData(nl.NewRtAttr(30, // RTA_NH_ID
				binary.NativeEndian.AppendUint32(nil, id)))
			_, err := req.Execute(unix.NETLINK_ROUTE, 0)
			return err
		})
		if err != nil {
			t.Fatalf("route by nexthop %d: %v", id, err)
		}
	}
	to(1)
	p := w.plane(Options{})
	w.apply(p, distant(), nil)
	w.arrives("r0", "by nexthop 1")
	if !p.short(distantIP) {
		t.Error("there is no short way: this test shows nothing")
	}
	w.nexthop(1, "u1", "192.0.3.2")
	w.arrives("r1", "by nexthop 1, which has changed")
	if !p.short(distantIP) {
		t.Error("no short way by a changed nexthop")
	}
	w.audit(p)

	w.nexthop(1, "u0", "192.0.2.2")
	to(3) // a group: the kernel chooses
	testenv.Eventually(t, 6*patience, func() error {
		if p.short(distantIP) {
			return fmt.Errorf("the short way goes on, although there are two next hops")
		}
		return nil
	})
	w.audit(p)
}
