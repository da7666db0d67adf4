package ebpf

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// device is what the plane knows of a network device of the host.
type device struct {
	index    int
	name     string
	mtu      int
	up       bool
	vxlan    bool
	ethernet bool   // has Ethernet headers
	promisc  bool   // takes frames for every address, because somebody said so
	kind     string // as "ip link add type" calls it; "": hardware
	master   int    // ifindex of the bridge, bond, ... that it is enslaved to; 0: none
	below    int    // ifindex of the device whose frames it takes, in this namespace; 0: none
}

// devices mirrors the host's devices, addresses and default routes; the watcher keeps it true.
// IPv6 addresses that every device has by itself are left out.
type devices struct {
	byIndex map[int]device
	byName  map[string]int
	addrs   map[addrKey]struct{}

	defaults map[int]bool // ifindexes of default routes
}

type addrKey struct {
	index int
	addr  netip.Addr
}

func deviceOf(l netlink.Link) device {
	a := l.Attrs()
	d := device{
		index: a.Index, name: a.Name, mtu: a.MTU, vxlan: l.Type() == "vxlan", ethernet: a.EncapType == "ether",
		up:   a.RawFlags&(unix.IFF_UP|unix.IFF_RUNNING) == unix.IFF_UP|unix.IFF_RUNNING,
		kind: l.Type(), master: a.MasterIndex, promisc: a.RawFlags&unix.IFF_PROMISC != 0,
	}
	if a.NetNsID < 0 && slices.Contains(stacked, d.kind) {
		d.below = a.ParentIndex
	}
	return d
}

func (d *devices) set(dev device) {
	if old, ok := d.byIndex[dev.index]; ok && d.byName[old.name] == dev.index {
		delete(d.byName, old.name)
	}
	d.byIndex[dev.index] = dev
	d.byName[dev.name] = dev.index
}

func (d *devices) del(index int) {
	if old, ok := d.byIndex[index]; ok && d.byName[old.name] == index {
		delete(d.byName, old.name)
	}
	delete(d.byIndex, index)
	for k := range d.addrs {
		if k.index == index {
			delete(d.addrs, k)
		}
	}
}

// named gives the device of that name; the zero device (index 0) if there is none.
func (d *devices) named(name string) device { return d.byIndex[d.byName[name]] }

// local says whether ip is an address of the host.
func (d *devices) local(ip netip.Addr) bool {
	for k := range d.addrs {
		if k.addr == ip {
			return true
		}
	}
	return false
}

// loadDevices reads all of the host's devices and addresses.
func (p *Plane) loadDevices() error {
	fresh := devices{byIndex: map[int]device{}, byName: map[string]int{}, addrs: map[addrKey]struct{}{}}
	links, err := p.space.links.LinkList()
	if err != nil {
		return fmt.Errorf("list network devices: %w", err)
	}
	for _, l := range links {
		fresh.set(deviceOf(l))
	}
	addrs, err := p.space.links.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		if ip, ok := hostAddress(a.IP); ok {
			fresh.addrs[addrKey{a.LinkIndex, ip}] = struct{}{}
		}
	}
	p.devices = fresh
	return p.loadDefaults()
}

// hostAddress is an address that means something to the plane.
func hostAddress(b []byte) (netip.Addr, bool) {
	ip, ok := netip.AddrFromSlice(b)
	ip = ip.Unmap()
	return ip, ok && (ip.Is4() || !ip.IsLinkLocalUnicast())
}
