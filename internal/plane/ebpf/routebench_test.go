package ebpf

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testnet"
)

// Of the benchmark: a host in ls1 sends to one in ls2, who is behind the peer, by a router with an address in each.
var (
	benchRouter = intent.MAC{2, 0, 0, 0, 0xaa, 1}
	benchPairs  = map[string]struct{ near, far, from, to netip.Prefix }{
		"v4": {netip.MustParsePrefix("198.51.100.254/24"), netip.MustParsePrefix("203.0.113.254/24"), netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("203.0.113.2/24")},
		"v6": {netip.MustParsePrefix("2001:db8:1::fe/64"), netip.MustParsePrefix("2001:db8:2::fe/64"), netip.MustParsePrefix("2001:db8:1::1/64"), netip.MustParsePrefix("2001:db8:2::2/64")},
	}
)

// BenchmarkRouter is a packet from a port to a tunnel of another network, beside one that is bridged into the tunnel of
// its own network by the same plane, and beside the kernel's routing between two bridges with a vxlan device each.
func BenchmarkRouter(b *testing.B) {
	const frames = 100_000
	plane := newGateway(b, "plane")
	p, s := plane.makePlane(b, Options{}, intent.SwitchOptions{})
	next := s.Clone()
	routedState(next)
	(&world{t: b}).apply(p, next, intent.Diff(s, next))
	kernel := newGateway(b, "kernel")
	kernel.makeBridge(b)
	kernel.makeRouter(b)
	for _, family := range []string{"v4", "v6"} {
		hosts := benchPairs[family]
		b.Run(family, func(b *testing.B) {
			bridged := udpFrame(macR, macA, hosts.from.Addr(), hosts.to.Addr())
			toRouter := udpFrame(benchRouter, macA, hosts.from.Addr(), hosts.to.Addr())
			ways := []benchWay{{"bridged", plane, bridged, freshFrames(b, bridged)}, {"routed", plane, toRouter, freshFrames(b, toRouter)},
				{"kernel-bridged", kernel, bridged, freshFrames(b, bridged)}, {"kernel-routed", kernel, toRouter, freshFrames(b, toRouter)}}
			compared := []comparison{{"routed", "bridged", 1.15}, {"routed", "kernel-routed", 0.6}}
			if family == "v6" { // which needs no other checksum for another address
				for name, frame := range map[string][]byte{"bridged-many": bridged, "routed-many": toRouter} {
					ways = append(ways, benchWay{name, plane, frame, manyFrames(b, frame)})
				}
				compared = append(compared, comparison{"routed-many", "bridged-many", 1.15})
			}
			spent := map[string][]float64{}
			for b.Loop() {
				for _, w := range ways {
					w.of.xdp = w.xdp
					w.of.run(b, "p0", "r0", w.frame, frames/10)
					spent[w.name] = append(spent[w.name], w.of.run(b, "p0", "r0", w.frame, frames))
				}
			}
			b.ReportMetric(0, "ns/op")
			for _, w := range ways {
				b.ReportMetric(median(spent[w.name]), w.name+"-ns/frame")
			}
			for _, c := range compared {
				var ratios []float64
				for round, cost := range spent[c.name] {
					ratios = append(ratios, cost/spent[c.peer][round])
				}
				what := c.name + "-x-" + c.peer
				b.ReportMetric(median(ratios), what)
				b.ReportMetric(slices.Min(ratios), what+"-min")
				b.ReportMetric(slices.Max(ratios), what+"-max")
				b.ReportMetric(c.goal, "goal-"+what)
			}
		})
	}
}

// benchWay is a frame that goes through something, comparison what it may cost of what another one does.
type (
	benchWay struct {
		name  string
		of    *gateway
		frame []byte
		xdp   *ebpf.Program
	}
	comparison struct {
		name, peer string
		goal       float64
	}
)

// benchMany is how many addresses manyFrames draws from: more than are remembered.
const benchMany = 1 << 14

// routedState gives the State of makePlane a second network, VNI 20, and a router.
func routedState(s *intent.State) {
	ls2, router := intent.SwitchID{2}, intent.RouterID{1}
	sw := s.Switches[ls1]
	sw.Router = router
	s.Switches[ls1] = sw
	s.Switches[ls2] = intent.Switch{Name: "ls2", VNI: 20, Router: router}
	s.Routers[router] = intent.Router{MAC: benchRouter}
	s.ARPSource = intent.MAC{2, 0, 0, 0, 0xaa, 2}
	far := intent.Tunnel{Peer: peerIP, VNI: 20}
	s.Unicast.Set(intent.MACKey{Switch: ls2, MAC: macR}, far)
	s.Decap.Set(far, ls2)
	for _, hosts := range benchPairs {
		for id, at := range map[intent.SwitchID]netip.Prefix{ls1: hosts.near, ls2: hosts.far} {
			s.Interfaces[intent.IPKey{Switch: id, IP: at.Addr()}] = intent.Interface{Bits: at.Bits()}
			s.Routes[intent.RouteKey{Router: router, Prefix: at.Masked()}] = intent.Route{Switch: id}
		}
		s.Neighbours[intent.IPKey{Switch: ls2, IP: hosts.to.Addr()}] = macR
		for n := range benchMany {
			if b := hosts.to.Addr().AsSlice(); len(b) == 16 {
				binary.BigEndian.PutUint16(b[14:], uint16(benchMany+n))
				s.Neighbours[intent.IPKey{Switch: ls2, IP: netip.AddrFrom16([16]byte(b))}] = macR
			}
		}
	}
}

