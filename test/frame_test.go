package test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/lab"
)

// etherTest is the EtherType of test frames, for local experiments (IEEE 802): no stack
// answers them.
const etherTest = 0x88b5

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// station gives a MAC of no host of the lab, from the range for documentation.
func station(n byte) net.HardwareAddr { return net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x53, n} }

// frame builds an Ethernet frame with a payload that tells it from others, and tags from the
// outside in. It is at least as long as the wire wants.
func frame(dst, src net.HardwareAddr, payload string, vlans ...uint16) []byte {
	b := append(append([]byte{}, dst...), src...)
	for _, vlan := range vlans {
		b = binary.BigEndian.AppendUint16(b, unix.ETH_P_8021Q)
		b = binary.BigEndian.AppendUint16(b, vlan)
	}
	b = binary.BigEndian.AppendUint16(b, etherTest)
	b = append(b, payload...)
	for len(b) < 64 {
		b = append(b, byte(len(b)))
	}
	return b
}

// untagged takes the outermost tag off.
func untagged(b []byte) []byte { return append(append([]byte{}, b[:12]...), b[16:]...) }

// says tells whether a frame, with or without outer headers, carries the payload.
func says(payload string) func(b []byte) bool {
	return func(b []byte) bool { return bytes.Contains(b, []byte(payload)) }
}

// count counts the frames with a payload.
func count(frames [][]byte, payload string) int {
	n := 0
	for _, b := range frames {
		if says(payload)(b) {
			n++
		}
	}
	return n
}

// Offsets in an encapsulated frame, whose IP header has no options.
const (
	atIP    = 14
	atUDP   = atIP + 20
	atVXLAN = atUDP + 8
	atInner = atVXLAN + 8
)

// tunnelled is what an encapsulated frame says outside.
type tunnelled struct {
	src, dst netip.Addr
	vni      uint32
	inner    []byte
}

// decapsulate takes an encapsulated frame apart; ok is false if it is none.
func decapsulate(b []byte) (d tunnelled, ok bool) {
	if len(b) < atInner+14 || binary.BigEndian.Uint16(b[12:]) != unix.ETH_P_IP || b[atIP] != 0x45 ||
		b[atIP+9] != unix.IPPROTO_UDP || binary.BigEndian.Uint16(b[atUDP+2:]) != 4789 {
		return d, false
	}
	return tunnelled{
		src:   netip.AddrFrom4([4]byte(b[atIP+12:])),
		dst:   netip.AddrFrom4([4]byte(b[atIP+16:])),
		vni:   binary.BigEndian.Uint32(b[atVXLAN+4:]) >> 8,
		inner: b[atInner:],
	}, true
}

// encapsulate builds the whole frame that must be on the wire between two VTEPs. Identity of
// the IP header and source port are free.
func encapsulate(dstMAC, srcMAC net.HardwareAddr, src, dst netip.Addr, vni uint32, id, sport uint16, inner []byte) []byte {
	b := append(append([]byte{}, dstMAC...), srcMAC...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IP)
	b = append(b, 0x45, 0) // no options; default DSCP, not ECN-capable as the inner frame
	b = binary.BigEndian.AppendUint16(b, uint16(20+8+8+len(inner)))
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0x40, 0) // don't fragment
	b = append(b, 64, unix.IPPROTO_UDP, 0, 0)
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[atIP+10:], checksum(b[atIP:atUDP]))
	b = binary.BigEndian.AppendUint16(b, sport)
	b = binary.BigEndian.AppendUint16(b, 4789)
	b = binary.BigEndian.AppendUint16(b, uint16(8+8+len(inner)))
	b = append(b, 0, 0) // no checksum
	b = append(b, 0x08, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, vni<<8)
	return append(b, inner...)
}

func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// expectTunnelled waits at the far side of the underlay for inner on its way to peer, and
// checks every byte around it. It returns the source port and the frames before.
func (w *world) expectTunnelled(peer netip.Addr, vni uint32, inner []byte) (sport uint16, before [][]byte) {
	w.t.Helper()
	before, got := w.underlay().until("in a tunnel\n"+hex.Dump(inner), func(b []byte) bool {
		d, ok := decapsulate(b)
		return ok && d.dst == peer && bytes.HasPrefix(d.inner, inner)
	})
	id, sport := binary.BigEndian.Uint16(got[atIP+4:]), binary.BigEndian.Uint16(got[atUDP:])
	want := encapsulate(w.underlay().mac, w.tap(lab.VTEP, "u0").mac, lab.TunnelIP, peer, vni, id, sport, inner)
	if !bytes.Equal(got, want) {
		w.t.Fatalf("%s: at the far side of the underlay\n%swant\n%s", caller(), hex.Dump(got), hex.Dump(want))
	}
	if sport < 32768 {
		w.t.Errorf("%s: the source port is %d, not one of the ephemeral range", caller(), sport)
	}
	return sport, before
}

// fromPeer sends a frame to the VTEP as a peer with that address would.
func (w *world) fromPeer(src netip.Addr, vni uint32, inner []byte) {
	w.t.Helper()
	w.underlay().send(encapsulate(w.tap(lab.VTEP, "u0").mac, w.underlay().mac, src, lab.TunnelIP, vni, 1, 50000, inner))
}
