package host

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// MAC is an Ethernet address; the zero MAC: none.
type MAC [6]byte

func macOf(b []byte) (mac MAC) {
	if len(b) == len(mac) {
		copy(mac[:], b)
	}
	return mac
}

// valid are the states in which the kernel sends to a neighbor without asking for it first.
const valid = unix.NUD_PERMANENT | unix.NUD_NOARP | unix.NUD_REACHABLE | unix.NUD_PROBE | unix.NUD_STALE | unix.NUD_DELAY

// Neighbors are the MACs that the kernel knows for IPv4 addresses on devices.
type Neighbors map[AddrKey]MAC

// Neighbors reads them.
func (s *Namespace) Neighbors() (Neighbors, error) {
	list, err := whole(func() ([]netlink.Neigh, error) { return s.Links.NeighList(0, netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("list neighbors: %w", err)
	}
	all := Neighbors{}
	for i := range list {
		if key, mac := neighborOf(&list[i]); mac != (MAC{}) {
			all[key] = mac
		}
	}
	return all, nil
}

// WatchNeighbors hears of changes of them.
func (s *Namespace) WatchNeighbors() (*nl.NetlinkSocket, error) {
	return s.subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_NEIGH)
}

// ParseNeighbor takes the neighbor from a message of the kernel, and its MAC; without one it is not known, or no more. ok is
// false for what is none of IPv4.
func ParseNeighbor(kind uint16, b []byte) (key AddrKey, mac MAC, ok bool) {
	if len(b) == 0 || b[0] != unix.AF_INET || kind != unix.RTM_NEWNEIGH && kind != unix.RTM_DELNEIGH {
		return AddrKey{}, MAC{}, false
	}
	n, err := netlink.NeighDeserialize(b)
	if err != nil {
		return AddrKey{}, MAC{}, false
	}
	key, mac = neighborOf(n)
	if kind == unix.RTM_DELNEIGH {
		mac = MAC{}
	}
	return key, mac, key.Addr.IsValid()
}

func neighborOf(n *netlink.Neigh) (AddrKey, MAC) {
	ip, _ := netip.AddrFromSlice(n.IP)
	key := AddrKey{n.LinkIndex, ip.Unmap()}
	if n.State&valid == 0 {
		return key, MAC{}
	}
	return key, macOf(n.HardwareAddr)
}

// KeepNeighbor has the kernel find out whether a neighbor is still there that it believes in without having heard of it for
// long, as if it had sent to it. (Of an entry that is permanent it would take that away.)
func (s *Namespace) KeepNeighbor(k AddrKey) error {
	answers, err := s.neighbor(unix.RTM_GETNEIGH, 0, k, 0)
	if err != nil {
		return fmt.Errorf("ask for a neighbor: %w", err)
	}
	for _, b := range answers {
		n, err := netlink.NeighDeserialize(b)
		if err != nil || n.State&unix.NUD_STALE == 0 {
			continue
		}
		if _, err := s.neighbor(unix.RTM_NEWNEIGH, unix.NLM_F_ACK, k, unix.NTF_USE); err != nil {
			return fmt.Errorf("look after a neighbor: %w", err)
		}
	}
	return nil
}

func (s *Namespace) neighbor(kind, flags int, k AddrKey, ndm uint8) ([][]byte, error) {
	req := s.request(unix.NETLINK_ROUTE, kind, flags)
	req.AddData(&netlink.Ndmsg{Family: unix.AF_INET, Index: uint32(k.Index), Flags: ndm})
	req.AddData(nl.NewRtAttr(unix.NDA_DST, k.Addr.AsSlice()))
	return req.Execute(unix.NETLINK_ROUTE, 0)
}
