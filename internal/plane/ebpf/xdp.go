package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Native XDP. Programs in the driver take known unicast before those at TC ingress see it (bpf/xdp.h), on devices
// that can have them (xdpfit.go). All else passes to TC, and so does everything where there are none, so that
// whatever goes wrong here costs speed and no frame: it is never an error of Apply.
//
// The programs have maps of their own beside those of the others. None is pinned: a process fills them before its
// programs take the place of an earlier one's.

// XDP says on which devices native XDP is used.
type XDP uint8

const (
	XDPOff     XDP = iota
	XDPAuto        // where the checks allow it, and it is faster
	XDPRequire     // wherever the checks allow it; where they do not, that is a problem
)

// native is what the plane has of it.
type native struct {
	links   *kernel.Natives
	err     error        // why there is none at all; nil: nothing stands against it
	maps    *nativeMaps  // nil: not made yet
	nics    *xdpPrograms // those of NICs; nil: not loaded
	veths   *xdpPrograms // those of veth devices; nil: not loaded
	devices map[int]*nativeDevice
	stale   bool // ports or devices of the underlay have come or gone
	written layout.Native

	adjacent map[uint32]layout.Adjacency // as written last, by number of the peer

	review *time.Timer // looks at devices again, of which something was heard; nil: none pending
}

// nativeMaps are those that only the programs of native XDP have.
type nativeMaps struct {
	Native      *ebpf.Map `ebpf:"native"`
	Adjacencies *ebpf.Map `ebpf:"adjacencies"`
	Outlets     *ebpf.Map `ebpf:"outlets"`
	Counts      *ebpf.Map `ebpf:"native_counts"`
}

// nativeDevice is a port's, or one of the underlay.
type nativeDevice struct {
	under   bool
	veth    bool   // its frames may be buffers of the kernel
	doubt   bool   // to be looked at
	look    aspect // what was seen last
	in, out error  // why no frame takes XDP that comes by it, or that is for it; nil: they do
	outlet  uint32 // its place in the map outlets; 0: it is not there
	looks   retry  // of looks at it
	attach  retry  // of attaching a program
}

var errXDPOff = errors.New("--xdp is off")

// openNative prepares for it. What an earlier process has left goes on until the first Apply.
func (p *Plane) openNative() error {
	n := &p.native
	n.links = &kernel.Natives{Pins: p.pins, Space: p.space, All: map[int]*kernel.Native{}}
	n.devices, n.stale = map[int]*nativeDevice{}, true
	n.adjacent = map[uint32]layout.Adjacency{}
	switch {
	case p.opts.XDP == XDPOff:
		n.err = errXDPOff
	case p.opts.Direct == DirectOff:
		n.err = errors.New("--direct is off: all packets are to meet the IP stack")
	}
	if n.err != nil {
		return nil
	}
	return p.watchDrivers()
}

// close lets go of what is open. The programs stay.
func (n *native) close() {
	if n.review != nil {
		n.review.Stop()
	}
	if n.links != nil {
		for index := range n.links.All {
			n.links.LetGo(index)
		}
	}
	for _, all := range []*xdpPrograms{n.nics, n.veths} {
		if all != nil {
			all.Close()
		}
	}
	if n.maps != nil {
		for _, m := range kernel.ByTag[ebpf.Map](n.maps) {
			(*m).Close()
		}
	}
	n.nics, n.veths, n.maps, n.devices = nil, nil, nil, nil
}

// program gives the one that the device is to have.
func (n *native) program(d *nativeDevice) *ebpf.Program {
	all := n.nics
	if d.veth {
		all = n.veths
	}
	if d.under {
		return all.VtepXdpUnderlay
	}
	return all.VtepXdpPort
}

