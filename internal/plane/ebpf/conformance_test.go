package ebpf

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// modes are the ways in which the plane can do its work; forwarding must be the same.
var modes = map[string]Options{
	"vxlan device": {Direct: DirectOff},
	"direct":       {},
	"tc filter":    {Classic: true},
}

// byXDP are the cases in which native XDP handles frames, and those that could show that it handles too many.
var byXDP = []string{
	"untagged", "tagged", "unbound VLAN", "priority tag", "hairpin", "inner tag", "tagged twice", "service tags", "priorities", "congestion",
	"learning", "move", "watch", "remote unicast", "remote before local", "from a tunnel", "split horizon", "unknown tunnels", "VNI changes",
	"binding moves", "counters", "restart",
	"not designated", "local bias", "standby", "attached hosts",
}

// byFilter are the cases in which it matters how the programs are attached, which are the same as with direct: devices
// come, go and are kept, and of each way that a frame can go one. The case of a random walk does the rest.
var byFilter = []string{
	"untagged", "tagged", "priority tag", "tagged twice", "service tags", "congestion", "no binding", "learning", "move", "suppression",
	"remote unicast", "broadcast to all", "from a tunnel", "unknown tunnels", "any source", "VNI changes",
	"binding moves", "binding goes", "counters", "drops by place", "restart", "missing device", "random walk",
}

