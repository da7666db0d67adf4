package ebpf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane/memory"
)

// Questions that somebody has tampered with are answered if and only if the plane in memory answers
// them, which reads all of each, and with the same bytes.
func TestTamperedQuestions(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := snooping()
	ls := s.Switches[ls1]
	ls.Suppress = true
	s.Switches[ls1] = ls
	target4, target6 := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("2001:db8::9")
	for _, ip := range []netip.Addr{target4, target6} {
		s.Neighbours[intent.IPKey{Switch: ls1, IP: ip}] = macR
	}
	w.apply(p, s, nil)
	fabric := memory.New(memory.Options{})
	for _, name := range []string{"p0", "p1", "p2"} {
		fabric.AddDevice(name)
	}
	model := fabric.Open()
	if _, err := model.Apply(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}

	group, groupMAC := packet.SolicitedNode(target6)
	nd := packet.ND{Type: packet.Solicitation, Src: netip.MustParseAddr("2001:db8::1"), Dst: group, Target: target6, MAC: packet.MAC(macA)}
	questions := [][]byte{arpFrame(bcast, macA, 1, "10.0.0.1", target4.String()), nd.Frame(groupMAC, packet.MAC(macA))}
	in := make([]byte, 192)                                       // struct __sk_buff
	binary.NativeEndian.PutUint32(in[36:], uint32(w.index("p0"))) // ingress_ifindex
	binary.NativeEndian.PutUint32(in[40:], uint32(w.index("p0"))) // ifindex
	rng := rand.New(rand.NewPCG(1, 2))
	answers := 0
	for n := range 3000 {
		q := slices.Clone(questions[n%2])
		for range rng.IntN(3) {
			switch at := rng.IntN(len(q)); rng.IntN(4) {
			case 0:
				q[at] ^= 1 << rng.IntN(8)
			case 1:
				q[at] = byte(rng.Uint32())
			case 2:
				q = q[:min(len(q), max(at, 36, int(q[12])>>7*56))] // the kernel refuses to run with a part of an IP header
			case 3: // one more option, or padding
				q = append(q, byte(rng.IntN(16)), byte(rng.IntN(3)), 0, 0, 0, 0, 0, 0)
			}
		}
		if len(q) > 62 && q[12] == 0x86 && rng.IntN(2) == 0 { // as it would be in one that was meant so
			q[18], q[19] = 0, byte(len(q)-54)
			q[56], q[57] = 0, 0
			sum := packet.Fold(packet.Sum(packet.Sum(uint32(len(q)-54)+58, q[22:54]), q[54:]))
			q[56], q[57] = byte(sum>>8), byte(sum)
		}
		var want []byte
		if outs, _ := fabric.FromPort("p0", q); len(outs) == 1 && outs[0].Port == "p0" {
			want = outs[0].Frame
			answers++
		}
		o := &ebpf.RunOptions{Data: q, DataOut: make([]byte, len(q)+256), Context: in}
		var ret uint32
		err := w.vtep.Do(func() (err error) {
			ret, err = p.objs.VtepPort.Run(o)
			return err
		})
		if err != nil {
			t.Fatalf("%v:\n%s", err, hex.Dump(q))
		}
		var got []byte
		if ret == actRedirect && !bytes.Equal(o.DataOut, q) {
			got = o.DataOut
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("question\n%sis answered by\n%swant\n%s", hex.Dump(q), hex.Dump(got), hex.Dump(want))
		}
	}
	if answers < 500 || answers > 2500 {
		t.Errorf("%d of 3000 were answered", answers)
	}
}
