package intent

import (
	"fmt"
	"net/netip"
)

// BFD is a session of Bidirectional Forwarding Detection (RFC 5880) with a peer, in a tunnel to
// it. Its packets have VNI 0, or that of a switch that both are in. Times are in milliseconds.
type BFD struct {
	MinRx, MinTx   uint32 // least time between packets received, and sent
	DecayMinRx     uint32 // MinRx while no data comes; 0: as ever
	ForwardingIfRx bool   // data that comes counts as a sign of life
	CPathDown      bool   // tell the peer that what is behind this VTEP is down
	CheckKey       bool   // take packets with VNI 0 only
	AnswerVNI      bool   // send with the VNI that the peer's packets have
	Local          BFDEnd // where the peer sends to
	Remote         BFDEnd // where we send to
}

// BFDEnd is the addresses inside the tunnel that an end has for BFD.
type BFDEnd struct {
	MAC MAC
	IP  netip.Addr // IPv4
}

// String returns b in a line.
func (b BFD) String() string {
	s := fmt.Sprintf("rx %d tx %d", b.MinRx, b.MinTx)
	if b.DecayMinRx != 0 {
		s += fmt.Sprintf(" decay %d", b.DecayMinRx)
	}
	if b.ForwardingIfRx {
		s += " forwarding-if-rx"
	}
	if b.CPathDown {
		s += " cpath-down"
	}
	if b.CheckKey {
		s += " check-key"
	}
	if b.AnswerVNI {
		s += " answer-vni"
	}
	return fmt.Sprintf("%s local %v %v remote %v %v", s, b.Local.MAC, b.Local.IP, b.Remote.MAC, b.Remote.IP)
}