// makeMaps makes those that only these programs have, for a number of peers.
func (n *native) makeMaps(peers uint32) error {
	if n.maps != nil {
		return nil
	}
	spec, err := loadXdp()
	if err != nil {
		return fmt.Errorf("read the XDP programs: %w", err)
	}
	made := &nativeMaps{}
	places := kernel.ByTag[ebpf.Map](made)
	for name, m := range places {
		s := spec.Maps[name].Copy()
		if name == "adjacencies" {
			s.MaxEntries = peers
		}
		if *m, err = ebpf.NewMap(s); err != nil {
			for _, m := range places {
				if *m != nil {
					(*m).Close()
				}
			}
			return kernel.Explain("make map "+name, err)
		}
	}
	n.maps = made
	return nil
}

// loadNative loads the programs of NICs, or of veth devices, with these maps of the others.
func (p *Plane) loadNative(with map[string]*ebpf.Map, veths bool) (*xdpPrograms, error) {
	read := loadXdp
	if veths {
		read = loadXdpveth
	}
	spec, err := read()
	if err == nil {
		err = spec.Variables["vxlan_port"].Set(p.opts.Port)
	}
	if err != nil {
		return nil, fmt.Errorf("read the XDP programs: %w", err)
	}
	with = maps.Clone(with)
	for name, m := range kernel.ByTag[ebpf.Map](p.native.maps) {
		with[name] = *m
	}
	for name, m := range with {
		if s := spec.Maps[name]; s != nil {
			s.MaxEntries = m.MaxEntries()
		} else {
			delete(with, name)
		}
	}
	loaded := &xdpPrograms{}
	if err := spec.LoadAndAssign(loaded, &ebpf.CollectionOptions{MapReplacements: with}); err != nil {
		return nil, kernel.Explain("load the XDP programs", err)
	}
	return loaded, nil
}

// needNative loads what the device needs.
func (p *Plane) needNative(d *nativeDevice) error {
	n := &p.native
	if err := n.makeMaps(p.objs.Paths.MaxEntries()); err != nil {
		return err
	}
	place := &n.nics
	if d.veth {
		place = &n.veths
	}
	if *place != nil {
		return nil
	}
	present := map[string]*ebpf.Map{}
	for name, m := range p.objs.byName() {
		present[name] = *m
	}
	loaded, err := p.loadNative(present, d.veth)
	if err == nil {
		*place = loaded
	}
	return err
}

// attachNatives brings the devices that have native XDP to what ports and the underlay are now.
func (p *Plane) attachNatives() {
	n := &p.native
	p.writeNative()
	if !n.stale || n.err != nil {
		return
	}
	n.stale = false
	want := map[int]bool{} // whether it is of the underlay
	for _, prt := range p.ports {
		if prt.attached != 0 {
			want[prt.attached] = false
		}
	}
	for index := range p.overlay.underlays {
		want[index] = true
	}
	for index, d := range n.devices {
		if under, ok := want[index]; !ok || under != d.under {
			p.dropNative(index)
		}
	}
	for index, under := range want {
		if n.devices[index] == nil {
			n.devices[index] = &nativeDevice{under: under, doubt: true}
		}
	}
	p.fitNatives()
}

// fitNatives looks at those in doubt.
func (p *Plane) fitNatives() {
	n := &p.native
	var doubted []int
	for index, d := range n.devices {
		if !d.doubt {
			continue
		}
		d.doubt = false
		l, err := p.lookAt(index, d.under)
		if err != nil {
			p.unseen(index, d, err)
			continue
		}
		doubted = append(doubted, index)
		d.veth = l.Kind == "veth" && !p.opts.wired
		if d.in = l.fitsIn(&p.opts); d.in != nil {
			d.attach = retry{}
		} else {
			d.in = p.attachNative(index, d, &l)
		}
		if d.in != nil {
			p.detachNative(index)
		}
		d.look, d.looks = l, retry{}
	}
	// Only now: whether a device takes frames may depend on whether it has a program; a veth device, on whether its other
	// end has, which may be one of these.
	for _, index := range doubted {
		d := n.devices[index]
		can, err := p.askDriver(index)
		if err != nil {
			p.unseen(index, d, err)
			continue
		}
		d.look.can = can
		d.out = d.look.fitsOut()
		p.setOutlet(index, d)
	}
	if n.maps != nil && len(doubted) > 0 {
		p.writeNative()
		p.adjoinAll()
	}
}

