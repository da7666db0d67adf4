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

// IPv4Number is an IPv4 address as a number, as the settings and sessions of BFD have it.
func IPv4Number(ip netip.Addr) uint32 {
	b := ip.As4()
	return binary.BigEndian.Uint32(b[:])
}

// IPv4Of is the reverse of IPv4Number.
func IPv4Of(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}
