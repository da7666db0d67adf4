package evpn

import (
	"net/netip"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"pgregory.net/rapid"
)

// Whatever the library can read becomes a route or is refused for a reason, and a route is one that this speaker
// could say itself.
func TestDecodeAnything(t *testing.T) {
	lengths := map[uint8][]int{1: {25}, 2: {33, 37, 40, 49, 52}, 3: {17, 29}, 4: {23, 35}, 5: {34, 58}}
	rapid.Check(t, func(t *rapid.T) {
		kind := uint8(rapid.IntRange(1, 5).Draw(t, "type"))
		n := rapid.SampledFrom(lengths[kind]).Draw(t, "length")
		body := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "body")
		if kind == 2 {
			body[22], body[29] = 48, map[int]byte{33: 0, 37: 32, 40: 32, 49: 128, 52: 128}[n]
		}
		if kind == 3 {
			body[12] = byte(8 * (n - 13))
		}
		if kind == 5 && rapid.Bool().Draw(t, "a prefix") {
			clear(body[8:18])
			body[22] %= byte(8*(n-26)/2) + 1
		}
		nlri, err := bgp.NLRIFromSlice(bgp.RF_EVPN, append([]byte{kind, byte(n)}, body...))
		if err != nil {
			return // the library ends the session
		}
		p := &apiutil.Path{Nlri: nlri, Attrs: []bgp.PathAttributeInterface{}}
		hop, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "next hop"))
		if reach, err := bgp.NewPathAttributeMpReachNLRI(bgp.RF_EVPN, []bgp.PathNLRI{{NLRI: nlri}}, hop); err == nil && rapid.IntRange(0, 9).Draw(t, "no next hop") > 0 {
			p.Attrs = append(p.Attrs, reach)
		}
		var communities []bgp.ExtendedCommunityInterface
		for range rapid.IntRange(0, 5).Draw(t, "communities") {
			b := rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "community")
			b[0], b[1] = rapid.SampledFrom([]byte{0, 1, 2, 3, 6, 0x40, 0x80}).Draw(t, "type"), b[1]%16
			if c, err := bgp.ParseExtended(b); err == nil {
				communities = append(communities, c)
			}
		}
		p.Attrs = append(p.Attrs, bgp.NewPathAttributeExtendedCommunities(communities))
		if rapid.Bool().Draw(t, "PMSI") {
			p.Attrs = append(p.Attrs, bgp.NewPathAttributePmsiTunnel(bgp.PMSI_TUNNEL_TYPE_INGRESS_REPL, false, rapid.Uint32Max(1<<24-1).Draw(t, "label"), &bgp.IngressReplTunnelID{Value: hop}))
		}
		r, err := decode(p.Nlri, readAttributes(p.Attrs, true))
		if err != nil {
			if err.Error() == "" {
				t.Fatal("refused for no reason")
			}
			return
		}
		if r.kind == Discovery || r.kind == Attached {
			return // which this speaker does not say
		}
		said, err := encode(r)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		again, err := decode(said.Nlri, readAttributes(said.Attrs, true))
		if err != nil || !again.same(r) {
			t.Fatalf("%+v, then %+v, %v", r, again, err)
		}
	})
}
