package memory

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
)

// address is the IP address that the sender of a frame says it has, by ARP or Neighbor Discovery; the
// zero Addr: none that another host could ask for.
func (f frame) address() netip.Addr {
	ip, mac := netip.Addr{}, packet.MAC{}
	switch {
	case f.etherType() == packet.EtherARP:
		a, ok := packet.ParseARP(f[headerLen:])
		if !ok || a.Op != packet.ARPRequest && a.Op != packet.ARPReply {
			return netip.Addr{}
		}
		ip, mac = a.SenderIP, a.SenderMAC
	case packet.IsND(f):
		n, ok := packet.ParseND(f)
		if !ok {
			return netip.Addr{}
		}
		ip, mac = n.Src, n.MAC
		if n.Type == packet.Advertisement {
			ip = n.Target
		}
		if mac == (packet.MAC{}) { // it is not said, and need not be
			mac = packet.MAC(f.src())
		}
	}
	if mac != packet.MAC(f.src()) || !isHost(ip) {
		return netip.Addr{}
	}
	return ip
}

// isHost says whether an address is that of one host, in more than its own link.
func isHost(ip netip.Addr) bool {
	if !ip.IsValid() || !ip.IsGlobalUnicast() || ip.Is4In6() {
		return false
	}
	b := ip.As16()
	if ip.Is4() {
		return b[12] != 0 && b[12] < 0xe0 // 0/8, and those that are reserved
	}
	return [12]byte(b[:]) != [12]byte{}
}

// forgetSaid has the IP addresses of a switch told of again when somebody wants to know of them.
func (f *Fabric) forgetSaid(id intent.SwitchID) {
	for key, s := range f.learned {
		if key.Switch == id {
			s.said, s.last = nil, netip.Addr{}
		}
	}
}