// Frames that come to the devices as XDP frames do are forwarded as all others are, by whomever.
func TestConformanceXDP(t *testing.T) {
	if kernel.Older(kernel.Release(), "6.3") {
		t.Skip("the kernel does not say what devices can do with XDP: Linux 6.3 is the first that does")
	}
	h := newHarness(t, Options{XDP: XDPRequire, wired: true})
	h.throwers = map[string]*thrower{}
	for i := range hostPorts {
		h.throwFrom(fmt.Sprintf("h%d", i))
	}
	h.w.takesXDP(h.w.far, "r0")
	h.throwers["r0"] = newThrower(t, h.w.far, "r0")
	h.frames = map[*Plane]map[string]uint64{}
	open := func(*testing.T) planetest.Harness {
		h.drain()
		return h
	}
	if testenv.Effort(t) > 1 {
		planetest.Run(t, open)
	} else {
		planetest.RunNamed(t, planetest.IPv4, byXDP, open)
	}
	if h.plane != nil {
		if err := h.plane.Destroy(t.Context()); err != nil {
			t.Error(err)
		}
	}
	frames := map[string]uint64{}
	for _, of := range h.frames {
		for what, n := range of {
			frames[what] += n
		}
	}
	t.Logf("frames by XDP: %v", frames)
	if strings.Contains(flag.Lookup("test.run").Value.String()+flag.Lookup("test.skip").Value.String(), "/") {
		return // some of the cases are left out, and their frames
	}
	for _, what := range []string{"encapsulated", "decapsulated", "bridged"} {
		if frames[what] < 5 {
			t.Errorf("%d frames were %s by XDP", frames[what], what)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Run("direct", func(t *testing.T) { conforms(t, "direct", planetest.Run) })
}

// The other modes are the same goroutines, and other ways of the same frames: where tests take long with the race detector, these
// are run without it (scripts/test).
func TestConformanceWays(t *testing.T) {
	runs := map[string]func(*testing.T, func(*testing.T) planetest.Harness){
		"vxlan device": func(t *testing.T, open func(*testing.T) planetest.Harness) {
			planetest.RunFamily(t, planetest.IPv6, open)
		},
		"tc filter": func(t *testing.T, open func(*testing.T) planetest.Harness) {
			planetest.RunNamed(t, planetest.IPv4, byFilter, open)
		},
	}
	for mode, run := range runs {
		if testenv.Effort(t) > 1 {
			run = planetest.Run
		}
		t.Run(mode, func(t *testing.T) { conforms(t, mode, run) })
	}
}

// conforms runs cases of the suite in a mode.
func conforms(t *testing.T, mode string, run func(*testing.T, func(*testing.T) planetest.Harness)) {
	h := newHarness(t, modes[mode])
	run(t, func(*testing.T) planetest.Harness {
		h.drain()
		return h
	})
	if h.plane != nil {
		if err := h.plane.Destroy(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// harness is the world as the suite wants it. All cases of a mode share the namespaces.
type harness struct {
	w       *world
	opts    Options
	senders map[netip.Addr]*net.UDPConn
	plane   *Plane // that the last case has emptied; nil: the next one needs a new one

	throwers map[string]*thrower          // send frames as XDP does, by device; nil: they are sent as hosts do
	frames   map[*Plane]map[string]uint64 // by XDP
}

func newHarness(t *testing.T, o Options) *harness {
	w := newWorld(t)
	w.address(w.far, "r0", "192.0.2.4/24")
	h := &harness{w: w, opts: o, senders: map[netip.Addr]*net.UDPConn{}}
	w.links(w.far, func(l *netlink.Handle) error { // the sockets below stand for it
		vx, err := l.LinkByName("vx10")
		if err != nil {
			return err
		}
		return l.LinkDel(vx)
	})
	delete(w.taps, "vx10")
	for _, ip := range planetest.Peers {
		w.neighbour(ip) // or the first frames would wait for ARP
	}
	err := w.far.Do(func() error {
		for _, ip := range planetest.Peers {
			c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, vxlanPort)))
			if err != nil {
				return err
			}
			h.senders[ip] = c
			t.Cleanup(func() { c.Close() })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *harness) drain() {
	for _, tp := range h.w.taps {
		for tp.Read() != nil {
		}
	}
}

// Open implements planetest.Harness. What verifies the programs in the kernel takes longer than
// most cases do: so a case gets the plane of the one before, unless more effort is wanted.
func (h *harness) Open(t testing.TB) plane.Plane {
	if testenv.Effort(t) > 1 {
		return h.w.plane(h.opts)
	}
	p := h.plane
	if h.plane = nil; p == nil {
		p = h.w.plane(h.opts)
	}
	l := &lent{Plane: p, h: h, events: make(chan plane.Event), back: make(chan struct{}), done: make(chan struct{})}
	go l.pass()
	return l
}

// lent is a plane in the hands of a case.
type lent struct {
	*Plane
	h      *harness
	events chan plane.Event
	back   chan struct{} // closed when the case is over
	done   chan struct{} // closed when pass has ended
}

// Events gives what happens until the case is over.
func (l *lent) Events() <-chan plane.Event { return l.events }

func (l *lent) pass() {
	defer close(l.done)
	defer close(l.events)
	for {
		select {
		case e, ok := <-l.Plane.Events():
			if !ok {
				return
			}
			select {
			case l.events <- e:
			case <-l.back:
				return
			}
		case <-l.back:
			return
		}
	}
}

// Destroy takes everything out of the plane but the programs.
func (l *lent) Destroy(ctx context.Context) error {
	close(l.back)
	<-l.done
	if l.h.throwers != nil {
		l.h.frames[l.Plane] = l.h.w.paths(l.Plane).Frames
	}
	_, err := l.Apply(ctx, intent.NewState(), nil)
	l.h.plane = l.Plane
	return err
}

// Untraced implements planetest.Untraced: one way of working is enough.
func (h *harness) Untraced() bool {
	return h.opts.Direct == DirectOff || h.opts.Classic || h.throwers != nil
}

func hostAt(port string) string { return "h" + port[1:] }

// FromPort implements planetest.Harness.
func (h *harness) FromPort(_ testing.TB, port string, frame []byte) {
	if th := h.throwers[hostAt(port)]; th != nil && len(frame) < thrownBytes {
		th.throw(frame, 1)
		return
	}
	h.w.send(hostAt(port), frame)
}

// throwFrom has the frames of a host sent as XDP does, and lets it take such.
func (h *harness) throwFrom(dev string) {
	h.w.takesXDP(h.w.hosts, dev)
	h.throwers[dev] = newThrower(h.w.t, h.w.hosts, dev)
}

// thrownBytes is about what the kernel takes for a frame of XDP.
const thrownBytes = 3000

// FromTunnel implements planetest.Harness.
func (h *harness) FromTunnel(t testing.TB, from intent.Tunnel, tos uint8, inner []byte) {
	t.Helper()
	if th := h.throwers["r0"]; th != nil && len(inner) < thrownBytes {
		u0, r0 := testnet.MAC(t, h.w.vtep, "u0"), testnet.MAC(t, h.w.far, "r0")
		outer := testnet.Encapsulate(u0, r0, from.Peer, planetest.TunnelIP, from.VNI, 0, 50000, inner)
		testnet.SetTOS(outer, tos)
		th.throw(outer, 1)
		return
	}
	b := binary.BigEndian.AppendUint32([]byte{0x08, 0, 0, 0}, from.VNI<<8)
	to := netip.AddrPortFrom(planetest.TunnelIP, vxlanPort)
	if _, _, err := h.senders[from.Peer].WriteMsgUDPAddrPort(append(b, inner...), ipTOS(tos), to); err != nil {
		t.Fatal(err)
	}
}

// ipTOS is a control message of a socket: the TOS of one packet.
func ipTOS(tos uint8) []byte {
	b := make([]byte, unix.CmsgSpace(4))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = unix.IPPROTO_IP, unix.IP_TOS
	h.SetLen(unix.CmsgLen(4))
	binary.NativeEndian.PutUint32(b[unix.CmsgLen(0):], uint32(tos))
	return b
}

// Receive implements planetest.Harness.
func (h *harness) Receive(t testing.TB, n int) []planetest.Out {
	t.Helper()
	var outs []planetest.Out
	mine := 0
	for end := time.Now().Add(patience); ; {
		h.w.barrier()
		got := h.collect(t)
		outs = append(outs, got...)
		for _, o := range got {
			if planetest.Mine(o.Frame) {
				mine++
			}
		}
		if mine >= n || time.Now().After(end) {
			break
		}
	}
	return outs
}

// collect takes what is there now.
func (h *harness) collect(t testing.TB) []planetest.Out {
	t.Helper()
	var outs []planetest.Out
	for name, tp := range h.w.taps {
		if name[0] == 'b' {
			continue
		}
		for {
			b := tp.Read()
			if b == nil {
				break
			}
			if name != "r0" {
				outs = append(outs, planetest.Out{Port: "p" + name[1:], Frame: b})
				continue
			}
			o, ok := testnet.ParseOuter(b)
			if !ok {
				continue
			}
			if o.Src != planetest.TunnelIP || !slices.Contains(planetest.Peers, o.Dst) || o.TTL != 64 || !o.DF ||
				o.Sum != 0 || o.Flags != 0x08 || !o.SumOK || o.Trailer ||
				o.IPLen != len(o.Inner)+36 || o.UDPLen != len(o.Inner)+16 {
				t.Errorf("outer headers %+v", o)
			}
			outs = append(outs, planetest.Out{Tunnel: intent.Tunnel{Peer: o.Dst, VNI: o.VNI}, TOS: o.TOS, Frame: o.Inner})
		}
	}
	return outs
}

// AddDevice implements planetest.Harness.
func (h *harness) AddDevice(_ testing.TB, port string) {
	h.w.veth(h.w.hosts, hostAt(port), h.w.vtep, port, 1500)
	h.w.tap(h.w.hosts, hostAt(port))
	if h.throwers != nil {
		h.throwFrom(hostAt(port))
	}
}

// RemoveDevice implements planetest.Harness.
func (h *harness) RemoveDevice(t testing.TB, port string) {
	t.Helper()
	h.w.removeLink(h.w.vtep, port)
	delete(h.w.taps, hostAt(port))
	delete(h.throwers, hostAt(port))
}
