package intent

import (
	"bytes"
	"cmp"
	"strings"
)

// Compare orders switches by the bytes of their UUIDs.
func (id SwitchID) Compare(o SwitchID) int { return bytes.Compare(id[:], o[:]) }

// Compare orders bindings by port, then VLAN.
func (k BindingKey) Compare(o BindingKey) int {
	return cmp.Or(strings.Compare(k.Port, o.Port), cmp.Compare(k.VLAN, o.VLAN))
}

// Compare orders addresses by switch, then MAC; UnknownDst comes first.
func (k MACKey) Compare(o MACKey) int {
	return cmp.Or(k.Switch.Compare(o.Switch), k.MAC.Compare(o.MAC))
}

// Compare orders tunnels by peer, then VNI.
func (t Tunnel) Compare(o Tunnel) int {
	return cmp.Or(t.Peer.Compare(o.Peer), cmp.Compare(t.VNI, o.VNI))
}
