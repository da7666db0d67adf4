package ebpf

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/testnet"
)

// passing is an XDP program that leaves all frames to the kernel.
func passing(t *testing.T) *ebpf.Program {
	t.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close() })
	return prog
}

// xdpByNetlink attaches a program the old way; -1: none.
func (w *world) xdpByNetlink(dev string, fd int) {
	w.t.Helper()
	testnet.Link(w.t, w.vtep, dev, func(_ *netlink.Handle, l netlink.Link) error {
		return w.vtep.Do(func() error { return netlink.LinkSetXdpFd(l, fd) })
	})
}

// shape adds a queueing discipline to the device, or deletes it.
func (w *world) shape(dev string, do func(*netlink.Handle, netlink.Qdisc) error) (err error) {
	w.t.Helper()
	testnet.Link(w.t, w.vtep, dev, func(h *netlink.Handle, l netlink.Link) error {
		err = do(h, &netlink.Tbf{
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			Rate:       1 << 24, Limit: 1 << 20, Buffer: 1 << 16})
		return nil
	})
	return err
}

// Whatever a device lacks is found, told, and found again when it is there.
func TestXDPConditions(t *testing.T) {
	w := nativeWorld(t)
	w.xdpByNetlink("p1", passing(t).FD())
	p := w.plane(Options{XDP: XDPRequire})
	s := basic()
	w.apply(p, s, nil)
	port := func(name string) plane.Path { return w.paths(p).Ports[name] }
	problems := func() (n int) {
		r, err := p.Apply(t.Context(), s, &intent.Delta{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range r.Problems {
			if o.Kind == "no_xdp" {
				n++
			}
		}
		return n
	}
	if way := port("p0"); !way.In.XDP || !way.Out.XDP {
		t.Errorf("p0: %+v", way)
	}
	if way := port("p1"); way.In.XDP || !strings.Contains(way.In.Why, "another XDP program") {
		t.Errorf("p1: %+v", way)
	}
	if n := problems(); n != 1 {
		t.Errorf("%d problems", n)
	}
	w.xdpByNetlink("p1", -1)
	w.waitFor("XDP on p1 after the other program has gone", func() bool { return port("p1").In.XDP })

	// The other end of a veth device takes frames with GRO only.
	if err := w.hosts.Do(func() error { return ethtool("h0", unix.ETHTOOL_SGRO, 0) }); err != nil {
		t.Fatal(err)
	}
	w.waitFor("frames for p0 by TC", func() bool { way := port("p0"); return way.In.XDP && strings.Contains(way.Out.Why, "switch GRO on") })
	w.takesXDP(w.hosts, "h0")
	w.waitFor("frames for p0 by XDP", func() bool { return port("p0").Out.XDP })

	// Tags of VLANs may be beside frames.
	s.Bindings[intent.BindingKey{Port: "p0", VLAN: 5}] = intent.Binding{Switch: ls1}
	w.apply(p, s, nil)
	if way := port("p0"); way.In.XDP || !strings.Contains(way.In.Why, "VLANs") {
		t.Errorf("p0: %+v", way)
	}
	delete(s.Bindings, intent.BindingKey{Port: "p0", VLAN: 5})
	w.apply(p, s, nil)
	if way := port("p0"); !way.In.XDP {
		t.Errorf("p0: %+v", way)
	}

	// What is shaped must not go past that.
	if err := w.shape("u0", (*netlink.Handle).QdiscAdd); errors.Is(err, unix.ENOENT) {
		t.Log("this kernel has not got the queueing discipline tbf")
	} else if err != nil {
		t.Fatal(err)
	} else {
		w.waitFor("the underlay by TC", func() bool { return strings.Contains(w.paths(p).Underlay["u0"].Out.Why, "shaped") })
		if err := w.shape("u0", (*netlink.Handle).QdiscDel); err != nil {
			t.Fatal(err)
		}
		w.waitFor("the underlay by XDP", func() bool { return w.paths(p).Underlay["u0"].Out.XDP })
	}

	// A link that somebody has detached comes back with the next look.
	p.mu.Lock()
	index := p.ports["p0"].attached
	err := p.native.links.Detach(index)
	p.recheckNatives()
	sound := p.native.links.Examine(index) == kernel.Sound
	p.mu.Unlock()
	if err != nil || !sound {
		t.Errorf("detached: %v, not attached again: %v", err, !sound)
	}
	w.audit(p)
}

// Of NICs, what hides frames from programs.
func TestXDPOffloads(t *testing.T) {
	for feature, says := range map[string]string{
		"rx-lro": "ethtool -K eth0 lro off", "rx-gro-hw": "rx-gro-hw off", "rx-vlan-hw-parse": "ethtool -K eth0 rxvlan off",
		"rx-vlan-stag-hw-parse": "rx-vlan-stag-hw-parse off", "rx-gro": "", "tx-checksum-ip-generic": "",
	} {
		err := hidden("eth0", host.Offloads{Features: map[string]bool{feature: true}})
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", feature, err)
		}
	}
	if err := hidden("eth0", host.Offloads{DataSplit: true}); err == nil {
		t.Error("headers that are split off are taken")
	}
	// The kernel is asked with the same names.
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	p.mu.Lock()
	o, err := p.space.Offloads(p.devices.Named("p0").Index)
	p.mu.Unlock()
	if err != nil || !o.Features["rx-vlan-hw-parse"] || o.Features["rx-lro"] {
		t.Errorf("offloads %+v, %v", o, err)
	}
}
