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

// bfdMAC is the address of BFD between VTEPs. No host has it.
var bfdMAC = intent.MAC{0x00, 0x23, 0x20, 0x00, 0x00, 0x01}

// bfd says whether f, which came by a tunnel, is of BFD between VTEPs by what is in it: to UDP
// port 3784 of 169.254.1.0 or 169.254.1.1.
func (f frame) bfd() bool {
	if f.etherType() != 0x0800 || len(f) < headerLen+20+8 {
		return false
	}
	ip := f[headerLen:]
	return ip[0] == 0x45 && ip[9] == 17 && ip[16] == 169 && ip[17] == 254 && ip[18] == 1 && ip[19] <= 1 &&
		binary.BigEndian.Uint16(ip[22:]) == 3784
}

// pop returns f without its outer tag.
func (f frame) pop() frame {
	out := make(frame, 0, len(f)-tagLen)
	return append(append(out, f[:2*addrLen]...), f[2*addrLen+tagLen:]...)
}

// push returns f with a tag in front of those it has.
func (f frame) push(tpid, vid uint16) frame {
	out := make(frame, 0, len(f)+tagLen)
	out = append(out, f[:2*addrLen]...)
	out = binary.BigEndian.AppendUint16(out, tpid)
	out = binary.BigEndian.AppendUint16(out, vid)
	return append(out, f[2*addrLen:]...)
}
