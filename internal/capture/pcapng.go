package capture

import (
	"encoding/binary"
	"time"
)

// The blocks of a pcapng file (draft-ietf-opsawg-pcapng), in little endian:
//
//	kind, length, what the kind has, options, length
//
// Each part begins at a multiple of 4 bytes. Interfaces are numbered in the order in which their blocks come.
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockStatistics = 5
	blockPacket     = 6

	blockHead = 8 // kind and length
	blockTail = 4 // length

	// The bytes of a block before its options; those of a packet have its data behind them.
	sectionFixed    = blockHead + 16
	statisticsFixed = blockHead + 12
	packetFixed     = blockHead + 20
)

// The codes of options. All but that of a comment mean another thing in each kind of block.
const (
	optionEnd     = 0
	optionComment = 1

	sectionOS      = 3
	sectionProgram = 4

	interfaceName        = 2
	interfaceDescription = 3
	interfaceResolution  = 9

	statisticsStart    = 2
	statisticsEnd      = 3
	statisticsReceived = 4
	statisticsDropped  = 5

	packetFlags    = 2 // the direction
	packetID       = 5
	packetVerdict  = 7
	flagInbound    = 1
	flagOutbound   = 2
	verdictByTC    = 1 // the kind: an eBPF program of TC has decided
	verdictShot    = 2 // TC_ACT_SHOT
	byteOrder      = 0x1a2b3c4d
	linkEthernet   = 1
	nanoseconds    = 9 // the resolution: times are 10^-9 s
	mostOptionSize = 1<<16 - 1
)

// options are those of a block, as they are written.
type options []byte

func (o options) add(code uint16, value ...byte) options {
	value = value[:min(len(value), mostOptionSize)]
	o = binary.LittleEndian.AppendUint16(o, code)
	o = binary.LittleEndian.AppendUint16(o, uint16(len(value)))
	return pad(append(o, value...))
}

func (o options) text(code uint16, text string) options { return o.add(code, []byte(text)...) }

func (o options) uint32(code uint16, n uint32) options {
	return o.add(code, binary.LittleEndian.AppendUint32(nil, n)...)
}

func (o options) uint64(code uint16, n uint64) options {
	return o.add(code, binary.LittleEndian.AppendUint64(nil, n)...)
}

func (o options) time(code uint16, at time.Time) options { return o.add(code, appendTime(nil, at)...) }

// pad fills up what begins at a multiple of 4 bytes.
func pad(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

// appendTime appends a time: its upper half comes first.
func appendTime(dst []byte, at time.Time) []byte {
	n := uint64(at.UnixNano())
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n>>32))
	return binary.LittleEndian.AppendUint32(dst, uint32(n))
}

// timeAt reads a time.
func timeAt(b []byte) time.Time {
	return time.Unix(0, int64(uint64(binary.LittleEndian.Uint32(b))<<32|uint64(binary.LittleEndian.Uint32(b[4:]))))
}

// block makes a block of what its kind has and of options.
func block(kind uint32, fixed []byte, o options) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, blockHead+len(fixed)+3+len(o)+4+blockTail), kind)
	b = pad(append(append(b, 0, 0, 0, 0), fixed...))
	if len(o) > 0 {
		b = append(b, o.add(optionEnd)...)
	}
	length := uint32(len(b) + blockTail)
	binary.LittleEndian.PutUint32(b[4:], length)
	return binary.LittleEndian.AppendUint32(b, length)
}

// sectionBlock begins a file.
func sectionBlock(o options) []byte {
	fixed := binary.LittleEndian.AppendUint32(nil, byteOrder)
	fixed = binary.LittleEndian.AppendUint16(fixed, 1) // version 1.0
	fixed = binary.LittleEndian.AppendUint16(fixed, 0)
	return block(blockSection, binary.LittleEndian.AppendUint64(fixed, 1<<64-1), o) // of unknown length
}

// interfaceBlock is of one more interface.
func interfaceBlock(snaplen int, o options) []byte {
	fixed := binary.LittleEndian.AppendUint32(nil, linkEthernet)
	return block(blockInterface, binary.LittleEndian.AppendUint32(fixed, uint32(snaplen)), o.add(interfaceResolution, nanoseconds))
}

// packetBlock is of a packet that was seen at an interface, and has more than the data if length says so.
func packetBlock(number int, at time.Time, data []byte, length int, o options) []byte {
	fixed := make([]byte, 0, packetFixed-blockHead+len(data))
	fixed = appendTime(binary.LittleEndian.AppendUint32(fixed, uint32(number)), at)
	fixed = binary.LittleEndian.AppendUint32(fixed, uint32(len(data)))
	fixed = binary.LittleEndian.AppendUint32(fixed, uint32(max(length, len(data))))
	return block(blockPacket, append(fixed, data...), o)
}

// statisticsBlock is of what was counted till now of an interface.
func statisticsBlock(number int, now time.Time, o options) []byte {
	return block(blockStatistics, appendTime(binary.LittleEndian.AppendUint32(nil, uint32(number)), now), o)
}

// eachOption yields the options of a block, which begin at an offset.
func eachOption(block []byte, at int, yield func(code uint16, value []byte)) {
	for b := block[min(at, len(block)-blockTail) : len(block)-blockTail]; len(b) >= 4; {
		code, length := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if code == optionEnd || 4+length > len(b) {
			return
		}
		yield(code, b[4:4+length])
		b = b[min(len(b), 4+(length+3)/4*4):]
	}
}
