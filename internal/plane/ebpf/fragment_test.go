package ebpf

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testnet"
)

// mayFragment makes an IPv4 frame one that routers may fragment.
func mayFragment(f []byte) []byte {
	f[20], f[24], f[25] = 0, 0, 0
	binary.BigEndian.PutUint16(f[24:], testnet.Checksum(f[14:34]))
	return f
}

// What is too large for the way to a peer goes in fragments, where that is wanted: but for those
// frames whose senders are told instead. What others have fragmented is put together.
func TestFragments(t *testing.T) {
	for name, o := range map[string]Options{"direct": {}, "not direct": {Direct: DirectOff}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.setMTU(w.vtep, "u0", 1500)
			w.setMTU(w.far, "r0", 1500)
			p := w.plane(o)
			s := basic()
			w.apply(p, s, nil)
			large := map[string][]byte{
				"unicast that may be fragmented": mayFragment(ipFrame(macR, macA, 1500-28)),
				"unicast of another protocol":    frame(macR, macA, string(make([]byte, 1490))),
				"broadcast":                      frame(bcast, macA, string(make([]byte, 1490))),
				"multicast of IPv6":              ip6Frame(intent.MAC{0x33, 0x33, 0, 0, 0, 1}, macA, 1452),
				"unknown unicast":                mayFragment(ipFrame(macC, macA, 1500-28)),
			}
			w.send("h0", frame(bcast, macA, "A is here"))
			for _, f := range large {
				w.send("h0", f)
			}
			w.barrier()
			for _, f := range large {
				w.expectNothing("vx10", f)
			}
			drops := func() uint64 {
				st, err := p.Stats(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return st.Drops["too_big"]
			}
			if n := drops(); n != uint64(len(large)) {
				t.Errorf("without the option %d are dropped", n)
			}

			next := basic()
			next.FragmentOuter = true
			w.apply(p, next, intent.Diff(s, next))
			for what, f := range large {
				w.send("h0", f)
				w.taps["vx10"].Until(what, func(got []byte) bool { return bytes.Equal(got, f) })
			}
			fits := ipFrame(macR, macA, 64)
			w.send("h0", fits)
			w.expectTunnel(peerIP, 10, fits) // with "don't fragment"
			if n := drops(); n != uint64(len(large)) {
				t.Errorf("with the option %d more are dropped", n-uint64(len(large)))
			}
			told := ipFrame(macR, macA, 1500-28)
			w.send("h0", told)
			w.expect("h0", tooBig4(told, 1450))
			told = ip6Frame(macR, macB, 1451-48)
			w.send("h1", told)
			w.expect("h1", tooBig6(told, 1450))
			w.audit(p)

			// The peer's kernel makes fragments by itself.
			for _, f := range [][]byte{ipFrame(macA, macR, 1500-28), frame(bcast, macR, string(make([]byte, 1490)))} {
				w.send("vx10", f)
				w.expect("h0", f)
			}
		})
	}
}
