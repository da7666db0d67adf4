package host

import (
	"testing"

	"github.com/vishvananda/netlink"
)

// What the kernel of a test may lack.
func TestOwner(t *testing.T) {
	d := NewDevices()
	for _, dev := range []Device{
		{Index: 1, Name: "eth0", Master: 9}, {Index: 2, Name: "eth1", Master: 10}, {Index: 3, Name: "eth2", Master: 11},
		{Index: 4, Name: "eth3"}, {Index: 5, Name: "eth3.7", Kind: "vlan", Below: 4}, {Index: 6, Name: "eth4", Master: 99},
		{Index: 9, Name: "bond0", Kind: "bond"}, {Index: 10, Name: "ovs-system", Kind: "openvswitch"}, {Index: 11, Name: "red", Kind: "vrf"},
	} {
		d.Set(dev)
	}
	for name, want := range map[string]string{
		"eth0": `the bond "bond0"`, "eth1": "an Open vSwitch bridge", "eth2": `the vrf "red"`,
		"eth3": `the vlan "eth3.7" upon it`, "eth3.7": "", "bond0": "",
		"eth4": "the device with index 99, as its master",
	} {
		if got := d.Owner(d.Named(name)); got != want {
			t.Errorf("%s belongs to %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		link netlink.Link
		want int
	}{
		{&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{ParentIndex: 4, NetNsID: -1}}, 4},
		{&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{ParentIndex: 4, NetNsID: 3}}, 0}, // of another namespace
		{&netlink.Veth{LinkAttrs: netlink.LinkAttrs{ParentIndex: 4, NetNsID: -1}}, 0},
	} {
		if got := DeviceOf(c.link); got.Below != c.want {
			t.Errorf("%s: below it is %d, want %d", c.link.Type(), got.Below, c.want)
		}
	}
}