// makeRouter gives the bridge an address, and makes a second one, with VNI 20, and one there.
func (g *gateway) makeRouter(b *testing.B) {
	err := g.ns.Links(func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "br1"
		if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
			return err
		}
		attrs = netlink.NewLinkAttrs()
		attrs.Name = "vx1"
		if err := h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: 20, Port: vxlanPort, SrcAddr: tunnelIP.AsSlice()}); err != nil {
			return err
		}
		bridge, err := h.LinkByName("br1")
		if err != nil {
			return err
		}
		vx, err := h.LinkByName("vx1")
		if err != nil {
			return err
		}
		if err := h.LinkSetMaster(vx, bridge); err != nil {
			return err
		}
		for _, n := range []*netlink.Neigh{
			{LinkIndex: vx.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF, State: netlink.NUD_PERMANENT | netlink.NUD_NOARP, IP: peerIP.AsSlice(), HardwareAddr: macR[:]},
			{LinkIndex: vx.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, State: netlink.NUD_NOARP, HardwareAddr: macR[:]},
		} {
			if err := h.NeighAppend(n); err != nil {
				return err
			}
		}
		for _, name := range []string{"br0", "br1"} {
			l, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			if err := h.LinkSetHardwareAddr(l, net.HardwareAddr(benchRouter[:])); err != nil {
				return err
			}
		}
		if err := setUp(h, "vx1"); err != nil {
			return err
		}
		return setUp(h, "br1")
	})
	if err != nil {
		b.Fatal(err)
	}
	testnet.Running(b, g.ns, "br1")
	for _, conf := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := g.ns.Sysctl(conf, "1"); err != nil {
			b.Fatal(err)
		}
	}
	for _, name := range []string{"br0", "br1"} {
		for _, conf := range [][2]string{{"accept_dad", "0"}, {"disable_ipv6", "0"}} {
			if err := g.ns.Sysctl("ipv6/conf/"+name+"/"+conf[0], conf[1]); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, hosts := range benchPairs {
		testnet.Address(b, g.ns, "br0", hosts.near.String())
		testnet.Address(b, g.ns, "br1", hosts.far.String())
		testnet.Neighbour(b, g.ns, "br1", hosts.to.Addr(), net.HardwareAddr(macR[:]))
	}
}

// freshFrames has every frame begin as data: the kernel gives a frame that was dropped behind the gateway in once more, as that
// has left it.
func freshFrames(b *testing.B, data []byte) *ebpf.Program { return writingFrames(b, data, nil) }

// manyFrames is that with the last bits of the destination, of IPv6, drawn anew for each.
func manyFrames(b *testing.B, data []byte) *ebpf.Program {
	return writingFrames(b, data, asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R2), asm.FnGetPrandomU32.Call(), asm.And.Imm(asm.R0, benchMany-1), asm.Or.Imm(asm.R0, benchMany), asm.HostTo(asm.BE, asm.R0, asm.Half),
		asm.StoreMem(asm.R6, 52, asm.R0, asm.Half),
	})
}

// writingFrames writes data into every frame, and goes on with more.
func writingFrames(b *testing.B, data []byte, more asm.Instructions) *ebpf.Program {
	const written = 64 // bytes, of which a router changes some
	code := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), // struct xdp_md: data, data_end
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, written), asm.JGT.Reg(asm.R4, asm.R3, "end"),
	}
	for at := 0; at < written; at += 4 {
		code = append(code, asm.StoreImm(asm.R2, int16(at), int64(int32(binary.NativeEndian.Uint32(data[at:]))), asm.Word))
	}
	code = append(append(code, more...), asm.Mov.Imm(asm.R0, 2).WithSymbol("end"), asm.Return())
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: code})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { prog.Close() })
	return prog
}

// udpFrame is ipFrame with 64 bytes of payload between two hosts of either family.
func udpFrame(dst, src intent.MAC, from, to netip.Addr) []byte {
	if from.Is4() {
		f := ipFrame(dst, src, 64)
		copy(f[26:], from.AsSlice())
		copy(f[30:], to.AsSlice())
		f[24], f[25] = 0, 0
		binary.BigEndian.PutUint16(f[24:], testnet.Checksum(f[14:34]))
		return f
	}
	f := append(append([]byte{}, dst[:]...), src[:]...)
	f = append(f, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 72, 17, 64)
	f = append(append(f, from.AsSlice()...), to.AsSlice()...)
	f = append(f, 0xc3, 0x50, 0, 9, 0, 72, 0, 0)
	return append(f, make([]byte, 64)...)
}
