package ebpf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
)

var (
	macA  = intent.MAC{2, 0, 0, 0, 0, 0xa}
	macB  = intent.MAC{2, 0, 0, 0, 0, 0xb}
	macC  = intent.MAC{2, 0, 0, 0, 0, 0xc}
	macR  = intent.MAC{2, 0, 0, 0, 0, 0xee}
	bcast = intent.MAC{255, 255, 255, 255, 255, 255}
)

const etherTest = 0x88b5 // IEEE 802 local experimental

// frame builds an Ethernet frame of at least 60 bytes, with the given tags from outside in.
func frame(dst, src intent.MAC, payload string, vids ...uint16) []byte {
	b := append(append([]byte{}, dst[:]...), src[:]...)
	for _, vid := range vids {
		b = binary.BigEndian.AppendUint16(b, 0x8100)
		b = binary.BigEndian.AppendUint16(b, vid)
	}
	b = binary.BigEndian.AppendUint16(b, etherTest)
	b = append(b, payload...)
	for len(b) < 60 {
		b = append(b, 0)
	}
	return b
}

// outer is what an encapsulated frame says outside.
type outer struct {
	src, dst         netip.Addr
	ttl, tos         uint8
	df               bool
	sport, dport     uint16
	udpSum           uint16
	flags            uint8
	vni              uint32
	inner            []byte
	ipLen, udpLen    int
	ipSumOK, trailer bool
}

// parseOuter takes an encapsulated frame apart; ok is false if it is none.
func parseOuter(b []byte) (o outer, ok bool) {
	if len(b) < 14+20+8+8 || binary.BigEndian.Uint16(b[12:]) != unix.ETH_P_IP || b[23] != 17 || b[14] != 0x45 {
		return o, false
	}
	ip := b[14:]
	o.src, o.dst = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	o.ttl, o.tos, o.df = ip[8], ip[1], binary.BigEndian.Uint16(ip[6:]) == 0x4000
	o.ipLen = int(binary.BigEndian.Uint16(ip[2:]))
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	o.ipSumOK = sum&0xffff+sum>>16 == 0xffff
	udp := ip[20:]
	o.sport, o.dport = binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:])
	o.udpLen, o.udpSum = int(binary.BigEndian.Uint16(udp[4:])), binary.BigEndian.Uint16(udp[6:])
	vx := udp[8:]
	o.flags, o.vni = vx[0], binary.BigEndian.Uint32(vx[4:])>>8
	o.inner = vx[8:]
	o.trailer = len(ip) != o.ipLen
	return o, o.dport == 4789
}

// expectTunnel waits for inner in a tunnel at r0 and checks everything around it.
func (w *world) expectTunnel(peer netip.Addr, vni uint32, inner []byte) outer {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		b := w.taps["r0"].receive(deadline)
		if b == nil {
			w.t.Fatalf("%s: no encapsulated frame with\n%s", caller(), hex.Dump(inner))
		}
		o, ok := parseOuter(b)
		if !ok || !bytes.Equal(o.inner, inner) || o.dst != peer {
			continue
		}
		want := o
		want.src, want.dst, want.ttl, want.df, want.dport = tunnelIP, peer, 64, true, 4789
		want.udpSum, want.flags, want.vni = 0, 0x08, vni
		want.ipLen, want.udpLen, want.ipSumOK, want.trailer = len(inner)+36, len(inner)+16, true, false
		if fmt.Sprint(o) != fmt.Sprint(want) {
			w.t.Fatalf("%s: outer headers\n%+v\nwant\n%+v", caller(), o, want)
		}
		return o
	}
}
