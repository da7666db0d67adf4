package ebpf

import (
	"encoding/binary"
	"net/netip"
)

// addressOf gives ip as the maps have it; of the zero Addr, the zero address.
func addressOf(ip netip.Addr) (a vtepAddress) {
	if !ip.IsValid() {
		return a
	}
	b := ip.As16()
	for i := range a.Word {
		a.Word[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return a
}

// ip is the reverse of addressOf.
func (a vtepAddress) ip() netip.Addr {
	if a == (vtepAddress{}) {
		return netip.Addr{}
	}
	var b [16]byte
	for i, w := range a.Word {
		binary.NativeEndian.PutUint32(b[4*i:], w)
	}
	return netip.AddrFrom16(b).Unmap()
}
