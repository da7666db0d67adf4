package ebpf

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testnet"
)

var (
	macA  = intent.MAC{2, 0, 0, 0, 0, 0xa}
	macB  = intent.MAC{2, 0, 0, 0, 0, 0xb}
	macC  = intent.MAC{2, 0, 0, 0, 0, 0xc}
	macR  = intent.MAC{2, 0, 0, 0, 0, 0xee}
	bcast = intent.MAC{255, 255, 255, 255, 255, 255}
)

// frame builds an Ethernet frame, with the given tags from outside in.
func frame(dst, src intent.MAC, payload string, vids ...uint16) []byte {
	return testnet.Frame(dst[:], src[:], payload, vids...)
}

// expectTunnel waits for inner in a tunnel at r0 and checks everything around it.
func (w *world) expectTunnel(peer netip.Addr, vni uint32, inner []byte) testnet.Outer {
	w.t.Helper()
	var o testnet.Outer
	w.taps["r0"].Until("in a tunnel\n"+hex.Dump(inner), func(b []byte) (ok bool) {
		o, ok = testnet.ParseOuter(b)
		return ok && bytes.Equal(o.Inner, inner) && o.Dst == peer
	})
	want := o
	want.Src, want.TTL, want.DF, want.Sum, want.Flags, want.VNI = tunnelIP, 64, true, 0, 0x08, vni
	want.IPLen, want.UDPLen, want.SumOK, want.Trailer = len(inner)+36, len(inner)+16, true, false
	if fmt.Sprint(o) != fmt.Sprint(want) {
		w.t.Fatalf("outer headers\n%+v\nwant\n%+v", o, want)
	}
	return o
}
