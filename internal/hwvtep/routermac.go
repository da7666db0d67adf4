package hwvtep

import (
	"crypto/sha256"
	"fmt"
)

// OwnMAC is a locally administered address for what id names, always the same.
func OwnMAC(what string, id UUID) [6]byte {
	sum := sha256.Sum256(append([]byte("vtep "+what+" "), id[:]...))
	mac := [6]byte(sum[:6])
	mac[0] = mac[0]&^0x01 | 0x02
	return mac
}

// RouterMAC is the address that the VTEPs of this project give to the interfaces of a Logical_Router whose row names
// none, as "02:00:00:00:00:01".
func RouterMAC(id UUID) string {
	m := OwnMAC("router", id)
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}
