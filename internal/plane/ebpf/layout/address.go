package layout

import (
	"encoding/binary"
	"net/netip"
)

// AddressOf gives ip as the maps have it; of the zero Addr, the zero address.
func AddressOf(ip netip.Addr) (a Address) {
	if !ip.IsValid() {
		return a
	}
	b := ip.As16()
	for i := range a.Word {
		a.Word[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return a
}

// Addr is the reverse of AddressOf.
func (a Address) Addr() netip.Addr {
	if a == (Address{}) {
		return netip.Addr{}
	}
	var b [16]byte
	for i, w := range a.Word {
		binary.NativeEndian.PutUint32(b[4*i:], w)
	}
	return netip.AddrFrom16(b).Unmap()
}
