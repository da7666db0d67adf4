package relay

import (
	"bytes"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// The open says that the speaker has restarted, until all has been announced; and that forwarding goes on, of families that
// have a graceful restart at all.
func TestOpening(t *testing.T) {
	family := bgp.NewCapGracefulRestartTuple(bgp.RF_EVPN, false)
	for name, test := range map[string]struct {
		tuples             []*bgp.CapGracefulRestartTuple
		last               []byte
		complete           bool
		restarted, forward bool
	}{
		"first":           {[]*bgp.CapGracefulRestartTuple{family}, []byte{1}, false, true, true},
		"later":           {[]*bgp.CapGracefulRestartTuple{family}, []byte{1}, true, false, true},
		"helper only":     {nil, []byte{1}, false, true, false},
		"no last message": {[]*bgp.CapGracefulRestartTuple{family}, nil, false, false, false},
	} {
		m, err := bgp.NewBGPOpenMessage(65001, 90, netip.MustParseAddr("10.0.0.1"), []bgp.OptionParameterInterface{bgp.NewOptionParameterCapability([]bgp.ParameterCapabilityInterface{
			bgp.NewCapMultiProtocol(bgp.RF_EVPN), bgp.NewCapGracefulRestart(false, false, 600, test.tuples), bgp.NewCapFourOctetASNumber(65001)})})
		if err != nil {
			t.Fatal(err)
		}
		open, err := m.Serialize()
		if err != nil {
			t.Fatal(err)
		}
		was := slices.Clone(open)
		l := &link{last: test.last, complete: &atomic.Bool{}}
		l.complete.Store(test.complete)
		got, err := bgp.ParseBGPMessage(l.opening(open))
		if err != nil || !bytes.Equal(was, open) {
			t.Fatalf("%s: %x, %v", name, open, err)
		}
		for _, p := range got.Body.(*bgp.BGPOpen).OptParams {
			for _, c := range p.(*bgp.OptionParameterCapability).Capability {
				c, ok := c.(*bgp.CapGracefulRestart)
				if !ok {
					continue
				}
				forward := len(c.Tuples) > 0 && c.Tuples[0].Flags == flagForwards
				if c.Time != 600 || len(c.Tuples) != len(test.tuples) || c.Flags&8 != 0 != test.restarted || forward != test.forward {
					t.Errorf("%s: %+v", name, c)
				}
			}
		}
	}
}

// An End-of-RIB is taken out before the last route has come by, which itself is for nobody; then there is to be another one. Of a
// library that can't be asked for one it waits.
func TestEnding(t *testing.T) {
	last := good(3, false, false)
	reach := func(route []byte) []byte {
		return updateOf(attribute(attrReach, false, append([]byte{0, afiL2VPN, safiEVPN, 4, 10, 0, 0, 1, 0}, route...)))
	}
	end := updateOf(attribute(attrUnreach, false, []byte{0, afiL2VPN, safiEVPN}))
	long := updateOf(attribute(attrUnreach, true, []byte{0, afiL2VPN, safiEVPN}))
	host, other, marker := reach(good(2, false, false)), updateOf(attribute(attrUnreach, false, []byte{0, 1, 1})), reach(last)
	for name, test := range map[string]struct {
		said, want [][]byte
		asked      int
		can        error
	}{
		"early":   {[][]byte{end, host, marker, host, marker, end}, [][]byte{host, host, end}, 1, nil},
		"long":    {[][]byte{long, host, marker, long}, [][]byte{host, long}, 1, nil},
		"can't":   {[][]byte{end, host, marker, host}, [][]byte{host, end, host}, 1, errNoRefresh},
		"in time": {[][]byte{host, marker, host, end}, [][]byte{host, host, end}, 0, nil},
		"again":   {[][]byte{marker, end, host, marker, end}, [][]byte{end, host, end}, 0, nil},
		"never":   {[][]byte{end, host, other}, [][]byte{host, other}, 0, nil},
	} {
		asked := 0
		e, got := ending{last: last, ask: func() error { asked++; return test.can }}, [][]byte(nil)
		for _, m := range test.said {
			if m = e.update(m); m != nil {
				got = append(got, m)
			}
		}
		if !slices.EqualFunc(got, test.want, bytes.Equal) || asked != test.asked {
			t.Errorf("%s: %x, asked %d times, want %x", name, got, asked, test.want)
		}
	}
}
