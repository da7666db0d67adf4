package ebpf

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
)

// What a device must be like for native XDP. The programs see bytes and nothing else: what the kernel or the NIC
// has taken out of the frame, merged, or promised to do later is lost on a frame that they send on. docs/ebpf.md
// has the table.

// hides are offloads with which a program would not see frames as they are on the wire, and what switches them off.
var hides = []struct{ feature, what, off string }{
	{"rx-lro", "it merges frames (LRO)", "lro off"},
	{"rx-gro-hw", "it merges frames (GRO in hardware)", "rx-gro-hw off"},
	{"rx-vlan-hw-parse", "it takes VLAN tags out of frames", "rxvlan off"},
	{"rx-vlan-stag-hw-parse", "it takes service tags out of frames", "rx-vlan-stag-hw-parse off"},
}

// hidden says what of the frames of a NIC that is set so a program would not see; nil: it sees all.
func hidden(name string, set host.Offloads) error {
	for _, h := range hides {
		if set.Features[h.feature] {
			return fmt.Errorf("%s: ethtool -K %s %s", h.what, name, h.off)
		}
	}
	if set.DataSplit {
		return fmt.Errorf("it splits headers from payload: ethtool -G %s tcp-data-split off", name)
	}
	return nil
}

// fitsIn says why no program of native XDP can handle the frames that come by the device; nil: one can.
func (p *Plane) fitsIn(index int, d *nativeDevice) error {
	dev := p.devices.ByIndex[index]
	switch {
	case dev.Kind == "device": // a NIC
	case dev.Kind == "veth" && p.opts.XDP == XDPRequire:
		d.veth = !p.opts.wired
		if d.veth && d.vlans {
			return errors.New("a veth device with VLANs: their tags are beside the frames, where XDP does not see them")
		}
	case dev.Kind == "veth":
		return errors.New("a veth device: most of its frames come in buffers of the kernel, which TC takes faster (--xdp=require uses XDP all the same)")
	default:
		return fmt.Errorf("XDP is not used on devices of the kind %s", dev.Kind)
	}
	can, err := p.space.XDPFeatures(index)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the kernel does not say what devices can do with XDP (Linux 6.3 does)")
	case err != nil:
		return err
	case can&host.XDPBasic == 0:
		return errors.New("its driver has no native XDP, or too few queues for it")
	case can&host.XDPRedirects == 0:
		return errors.New("its driver can't send frames from XDP out of other devices")
	}
	if dev.Kind != "veth" {
		set, err := p.space.Offloads(index)
		if err != nil {
			return err
		}
		if err := hidden(dev.Name, set); err != nil {
			return err
		}
	}
	l, err := p.space.Links.LinkByIndex(index)
	if err != nil {
		return err
	}
	if x := l.Attrs().Xdp; x != nil && x.Attached && p.native.links.All[index] == nil && !p.native.links.IsOurs(index, x.ProgId) {
		return fmt.Errorf("another XDP program runs on it (id %d)", x.ProgId)
	}
	if d.beside.in != "" {
		return fmt.Errorf("%s looks at its frames at TC ingress", d.beside.in)
	}
	return nil
}

// besides names programs and filters of others at TC that see frames of a device, and would not see those of
// XDP; "": there are none.
type besides struct{ in, out string }

func (p *Plane) beside(index int, d *nativeDevice) (b besides) {
	if d.under { // on a port the plane's own is the first and the last
		b.in = p.attached.Others(index)
	}
	b.out = p.attached.OthersOut(index)
	return b
}

// hasVLANs says whether the device is a port with a binding for tagged frames.
func (p *Plane) hasVLANs(index int) bool {
	prt := p.portOf(index)
	if prt == nil {
		return false
	}
	for vid := range prt.Bindings {
		if vid != 0 {
			return true
		}
	}
	return false
}

// plain are queueing disciplines that do nothing but wait and share.
var plain = []string{"noqueue", "mq", "pfifo_fast", "pfifo", "fq_codel", "fq", "sfq", "noop", "clsact", "ingress"}

// fitsOut says why XDP programs send no frames out by the device; nil: they do.
func (p *Plane) fitsOut(index int, d *nativeDevice) error {
	can, err := p.space.XDPFeatures(index)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the kernel does not say what devices can do with XDP (Linux 6.3 does)")
	case err != nil:
		return err
	case can&host.XDPTransmits == 0 && p.devices.ByIndex[index].Kind == "veth":
		return errors.New("its other end takes no frames from XDP: switch GRO on there (ethtool -K DEVICE gro on)")
	case can&host.XDPTransmits == 0:
		return errors.New("its driver takes no frames from XDP")
	}
	if d.beside.out != "" {
		return fmt.Errorf("%s looks at frames that leave by it", d.beside.out)
	}
	dev := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: index}}
	disciplines, err := p.space.Links.QdiscList(dev)
	if err != nil {
		return fmt.Errorf("list queueing disciplines: %w", err)
	}
	for _, q := range disciplines {
		if !slices.Contains(plain, q.Type()) {
			return fmt.Errorf("frames that leave by it are shaped (queueing discipline %s)", strings.TrimSpace(q.Type()))
		}
	}
	return nil
}
