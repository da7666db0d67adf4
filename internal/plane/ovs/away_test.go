package ovs

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// That Open vSwitch is gone is told by itself, since then no port works: EVPN withdraws what it has announced for links of segments by
// that. The hosts that were behind ports are as unknown then as the agent takes them, and are heard again when it is back.
func TestSwitchGone(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := twoTenants()
	w.apply(p, s, nil)
	key := intent.MACKey{Switch: red, MAC: intent.MAC{2, 5: 1}}
	heard := func() {
		t.Helper()
		told := false
		testenv.Eventually(t, longest, func() error {
			w.send(t, "h0", frameFrom(1, all).Bytes())
			for len(p.Events()) > 0 {
				seen, ok := (<-p.Events()).(plane.Seen)
				told = told || ok && seen.Key == key
			}
			if !told {
				return errors.New("the host is not told of")
			}
			return knows(p, key, at("p0", 0))
		})
	}
	heard()
	changed := func(gone bool) {
		t.Helper()
		testenv.Eventually(t, longest, func() error {
			told := false
			for len(p.Events()) > 0 {
				_, ok := (<-p.Events()).(plane.ReportChanged)
				told = told || ok
			}
			if !told {
				return errors.New("nothing is told")
			}
			if r := w.apply(p, s, &intent.Delta{}); (r.Ports["p0"] != nil) != gone || (r.Bindings[at("p0", 0)] != nil) != gone {
				return fmt.Errorf("the report is %+v", r)
			}
			return nil
		})
	}
	w.KillDaemon(t)
	changed(true)
	w.StartDaemon(t)
	changed(false)
	heard()
}

// The kernel's datapath forwards without ovs-vswitchd: others don't give up hosts here while it is upgraded. No kernel of the tests has
// one, so it is asked alone.
func TestPatience(t *testing.T) {
	for _, c := range []struct {
		datapathType    string
		served, running bool
		want            time.Duration
	}{
		{"", true, false, restarts},
		{"system", true, false, restarts},
		{"system", false, false, grace}, // it may have no such datapath
		{"system", true, true, grace},
		{"netdev", true, false, grace},
	} {
		const name = "br0"
		b := &bridge{name: name, served: c.served, lastErr: errors.New("refused")}
		if c.running {
			b.conn, b.lastErr = &openflow.Conn{}, nil
		}
		e := &engine{names: &names{ps: name}, bridges: map[string]*bridge{name: b}, vs: &vswitch{bridges: map[string]*bridgeRow{name: {name: name, datapathType: c.datapathType}}}}
		if got := e.patience(); got != c.want {
			t.Errorf("%+v: it waits for %v", c, got)
		}
	}
}
