package ebpf

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// gateway is one way to do the work, in a namespace of its own: p0 and u0 as in world, with
// the far ends dropping whatever they get.
//
// Frames appear on p0 or u0 as a driver would deliver them (BPF_PROG_TEST_RUN with live
// frames); what is measured is the time until they have been dropped behind the other one,
// the same for all ways but for the gateway's own work.
type gateway struct {
	name  string
	ns    *namespace.Namespace
	xdp   *ebpf.Program            // lets frames pass to the device where they appear
	at    map[string]*ebpf.Program // instead of it, by device
	far   *namespace.Namespace
	plane *Plane
}

// BenchmarkGateway compares the plane with the kernel's bridge and vxlan device, in
// interleaved rounds of one run.
func BenchmarkGateway(b *testing.B) {
	bridge := newGateway(b, "bridge")
	bridge.makeBridge(b)
	ways := []*gateway{bridge}
	for name, o := range map[string]struct {
		Options
		intent.SwitchOptions
	}{
		"long":   {Options: Options{Direct: DirectOff}},
		"direct": {},
		"xdp":    {Options: Options{XDP: XDPRequire, wired: true}},                      // as on a NIC: the program begins with a frame that is no buffer yet
		"listen": {SwitchOptions: intent.SwitchOptions{SnoopIPs: true, Suppress: true}}, // direct, with what looks at ARP and ND
	} {
		g := newGateway(b, name)
		p, _ := g.makePlane(b, o.Options, o.SwitchOptions)
		if o.XDP != XDPOff {
			g.useXDP(b, p)
		}
		ways = append(ways, g)
	}
	inner := ipFrame(macR, macA, 64)
	back := ipFrame(macA, macR, 64)
	for _, dir := range []struct {
		name, in, out string
		frame         func(*gateway) []byte
	}{
		{"encap", "p0", "r0", func(*gateway) []byte { return inner }},
		{"decap", "u0", "h0", func(g *gateway) []byte { return g.outerFrame(b, back) }},
	} {
		b.Run(dir.name, func(b *testing.B) {
			const frames = 200_000
			spent := map[string][]float64{}
			for b.Loop() {
				for _, g := range ways {
					spent[g.name] = append(spent[g.name], g.run(b, dir.in, dir.out, dir.frame(g), frames))
				}
			}
			b.ReportMetric(0, "ns/op")
			for name, list := range spent {
				b.ReportMetric(median(list), name+"-ns/frame")
				if name == "bridge" {
					continue
				}
				var ratios []float64
				for round, cost := range list {
					ratios = append(ratios, cost/spent["bridge"][round])
				}
				b.ReportMetric(median(ratios), name+"-x-bridge")
				b.ReportMetric(slices.Min(ratios), name+"-x-bridge-min")
				b.ReportMetric(slices.Max(ratios), name+"-x-bridge-max")
				goal := 1.0
				if name == "xdp" {
					goal = 0.3
				}
				b.ReportMetric(goal, "goal-"+name+"-x-bridge")
			}
		})
	}
}

