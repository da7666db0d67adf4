package test

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/netip"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testnet"
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// station gives a MAC of no host of the lab, from the range for documentation.
func station(n byte) net.HardwareAddr { return net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x53, n} }

func frame(dst, src net.HardwareAddr, payload string, vlans ...uint16) []byte {
	return testnet.Frame(dst, src, payload, vlans...)
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

// expectTunnelled waits at the far side of the underlay for inner on its way to peer, and
// checks every byte around it. It returns the source port and the frames before.
func (w *world) expectTunnelled(peer netip.Addr, vni uint32, inner []byte) (sport uint16, before [][]byte) {
	w.t.Helper()
	var o testnet.Outer
	before, got := w.underlay().Until("in a tunnel\n"+hex.Dump(inner), func(b []byte) (ok bool) {
		o, ok = testnet.ParseOuter(b)
		return ok && o.Dst == peer && bytes.HasPrefix(o.Inner, inner)
	})
	want := testnet.Encapsulate(w.underlay().MAC, w.tap(lab.VTEP, "u0").MAC, lab.TunnelIP, peer, vni, o.ID, o.SrcPort, inner)
	if !bytes.Equal(got, want) {
		w.t.Fatalf("at the far side of the underlay\n%swant\n%s", hex.Dump(got), hex.Dump(want))
	}
	if o.SrcPort < 32768 {
		w.t.Errorf("the source port is %d, not one of the ephemeral range", o.SrcPort)
	}
	return o.SrcPort, before
}

// fromPeer sends a frame to the VTEP as a peer with that address would.
func (w *world) fromPeer(src netip.Addr, vni uint32, inner []byte) {
	w.t.Helper()
	w.underlay().Send(testnet.Encapsulate(w.tap(lab.VTEP, "u0").MAC, w.underlay().MAC, src, lab.TunnelIP, vni, 1, 50000, inner))
}
