package bfd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Port is the UDP port of control packets over a single hop (RFC 5881).
const Port = 3784

// TTL is the time to live of packets that have come over no router (RFC 5881, 5).
const TTL = 255

// PacketLen is the length of a control packet without authentication.
const PacketLen = 24

// State is that of a session, or of the session at the other end.
type State uint8

// As in the wire format (RFC 5880, 4.1).
const (
	AdminDown State = iota
	Down
	Init
	Up
)

var stateNames = [...]string{"admin_down", "down", "init", "up"}

// String returns the name as bfd_status has it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Diag says why a session changed its state last.
type Diag uint8

// As in the wire format (RFC 5880, 4.1).
const (
	NoDiag Diag = iota
	TimeExpired
	EchoFailed
	NeighborDown
	ForwardingReset
	PathDown
	ConcatenatedPathDown
	AdministrativelyDown
	ReverseConcatenatedPathDown
)

var diagNames = [...]string{
	"No Diagnostic",
	"Control Detection Time Expired",
	"Echo Function Failed",
	"Neighbor Signaled Session Down",
	"Forwarding Plane Reset",
	"Path Down",
	"Concatenated Path Down",
	"Administratively Down",
	"Reverse Concatenated Path Down",
}

// String returns the text of RFC 5880.
func (d Diag) String() string {
	if int(d) < len(diagNames) {
		return diagNames[d]
	}
	return fmt.Sprintf("Diagnostic %d", uint8(d)) // reserved for future use
}

// Packet is a control packet. Times are whole microseconds; those that don't fit into 32 bits are
// cut when it is sent.
type Packet struct {
	Diag        Diag
	State       State
	Poll, Final bool
	Independent bool // the peer's BFD does not share fate with its control plane
	Demand      bool
	Mult        uint8
	My, Your    uint32 // discriminators
	MinTx       time.Duration
	MinRx       time.Duration
	MinEchoRx   time.Duration
}

// What is wrong with a packet that RFC 5880, 6.8.6 has discarded.
var (
	ErrLength        = errors.New("length is not that of a control packet")
	ErrVersion       = errors.New("version is not 1")
	ErrMult          = errors.New("detect multiplier is zero")
	ErrMultipoint    = errors.New("multipoint bit is set")
	ErrAuth          = errors.New("authentication is not in use")
	ErrDiscriminator = errors.New("a discriminator is zero")
)

// Bits of the second byte.
const (
	bitMultipoint = 1 << iota
	bitDemand
	bitAuth
	bitIndependent
	bitFinal
	bitPoll
)

// Append appends the wire form of p to b.
func (p *Packet) Append(b []byte) []byte {
	flags := byte(p.State) << 6
	for _, f := range [...]struct {
		set bool
		bit byte
	}{{p.Poll, bitPoll}, {p.Final, bitFinal}, {p.Independent, bitIndependent}, {p.Demand, bitDemand}} {
		if f.set {
			flags |= f.bit
		}
	}
	b = append(b, 1<<5|byte(p.Diag)&0x1f, flags, p.Mult, PacketLen)
	for _, n := range [...]uint32{p.My, p.Your, micros(p.MinTx), micros(p.MinRx), micros(p.MinEchoRx)} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func micros(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 0), 1<<32-1))
}

// Parse reads what the payload of a UDP packet has. It refuses what RFC 5880, 6.8.6 has discarded
// whichever session it is for; what comes behind the packet is ignored.
func Parse(b []byte) (Packet, error) {
	if len(b) < PacketLen {
		return Packet{}, ErrLength
	}
	word := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	span := func(at int) time.Duration { return time.Duration(word(at)) * time.Microsecond }
	flags := b[1]
	p := Packet{
		Diag: Diag(b[0] & 0x1f), State: State(flags >> 6),
		Poll: flags&bitPoll != 0, Final: flags&bitFinal != 0,
		Independent: flags&bitIndependent != 0, Demand: flags&bitDemand != 0,
		Mult: b[2], My: word(4), Your: word(8), MinTx: span(12), MinRx: span(16), MinEchoRx: span(20),
	}
	switch {
	case b[0]>>5 != 1:
		return Packet{}, ErrVersion
	case b[3] < PacketLen || int(b[3]) > len(b) || flags&bitAuth != 0 && b[3] < PacketLen+2:
		return Packet{}, ErrLength
	case p.Mult == 0:
		return Packet{}, ErrMult
	case flags&bitMultipoint != 0:
		return Packet{}, ErrMultipoint
	case p.My == 0 || p.Your == 0 && p.State > Down:
		return Packet{}, ErrDiscriminator
	case flags&bitAuth != 0:
		return Packet{}, ErrAuth
	}
	return p, nil
}
