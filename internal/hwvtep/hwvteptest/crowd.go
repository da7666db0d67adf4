package hwvteptest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/vtep/vtep/internal/hwvtep"
)

// Crowd is many remote MACs, which are known by numbers below 2^24 and spread evenly over logical switches, each with a
// VLAN of the same port, and over peers. Those with neighbouring numbers are in different switches.
type Crowd struct {
	FirstVNI  int64      // the others follow
	FirstPeer netip.Addr // of IPv4; the others follow

	Switches, Locators []hwvtep.UUID // as many as there are to be; Insert and Made set them
}

// NewCrowd is one of so many switches and peers.
func NewCrowd(switches, peers int, firstVNI int64, firstPeer netip.Addr) *Crowd {
	return &Crowd{firstVNI, firstPeer, make([]hwvtep.UUID, switches), make([]hwvtep.UUID, peers)}
}

// Insert inserts what the MACs refer to, and one at each peer that keeps it: Keeper.
func (c *Crowd) Insert(tx *hwvtep.Txn, port hwvtep.UUID) {
	bindings := map[int64]hwvtep.UUID{}
	for i := range c.Switches {
		c.Switches[i] = tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: fmt.Sprint("crowd", i), TunnelKey: hwvtep.Some(c.FirstVNI + int64(i))})
		bindings[int64(1+i)] = c.Switches[i]
	}
	for i := range c.Locators {
		c.Locators[i] = tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{
			EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: c.Peer(i).String()})
		tx.InsertUcastMACRemote(c.Row(c.Keeper(i)))
	}
	tx.PutPhysicalPortVLANBindings(port, bindings)
}

// Made says which rows the insertions have become.
func (c *Crowd) Made(row func(token hwvtep.UUID) hwvtep.UUID) {
	for _, list := range [][]hwvtep.UUID{c.Switches, c.Locators} {
		for i, token := range list {
			list[i] = row(token)
		}
	}
}

// Place says where MAC i is.
func (c *Crowd) Place(i int) (mac net.HardwareAddr, ls, peer int) {
	return net.HardwareAddr{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, i % len(c.Switches), i / len(c.Switches) % len(c.Locators)
}

// Row is the row of MAC i.
func (c *Crowd) Row(i int) hwvtep.UcastMACRemote {
	mac, ls, peer := c.Place(i)
	return hwvtep.UcastMACRemote{MAC: mac.String(), LogicalSwitch: c.Switches[ls], Locator: c.Locators[peer]}
}

// Keeper is the number of the MAC that keeps a peer.
func (c *Crowd) Keeper(peer int) int {
	const first = 8_000_000
	all := len(c.Switches) * len(c.Locators)
	return (first/all+1)*all + peer*len(c.Switches)
}

// Peer is the address of a peer.
func (c *Crowd) Peer(i int) netip.Addr { return Nth(c.FirstPeer, i) }

// Nth is the address of IPv4 that is i behind another one.
func Nth(first netip.Addr, i int) netip.Addr {
	ip := first.As4()
	binary.BigEndian.PutUint32(ip[:], binary.BigEndian.Uint32(ip[:])+uint32(i))
	return netip.AddrFrom4(ip)
}
