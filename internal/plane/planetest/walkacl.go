package planetest

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// drawInterfaceACLs gives some of the interfaces of routers one of two ACLs, which are drawn, too.
func (l *lab) drawInterfaceACLs(rng *rand.Rand, s *intent.State) {
	if !l.plane.Features().RouterACLs || len(s.Interfaces) == 0 {
		return
	}
	drawn := map[intent.ACLID]intent.ACL{
		aclA: both("a", drawEntries(rng, intent.ACLSrcMAC), drawEntries(rng, intent.ACLDstMAC)),
		aclB: both("b", drawEntries(rng, intent.ACLSrcMAC), drawEntries(rng, intent.ACLDstMAC)),
	}
	for _, key := range slices.SortedFunc(maps.Keys(s.Interfaces), func(a, b intent.IPKey) int {
		if c := slices.Compare(a.Switch[:], b.Switch[:]); c != 0 {
			return c
		}
		return a.IP.Compare(b.IP)
	}) {
		id := []intent.ACLID{{}, aclA, aclB}[rng.IntN(3)]
		if id == (intent.ACLID{}) {
			continue
		}
		i := s.Interfaces[key]
		i.ACL = id
		s.Interfaces[key] = i
		s.ACLs[id] = drawn[id]
	}
}

// drawEntries draws a few entries that packets of the walk match now and then; mac is which of their MACs is that of a
// host in the direction.
func drawEntries(rng *rand.Rand, mac intent.ACLFields) []intent.ACLEntry {
	var list []intent.ACLEntry
	for range rng.IntN(4) {
		e := intent.ACLEntry{Deny: rng.IntN(2) == 0}
		switch rng.IntN(4) {
		case 0:
			n := []byte{1, 2, 3, 21, 22}[rng.IntN(5)]
			e.Fields, e.SrcMAC, e.DstMAC = mac, station(n), station(n)
		case 1:
			e.Fields = intent.ACLSrcIP | intent.ACLEtherType
			e.Src, e.EtherType = drawPrefix(rng)
		case 2:
			e.Fields = intent.ACLDstIP | intent.ACLEtherType
			e.Dst, e.EtherType = drawPrefix(rng)
		case 3:
			e.Fields, e.Protocol = intent.ACLProtocol, []uint8{1, 17, 58}[rng.IntN(3)]
		}
		list = append(list, e)
	}
	return entries(list...)
}

// drawPrefix draws one of the prefixes of the walk, or one of their hosts, and gives the EtherType of its family.
func drawPrefix(rng *rand.Rand) (intent.Masked, uint16) {
	of := map[Payload]struct {
		network netip.Addr // the mask of a prefix
		ether   uint16
	}{IPv4: {netip.MustParseAddr("255.255.255.0"), 0x0800}, IPv6: {netip.MustParseAddr("ffff:ffff:ffff:ffff::"), 0x86dd}}
	k := families[rng.IntN(len(families))]
	ip := address(k, byte(1+rng.IntN(3)), []byte{1, 2, 3, 21, 254}[rng.IntN(5)])
	mask := of[k].network
	if rng.IntN(2) == 0 {
		all := slices.Repeat([]byte{0xff}, ip.BitLen()/8)
		mask, _ = netip.AddrFromSlice(all)
	}
	return intent.Mask(ip, mask), of[k].ether
}
