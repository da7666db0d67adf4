package memory

import (
	"encoding/binary"

	"github.com/vtep/vtep/internal/intent"
)

const (
	addrLen   = 6
	headerLen = 2*addrLen + 2
	tagLen    = 4
	minFrame  = headerLen

	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100 // IEEE 802.1Q customer tag
	etherQinQ = 0x88a8 // IEEE 802.1ad service tag
)

// frame is an Ethernet frame without FCS. It is never edited: changes make another.
type frame []byte

func (f frame) dst() intent.MAC { return intent.MAC(f[:addrLen]) }
func (f frame) src() intent.MAC { return intent.MAC(f[addrLen : 2*addrLen]) }
func (f frame) etherType() uint16 {
	return binary.BigEndian.Uint16(f[2*addrLen:])
}

// tagged says whether f has any tag.
func (f frame) tagged() bool { return f.etherType() == etherVLAN || f.etherType() == etherQinQ }

// vid returns the VLAN of f's outer tag, which must have the TPID; ok is false for a frame that
// has none.
func (f frame) vid(tpid uint16) (vid uint16, ok bool) {
	if f.etherType() != tpid || len(f) < headerLen+tagLen {
		return 0, false
	}
	return binary.BigEndian.Uint16(f[headerLen:]) & 0x0fff, true
}

// pcp returns the priority in f's outer tag, which it has.
func (f frame) pcp() uint8 { return f[headerLen] >> 5 }

// tos returns the TOS of an IPv4 packet in f, or the traffic class of an IPv6 one, also behind tags;
// 0 if f has neither.
func (f frame) tos() uint8 {
	for {
		switch {
		case f.etherType() == etherIPv4 && len(f) > headerLen+1:
			return f[headerLen+1]
		case f.etherType() == etherIPv6 && len(f) > headerLen+1:
			return f[headerLen]<<4 | f[headerLen+1]>>4
		case !f.tagged() || len(f) < headerLen+tagLen:
			return 0
		}
		f = f.pop()
	}
}

// neighbor says whether f is of ARP, or one of the messages of Neighbor Discovery (RFC 4861), also
// behind a tag.
func (f frame) neighbor() bool {
	if f.tagged() && len(f) >= headerLen+tagLen {
		f = f.pop()
	}
	return f.etherType() == etherARP ||
		f.etherType() == etherIPv6 && len(f) > headerLen+40 && f[headerLen+6] == 58 && f[headerLen+40] >= 133 && f[headerLen+40] <= 137
}

var broadcastMAC = intent.MAC{255, 255, 255, 255, 255, 255}

// bfdMAC is the address of BFD between VTEPs. No host has it.
var bfdMAC = intent.MAC{0x00, 0x23, 0x20, 0x00, 0x00, 0x01}

// bfd says whether f, which came by a tunnel, is of BFD between VTEPs by what is in it: to UDP
// port 3784 of 169.254.1.0 or 169.254.1.1.
func (f frame) bfd() bool {
	if f.etherType() != etherIPv4 || len(f) < headerLen+20+8 {
		return false
	}
	ip := f[headerLen:]
	return ip[0] == 0x45 && ip[9] == 17 && ip[16] == 169 && ip[17] == 254 && ip[18] == 1 && ip[19] <= 1 &&
		binary.BigEndian.Uint16(ip[22:]) == 3784
}

// What a frame says of groups: nothing, what hosts say to routers, or what routers say.
const (
	nothing = iota
	fromHost
	fromRouter
)

// membership says which of that f is: a message of IGMP or MLD, or of PIM, whether it is right or not.
func (f frame) membership() int {
	switch f.etherType() {
	case 0x0800:
		ip := f[headerLen:]
		if len(ip) < 20 {
			return nothing
		}
		header := int(ip[0]&15) * 4
		if ip[9] == 103 {
			return fromRouter
		}
		if ip[9] != 2 || ip[0]>>4 != 4 || header < 20 || len(ip) <= header || binary.BigEndian.Uint16(ip[6:])&0x1fff != 0 {
			return nothing
		}
		switch ip[header] {
		case 0x12, 0x16, 0x17, 0x22:
			return fromHost
		case 0x11:
			return fromRouter
		}
	case 0x86dd:
		ip := f[headerLen:]
		if len(ip) < 40 {
			return nothing
		}
		if ip[6] == 103 {
			return fromRouter
		}
		if ip[6] != 0 || len(ip) < 42 || ip[40] != 58 || len(ip) <= 48+int(ip[41])*8 {
			return nothing
		}
		switch ip[48+int(ip[41])*8] {
		case 131, 132, 143:
			return fromHost
		case 130:
			return fromRouter
		}
	}
	return nothing
}

// pop returns f without its outer tag.
func (f frame) pop() frame {
	out := make(frame, 0, len(f)-tagLen)
	return append(append(out, f[:2*addrLen]...), f[2*addrLen+tagLen:]...)
}

// push returns f with a tag in front of those it has; tci is the VLAN and priority in it.
func (f frame) push(tpid, tci uint16) frame {
	out := make(frame, 0, len(f)+tagLen)
	out = append(out, f[:2*addrLen]...)
	out = binary.BigEndian.AppendUint16(out, tpid)
	out = binary.BigEndian.AppendUint16(out, tci)
	return append(out, f[2*addrLen:]...)
}
