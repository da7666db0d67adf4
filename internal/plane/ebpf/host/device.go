package host

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Device is what the plane knows of a network device of the host.
type Device struct {
	Index    int
	Name     string
	MTU      int
	Up       bool
	VXLAN    bool
	Ethernet bool   // has Ethernet headers
	Promisc  bool   // takes frames for every address, because somebody said so
	Kind     string // as "ip link add type" calls it; "": hardware
	Master   int    // ifindex of the bridge, bond, ... that it is enslaved to; 0: none
	MAC      MAC    // of a device that is Ethernet
	Below    int    // ifindex of the device whose frames it takes, in this namespace; 0: none
}

// Devices mirrors the host's devices, addresses and default routes; the watcher keeps it true.
// IPv6 addresses that every device has by itself are left out.
type Devices struct {
	ByIndex map[int]Device
	byName  map[string]int
	Addrs   map[AddrKey]struct{}

	Defaults map[int]bool   // ifindexes of default routes
	Losses   map[int]uint32 // how often devices have lost their link; of those that are not counted nothing
}

// NewDevices makes a mirror of a host without devices.
func NewDevices() Devices {
	return Devices{ByIndex: map[int]Device{}, byName: map[string]int{}, Addrs: map[AddrKey]struct{}{}, Defaults: map[int]bool{}, Losses: map[int]uint32{}}
}

// AddrKey is an address of a device.
type AddrKey struct {
	Index int // of the device
	Addr  netip.Addr
}

// stacked are the kinds of devices that take frames from the device below them.
var stacked = []string{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"}

// DeviceOf takes what the mirror has of a device.
func DeviceOf(l netlink.Link) Device {
	a := l.Attrs()
	d := Device{
		Index: a.Index, Name: a.Name, MTU: a.MTU, VXLAN: l.Type() == "vxlan", Ethernet: a.EncapType == "ether",
		Up:   a.RawFlags&(unix.IFF_UP|unix.IFF_RUNNING) == unix.IFF_UP|unix.IFF_RUNNING,
		MAC:  macOf(a.HardwareAddr),
		Kind: l.Type(), Master: a.MasterIndex, Promisc: a.RawFlags&unix.IFF_PROMISC != 0,
	}
	if a.NetNsID < 0 && slices.Contains(stacked, d.Kind) {
		d.Below = a.ParentIndex
	}
	return d
}

// Set notes a device that is new, or otherwise than it was.
func (d *Devices) Set(dev Device) {
	if old, ok := d.ByIndex[dev.Index]; ok && d.byName[old.Name] == dev.Index {
		delete(d.byName, old.Name)
	}
	d.ByIndex[dev.Index] = dev
	d.byName[dev.Name] = dev.Index
}

// Del forgets a device, and its addresses.
func (d *Devices) Del(index int) {
	if old, ok := d.ByIndex[index]; ok && d.byName[old.Name] == index {
		delete(d.byName, old.Name)
	}
	delete(d.ByIndex, index)
	delete(d.Losses, index)
	for k := range d.Addrs {
		if k.Index == index {
			delete(d.Addrs, k)
		}
	}
}

// Named gives the device of that name; the zero device (index 0) if there is none.
func (d *Devices) Named(name string) Device { return d.ByIndex[d.byName[name]] }

// SetAddr notes that a device has an address, or has it no more.
func (d *Devices) SetAddr(index int, ip netip.Addr, has bool) {
	if has {
		d.Addrs[AddrKey{index, ip}] = struct{}{}
	} else {
		delete(d.Addrs, AddrKey{index, ip})
	}
}

// HasAddr says whether a device has an address.
func (d *Devices) HasAddr(index int, ip netip.Addr) bool {
	_, ok := d.Addrs[AddrKey{index, ip}]
	return ok
}

// Local says whether ip is an address of the host.
func (d *Devices) Local(ip netip.Addr) bool {
	for k := range d.Addrs {
		if k.Addr == ip {
			return true
		}
	}
	return false
}

// Watch hears of changes of devices, their filters, addresses, rules, routes and next hops.
func (s *Namespace) Watch() (*nl.NetlinkSocket, error) {
	return s.subscribe(unix.NETLINK_ROUTE,
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE,
		unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_NEXTHOP, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_TC)
}

// Devices reads all of the host's devices and addresses, and its default routes.
func (s *Namespace) Devices() (Devices, error) {
	fresh := NewDevices()
	links, err := s.AllLinks()
	if err != nil {
		return Devices{}, fmt.Errorf("list network devices: %w", err)
	}
	for _, l := range links {
		fresh.Set(DeviceOf(l))
	}
	addrs, err := whole(func() ([]netlink.Addr, error) { return s.Links.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return Devices{}, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		if ip, ok := hostAddress(a.IP); ok {
			fresh.Addrs[AddrKey{a.LinkIndex, ip}] = struct{}{}
		}
	}
	if fresh.Losses, err = s.carrierLosses(); err != nil {
		return Devices{}, err
	}
	fresh.Defaults, err = s.Defaults()
	return fresh, err
}

// hostAddress is an address that means something to the plane.
func hostAddress(b []byte) (netip.Addr, bool) {
	ip, ok := netip.AddrFromSlice(b)
	ip = ip.Unmap()
	return ip, ok && (ip.Is4() || !ip.IsLinkLocalUnicast())
}

// ParseAddress takes the device and the address from an address message.
func ParseAddress(b []byte) (int, netip.Addr, bool) {
	if len(b) < unix.SizeofIfAddrmsg {
		return 0, netip.Addr{}, false
	}
	kind := uint16(unix.IFA_LOCAL)
	if b[0] == unix.AF_INET6 {
		kind = unix.IFA_ADDRESS
	}
	attrs, err := nl.ParseRouteAttr(b[unix.SizeofIfAddrmsg:])
	if err != nil {
		return 0, netip.Addr{}, false
	}
	for _, a := range attrs {
		if a.Attr.Type == kind {
			ip, ok := hostAddress(a.Value)
			return int(nl.DeserializeIfAddrmsg(b).Index), ip, ok
		}
	}
	return 0, netip.Addr{}, false
}
