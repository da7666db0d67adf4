package memory

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
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

// suppress answers the question of a host at a port for a station that is known and not at the same
// binding; nil: it is none of these, or not as it has to be. What tells others something, or asks
// whether anybody has an address, passes.
func (f *Fabric) suppress(in intent.BindingKey, id intent.SwitchID, fr frame) frame {
	if fr.tagged() || !fr.dst().IsGroup() {
		return nil
	}
	src := packet.MAC(fr.src())
	switch {
	case fr.etherType() == packet.EtherARP:
		a, ok := packet.ParseARP(fr[headerLen:])
		if !ok || a.Op != packet.ARPRequest || a.SenderMAC != src || a.SenderIP.IsUnspecified() || a.SenderIP == a.TargetIP {
			return nil
		}
		mac, ok := f.findNeighbour(in, intent.IPKey{Switch: id, IP: a.TargetIP}, src)
		if !ok {
			return nil
		}
		f.answered["arp"]++
		return packet.ARP{Op: packet.ARPReply, SenderMAC: mac, SenderIP: a.TargetIP, TargetMAC: src, TargetIP: a.SenderIP}.Frame(src, mac)
	case packet.IsND(fr):
		n, ok := packet.ParseND(fr)
		if !ok || n.Type != packet.Solicitation || !n.Dst.IsMulticast() || n.Src.IsUnspecified() || n.Src.IsMulticast() || n.MAC != src ||
			n.Target.IsLinkLocalUnicast() || len(fr) > headerLen && int(fr[headerLen+4])<<8|int(fr[headerLen+5]) > longestND {
			return nil
		}
		mac, ok := f.findNeighbour(in, intent.IPKey{Switch: id, IP: n.Target}, src)
		if !ok {
			return nil
		}
		f.answered["nd"]++
		return packet.ND{Type: packet.Advertisement, Flags: packet.FlagSolicited | packet.FlagOverride,
			Src: n.Target, Dst: n.Src, Target: n.Target, MAC: mac}.Frame(src, mac)
	}
	return nil
}

// longestND is the length of the longest solicitation that is answered.
const longestND = 64

// findNeighbour is the MAC of a station that the host at a binding may be told of. One at the same
// binding answers itself; one that is nowhere known can't.
func (f *Fabric) findNeighbour(in intent.BindingKey, of intent.IPKey, asks packet.MAC) (packet.MAC, bool) {
	at := f.consultIP(plane.EntryNeighbour, of)
	mac, ok := f.installed.Neighbours[of]
	f.note(at, ok, "")
	if !ok || packet.MAC(mac) == asks {
		return packet.MAC{}, false
	}
	key := intent.MACKey{Switch: of.Switch, MAC: mac}
	f.consultMAC(plane.EntryUnicast, key)
	f.consultMAC(plane.EntryLearned, key)
	if _, ok := f.installed.Unicast.Get(key); ok {
		return packet.MAC(mac), true
	}
	if at, ok := f.installed.Attached[key]; ok {
		return packet.MAC(mac), at != in
	}
	s := f.learned[key]
	return packet.MAC(mac), s != nil && s.at != in
}