// takesXDP has a far end take frames from XDP, and do with them what it does with those of the other ways: one that has
// a program does so without GRO, too.
func (g *gateway) takesXDP(b *testing.B, dev string) {
	err := g.far.Do(func() error {
		ifi, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		l, err := link.AttachXDP(link.XDPOptions{Program: g.xdp, Interface: ifi.Index, Flags: link.XDPDriverMode})
		if err != nil {
			return err
		}
		b.Cleanup(func() { l.Close() })
		return ethtool(dev, unix.ETHTOOL_SGRO, 0)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// useXDP has frames appear before the programs of XDP, as in a driver: that is where they are run.
func (g *gateway) useXDP(b *testing.B, p *Plane) {
	w := &world{t: b, vtep: g.ns, far: g.far}
	for _, dev := range []string{"h0", "r0"} {
		g.takesXDP(b, dev)
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		all := w.paths(p)
		if all.Ports["p0"].Out.XDP && all.Underlay["u0"].Out.XDP && all.Ports["p0"].In.XDP && all.Underlay["u0"].In.XDP {
			break
		}
		if time.Now().After(end) {
			b.Fatalf("no XDP: %+v", all)
		}
	}
	g.plane = p
	g.at = map[string]*ebpf.Program{"p0": p.nics().VtepXdpPort, "u0": p.nics().VtepXdpUnderlay}
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

func newGateway(b *testing.B, name string) *gateway {
	w := &world{t: b, taps: map[string]*testnet.Tap{}}
	g := &gateway{name: name, ns: testnet.Quiet(w.t, "v"+name), far: testnet.Quiet(w.t, "f"+name)}
	w.vtep, w.far = g.ns, g.far
	w.veth(g.far, "h0", g.ns, "p0", 1500)
	w.veth(g.far, "r0", g.ns, "u0", 1600)
	w.address(g.ns, "u0", "192.0.2.1/24")
	w.address(g.far, "r0", "192.0.2.2/24")
	w.neighbour(peerIP)
	var err error
	g.xdp, err = ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { g.xdp.Close() })
	testnet.Sink(b, g.far, "h0")
	testnet.Sink(b, g.far, "r0")
	return g
}

func (g *gateway) makePlane(b *testing.B, o Options, options intent.SwitchOptions) (*Plane, *intent.State) {
	w := &world{t: b, vtep: g.ns, pins: testenv.Pins(b)}
	p := w.plane(o)
	s := intent.NewState()
	s.TunnelIP = tunnelIP
	s.Ports["p0"] = intent.Port{}
	s.Switches[ls1] = intent.Switch{Name: "ls1", VNI: 10, SwitchOptions: options}
	s.Bindings[intent.BindingKey{Port: "p0"}] = intent.Binding{Switch: ls1}
	far := intent.Tunnel{Peer: peerIP, VNI: 10}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macR}, far)
	s.Decap.Set(far, ls1)
	w.apply(p, s, nil)
	g.run(b, "p0", "r0", ipFrame(macR, macA, 64), 64) // macA is learned
	w.audit(p)
	return p, s
}

func (g *gateway) makeBridge(b *testing.B) {
	err := g.ns.Links(func(h *netlink.Handle) error {
		br := netlink.NewLinkAttrs()
		br.Name = "br0"
		if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: br}); err != nil {
			return err
		}
		vx := netlink.NewLinkAttrs()
		vx.Name = "vx0"
		err := h.LinkAdd(&netlink.Vxlan{LinkAttrs: vx, VxlanId: 10, Port: vxlanPort, SrcAddr: tunnelIP.AsSlice()})
		if err != nil {
			return err
		}
		bridge, err := h.LinkByName("br0")
		if err != nil {
			return err
		}
		for _, name := range []string{"p0", "vx0"} {
			l, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			if err := h.LinkSetMaster(l, bridge); err != nil {
				return err
			}
			if err := setUp(h, name); err != nil {
				return err
			}
		}
		p0, vx0 := index(h, "p0"), index(h, "vx0")
		for _, n := range []*netlink.Neigh{
			{LinkIndex: vx0, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF, State: netlink.NUD_PERMANENT | netlink.NUD_NOARP, IP: peerIP.AsSlice(), HardwareAddr: macR[:]},
			{LinkIndex: vx0, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, State: netlink.NUD_NOARP, HardwareAddr: macR[:]},
			{LinkIndex: p0, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, State: netlink.NUD_NOARP, HardwareAddr: macA[:]},
		} {
			if err := h.NeighAppend(n); err != nil {
				return fmt.Errorf("add fdb entry: %w", err)
			}
		}
		return setUp(h, "br0")
	})
	if err != nil {
		b.Fatal(err)
	}
	testnet.Running(b, g.ns, "br0")
}

