package ebpf

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/intent"
)

// BenchmarkSegment is what it costs a frame out of a tunnel that its port has an Ethernet segment, which other VTEPs are attached to: one that
// is flooded, and one to a known host, beside the same port without.
func BenchmarkSegment(b *testing.B) {
	const frames = 100_000
	g := newGateway(b, "segment")
	p, s := g.makePlane(b, Options{}, intent.SwitchOptions{})
	prepare := func(others int) {
		next := s.Clone()
		delete(next.Segments, "p0")
		var segment intent.Segment
		for n := range others {
			segment = append(segment, netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}))
		}
		if others > 0 {
			next.Segments["p0"] = segment
		}
		if _, err := p.Apply(b.Context(), next, intent.Diff(s, next)); err != nil {
			b.Fatal(err)
		}
		s = next
	}
	ways := []struct {
		name   string
		others int
	}{{"without", 0}, {"one", 1}, {"seven", 7}}
	for name, inner := range map[string][]byte{"flood": ipFrame(bcast, macR, 64), "known": ipFrame(macA, macR, 64)} {
		b.Run(name, func(b *testing.B) {
			frame := g.outerFrame(b, inner)
			spent := map[string][]float64{}
			for b.Loop() {
				for _, w := range ways {
					prepare(w.others)
					g.run(b, "u0", "h0", frame, frames/10)
					spent[w.name] = append(spent[w.name], g.run(b, "u0", "h0", frame, frames))
				}
			}
			b.ReportMetric(0, "ns/op")
			for _, w := range ways {
				b.ReportMetric(median(spent[w.name]), w.name+"-ns/frame")
				if w.others == 0 {
					continue
				}
				var ratios []float64
				for round, cost := range spent[w.name] {
					ratios = append(ratios, cost/spent["without"][round])
				}
				b.ReportMetric(median(ratios), w.name+"-x-without")
				b.ReportMetric(slices.Min(ratios), w.name+"-x-without-min")
				b.ReportMetric(slices.Max(ratios), w.name+"-x-without-max")
			}
		})
	}
}