// setOutlet says whether programs send frames out by the device.
func (p *Plane) setOutlet(index int, d *nativeDevice) {
	m := p.native.maps
	if m == nil {
		return
	}
	var want uint32
	if d.out == nil {
		if want = p.outletOf(index, d); want == 0 {
			d.out = noRoom("no room for more than %d devices of the underlay", layout.Outlets-layout.OutletsOfPorts)
		}
	}
	if want == d.outlet {
		return
	}
	var err error
	if d.outlet != 0 {
		if err = m.Outlets.Delete(d.outlet); errors.Is(err, ebpf.ErrKeyNotExist) {
			err = nil // the kernel takes out devices that go
		}
	}
	if err == nil && want != 0 {
		err = p.space.Run(func() error { return m.Outlets.Put(want, uint32(index)) })
	}
	if err != nil {
		d.out = fmt.Errorf("write map outlets: %w", err)
		return
	}
	d.outlet = want
}

// outletOf gives the place that the device has, or would have; 0: there is none left.
func (p *Plane) outletOf(index int, d *nativeDevice) uint32 {
	if prt := p.portOf(index); !d.under && prt != nil {
		return prt.Number
	}
	if d.outlet != 0 {
		return d.outlet
	}
	used := map[uint32]bool{}
	for _, other := range p.native.devices {
		used[other.outlet] = true
	}
	for n := uint32(layout.OutletsOfPorts); n < layout.Outlets; n++ {
		if !used[n] {
			return n
		}
	}
	return 0
}

// dropNative takes the program off a device that is no port, and none of the underlay, any more.
func (p *Plane) dropNative(index int) {
	d := p.native.devices[index]
	if d == nil {
		return
	}
	delete(p.native.devices, index)
	d.out = errXDPOff
	p.setOutlet(index, d)
	p.detachNative(index)
}

// guardNatives takes the programs off ports of veth devices that are about to get VLANs.
func (p *Plane) guardNatives() {
	for index, d := range p.native.devices {
		if !d.veth || d.under {
			continue
		}
		if has := p.hasVLANs(index); has != d.look.vlans {
			d.doubt = true
		}
		if d.doubt {
			p.native.stale = true
		}
		if d.doubt && d.in == nil {
			p.detachNative(index)
		}
	}
}

// writeNative tells the programs that the process is at work, and whether they are.
func (p *Plane) writeNative() {
	n := &p.native
	if n.maps == nil {
		return
	}
	want := layout.Native{Alive: uint64(p.alive)}
	if p.showing == nil {
		want.Flags = layout.NativeOn
	}
	if want == n.written {
		return
	}
	if err := n.maps.Native.Put(uint32(0), &want); err != nil {
		p.log.Warn("the XDP programs can't be told what they are to do", "err", err)
		return
	}
	n.written = want
}

// swapNatives makes the programs use other maps of the others. Where that fails their frames go to TC.
func (p *Plane) swapNatives(with map[string]*ebpf.Map) {
	n := &p.native
	var failed error
	for veths, place := range map[bool]**xdpPrograms{false: &n.nics, true: &n.veths} {
		if *place == nil {
			continue
		}
		defer (*place).Close()
		fresh, err := p.loadNative(with, veths)
		*place, failed = fresh, errors.Join(failed, err)
	}
	for index := range n.links.All {
		d, err := n.devices[index], failed
		if err == nil {
			err = n.links.Attach(index, n.program(d))
		}
		if err != nil {
			p.log.Warn("an XDP program can't be replaced: its frames go by TC", "device", p.nameOf(uint32(index)), "err", err)
			p.detachNative(index)
			d.in = err
			d.attach.failed(err)
		}
	}
}

// detachNatives takes off what an earlier process has left on devices where nothing is to be.
func (p *Plane) detachNatives() error {
	keep := map[int]bool{}
	for index := range p.native.links.All {
		keep[index] = true
	}
	return p.native.links.DetachAll(keep)
}
