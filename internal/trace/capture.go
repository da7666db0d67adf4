package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Of files of pcap and pcapng.
const (
	magicMicro   = 0xa1b2c3d4
	magicNano    = 0xa1b23c4d
	magicSection = 0x0a0d0d0a
	byteOrder    = 0x1a2b3c4d
	linkEthernet = 1

	blockInterface = 1
	blockSimple    = 3
	blockEnhanced  = 6

	mostBytes = 1 << 30 // of a file
)

var errCut = errors.New("it ends in the middle of a frame")

// readCapture gives the frame with the number n, from 1, of a file of pcap or pcapng.
func readCapture(name string, n int) ([]byte, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	b, err := io.ReadAll(io.LimitReader(f, mostBytes))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	frame, err := frameOf(b, n)
	if err != nil {
		return nil, fmt.Errorf("read frame %d of %s: %w", n, name, err)
	}
	return frame, nil
}

func frameOf(b []byte, n int) ([]byte, error) {
	if len(b) < 24 {
		return nil, errors.New("it is no file of pcap or pcapng")
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch magic := order.Uint32(b); {
		case magic == magicMicro || magic == magicNano:
			return classic(order, b, n)
		case magic == magicSection && order.Uint32(b[8:]) == byteOrder:
			return next(order, b, n)
		}
	}
	return nil, errors.New("it is no file of pcap or pcapng")
}

// classic reads pcap.
func classic(order binary.ByteOrder, b []byte, n int) ([]byte, error) {
	if link := order.Uint32(b[20:]) & 0xffff; link != linkEthernet {
		return nil, notEthernet(link)
	}
	b = b[24:]
	for i := 1; ; i++ {
		switch {
		case len(b) == 0:
			return nil, tooFew(i - 1)
		case len(b) < 16 || uint64(len(b))-16 < uint64(order.Uint32(b[8:])):
			return nil, errCut
		}
		kept, all := order.Uint32(b[8:]), order.Uint32(b[12:])
		if i == n {
			return whole(b[16:16+kept], all)
		}
		b = b[16+kept:]
	}
}

// next reads pcapng.
func next(order binary.ByteOrder, b []byte, n int) ([]byte, error) {
	var links []uint32
	seen := 0
	for len(b) > 0 {
		if len(b) < 12 {
			return nil, errCut
		}
		if order.Uint32(b) == magicSection { // another section may have another order
			if order.Uint32(b[8:]) != byteOrder {
				if order = binary.ByteOrder(binary.BigEndian); order.Uint32(b[8:]) != byteOrder {
					order = binary.LittleEndian
				}
			}
			links = nil
		}
		length := order.Uint32(b[4:])
		if length < 12 || length%4 != 0 || uint64(length) > uint64(len(b)) {
			return nil, errCut
		}
		body := b[8 : length-4]
		kind := order.Uint32(b)
		b = b[length:]
		var at, kept, all uint32
		switch {
		case kind == blockInterface && len(body) >= 8:
			links = append(links, uint32(order.Uint16(body)))
			continue
		case kind == blockEnhanced && len(body) >= 20:
			at, kept, all = order.Uint32(body), order.Uint32(body[12:]), order.Uint32(body[16:])
			body = body[20:]
		case kind == blockSimple && len(body) >= 4:
			all = order.Uint32(body)
			body = body[4:]
			kept = min(all, uint32(len(body)))
		default:
			continue
		}
		if seen++; seen != n {
			continue
		}
		switch {
		case uint64(at) >= uint64(len(links)) || uint64(kept) > uint64(len(body)):
			return nil, errCut
		case links[at] != linkEthernet:
			return nil, notEthernet(links[at])
		}
		return whole(body[:kept], all)
	}
	return nil, tooFew(seen)
}

func whole(b []byte, length uint32) ([]byte, error) {
	if uint32(len(b)) < length {
		return nil, fmt.Errorf("only %d of its %d bytes were captured", len(b), length)
	}
	return append([]byte{}, b...), nil
}

func notEthernet(link uint32) error {
	return fmt.Errorf("it is not of Ethernet: its link type is %d", link)
}

func tooFew(n int) error { return fmt.Errorf("there are %d", n) }