func index(h *netlink.Handle, name string) int {
	l, err := h.LinkByName(name)
	if err != nil {
		return 0
	}
	return l.Attrs().Index
}

// run sends n frames in and gives the nanoseconds of CPU for each.
func (g *gateway) run(b *testing.B, in, out string, data []byte, n uint32) float64 {
	var before, after uint64
	received := func() uint64 {
		var packets uint64
		err := g.far.Links(func(h *netlink.Handle) error {
			l, err := h.LinkByName(out)
			if err == nil {
				packets = l.Attrs().Statistics.RxPackets
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		return packets
	}
	before = received()
	spent := g.pour(b, in, data, ebpf.RunOptions{Repeat: n})
	for end := time.Now().Add(patience); ; {
		if after = received(); after-before >= uint64(n) || time.Now().After(end) {
			break
		}
	}
	if got := after - before; got < uint64(n) {
		b.Fatalf("%s: of %d frames into %s, %d came out of %s", g.name, n, in, got, out)
	}
	return float64(spent.Nanoseconds()) / float64(n)
}

// pour has frames appear at a device, and gives the CPU that it took.
func (g *gateway) pour(b *testing.B, in string, data []byte, o ebpf.RunOptions) (spent time.Duration) {
	err := g.ns.Do(func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ifi, err := net.InterfaceByName(in)
		if err != nil {
			return err
		}
		ctx := make([]byte, 24) // struct xdp_md: data, data_end, data_meta, ingress_ifindex, ...
		binary.NativeEndian.PutUint32(ctx[4:], uint32(len(data)))
		binary.NativeEndian.PutUint32(ctx[12:], uint32(ifi.Index))
		o.Data, o.Context, o.Flags = data, ctx, unix.BPF_F_TEST_XDP_LIVE_FRAMES
		prog := g.xdp
		if g.at[in] != nil {
			prog = g.at[in]
		}
		start := cpuTime()
		_, err = prog.Run(&o)
		spent = cpuTime() - start
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return spent
}

// cpuTime is what this thread has used, with the softirqs that ran on it.
func cpuTime() time.Duration {
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_THREAD, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// ipFrame is a UDP frame with n bytes of payload.
func ipFrame(dst, src intent.MAC, n int) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	f = append(f, 0x08, 0x00, 0x45, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(28+n))
	f = append(f, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2)
	binary.BigEndian.PutUint16(f[24:], testnet.Checksum(f[14:34]))
	f = binary.BigEndian.AppendUint16(f, 50000)
	f = binary.BigEndian.AppendUint16(f, 9)
	f = binary.BigEndian.AppendUint16(f, uint16(8+n))
	return append(f, make([]byte, 2+n)...)
}

// outerFrame is inner in a tunnel from the peer, as u0 receives it.
func (g *gateway) outerFrame(b testing.TB, inner []byte) []byte {
	var mac net.HardwareAddr
	err := g.ns.Links(func(h *netlink.Handle) error {
		l, err := h.LinkByName("u0")
		if err == nil {
			mac = l.Attrs().HardwareAddr
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return g.around(append(append([]byte{}, mac...), macR[:]...), inner)
}

// around puts inner into a tunnel from the peer; of the frame before it takes the MACs.
func (g *gateway) around(macs, inner []byte) []byte {
	f := append([]byte{}, macs[:12]...)
	f = append(f, 0x08, 0x00, 0x45, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(36+len(inner)))
	f = append(f, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1)
	binary.BigEndian.PutUint16(f[24:], testnet.Checksum(f[14:34]))
	f = binary.BigEndian.AppendUint16(f, 50000)
	f = binary.BigEndian.AppendUint16(f, vxlanPort)
	f = binary.BigEndian.AppendUint16(f, uint16(16+len(inner)))
	f = append(f, 0, 0, 8, 0, 0, 0, 0, 0, 10, 0)
	return append(f, inner...)
}
