package ebpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

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

// aspect is what a device is like, as far as XDP depends on it.
type aspect struct {
	host.Device
	can    host.XDPFeatures
	set    host.Offloads
	stuck  string // the discipline in which frames wait that leave by it, if it is none of plain; "": none
	other  uint32 // the number of somebody else's XDP program; 0: there is none
	beside besides
	vlans  bool // it is a port with VLANs
}

// lookAt finds that out. An error: it can't be known at present.
func (p *Plane) lookAt(index int, under bool) (l aspect, err error) {
	l = aspect{Device: p.devices.ByIndex[index], beside: p.beside(index, under), vlans: p.hasVLANs(index)}
	if l.can, err = p.askDriver(index); err != nil {
		return l, err
	}
	if l.set, err = p.space.Offloads(index); err != nil {
		return l, err
	}
	dev, err := p.space.Links.LinkByIndex(index)
	if err != nil {
		return l, fmt.Errorf("look at the device: %w", err)
	}
	if x := dev.Attrs().Xdp; x != nil && x.Attached && p.native.links.All[index] == nil && !p.native.links.IsOurs(index, x.ProgId) {
		l.other = x.ProgId
	}
	disciplines, err := p.space.Links.QdiscList(dev)
	if err != nil {
		return l, fmt.Errorf("list queueing disciplines: %w", err)
	}
	for _, q := range disciplines {
		if !slices.Contains(plain, q.Type()) {
			l.stuck = q.Type()
		}
	}
	return l, nil
}

// askDriver asks what a device can do with XDP.
func (p *Plane) askDriver(index int) (host.XDPFeatures, error) {
	if p.opts.asksDriver != nil {
		if err := p.opts.asksDriver(); err != nil {
			return 0, err
		}
	}
	return p.space.XDPFeatures(index)
}

// isLike says whether nothing has changed that drivers look at when a program is attached. That the link went down and up
// is none of that: attaching may have done it.
func (l *aspect) isLike(before *aspect) bool {
	return l.can == before.can && l.MTU == before.MTU && l.other == before.other && l.set.Equal(before.set)
}

// fitsIn says why no program of native XDP can handle the frames that come by the device; nil: one can.
func (l *aspect) fitsIn(o *Options) error {
	switch {
	case l.Kind == "device": // a NIC
	case l.Kind == "veth" && o.XDP == XDPRequire:
		if !o.wired && l.vlans {
			return errors.New("a veth device with VLANs: their tags are beside the frames, where XDP does not see them")
		}
	case l.Kind == "veth":
		return errors.New("a veth device: most of its frames come in buffers of the kernel, which TC takes faster (--xdp=require uses XDP all the same)")
	default:
		return fmt.Errorf("XDP is not used on devices of the kind %s", l.Kind)
	}
	switch {
	case l.can&host.XDPBasic == 0:
		return errors.New("its driver has no native XDP, or too few queues for it")
	case l.can&host.XDPRedirects == 0:
		return errors.New("its driver can't send frames from XDP out of other devices")
	}
	if l.Kind != "veth" {
		if err := hidden(l.Name, l.set); err != nil {
			return err
		}
	}
	if l.other != 0 {
		return fmt.Errorf("another XDP program runs on it (id %d)", l.other)
	}
	if l.beside.in != "" {
		return fmt.Errorf("%s looks at its frames at TC ingress", l.beside.in)
	}
	return nil
}

// fitsOut says why XDP programs send no frames out by the device; nil: they do.
func (l *aspect) fitsOut() error {
	switch {
	case l.can&host.XDPTransmits == 0 && l.Kind == "veth":
		return errors.New("its other end takes no frames from XDP: switch GRO on there (ethtool -K DEVICE gro on)")
	case l.can&host.XDPTransmits == 0:
		return errors.New("its driver takes no frames from XDP")
	case l.beside.out != "":
		return fmt.Errorf("%s looks at frames that leave by it", l.beside.out)
	case l.stuck != "":
		return fmt.Errorf("frames that leave by it are shaped (queueing discipline %s)", strings.TrimSpace(l.stuck))
	}
	return nil
}

// plain are queueing disciplines that do nothing but wait and share.
var plain = []string{"noqueue", "mq", "pfifo_fast", "pfifo", "fq_codel", "fq", "sfq", "noop", "clsact", "ingress"}

// besides names programs and filters of others at TC that see frames of a device, and would not see those of
// XDP; "": there are none.
type besides struct{ in, out string }

func (p *Plane) beside(index int, under bool) (b besides) {
	if under { // on a port the plane's own is the first and the last
		b.in = p.attached.Others(index, true)
	}
	b.out = p.attached.Others(index, false)
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
