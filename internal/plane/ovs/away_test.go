package ovs

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
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
	testenv.Eventually(t, longest, func() error {
		var gone time.Time
		if err := p.do(t.Context(), func() { gone = p.engine.bridges["br0"].gone }); err != nil || !gone.IsZero() {
			return fmt.Errorf("all is there, and it is gone since %v, %v", gone, err)
		}
		return nil
	})
	// Something that never ends: what is told is a failure until all is in force, with its reason of now.
	if err := p.do(t.Context(), func() { p.engine.wantCfg += 1000 }); err != nil {
		t.Fatal(err)
	}
	told := func() {
		t.Helper()
		heard := false
		testenv.Eventually(t, longest, func() error {
			for len(p.Events()) > 0 {
				_, ok := (<-p.Events()).(plane.ReportChanged)
				heard = heard || ok
			}
			var is bool
			if err := p.do(t.Context(), func() { is = p.engine.bridges["br0"].goneTold }); err != nil || !heard || !is {
				return fmt.Errorf("it is told: %v, that it is gone: %v, %v", heard, is, err)
			}
			return nil
		})
	}
	w.KillDaemon(t)
	told()
	w.StartDaemon(t)
	told()
	w.KillDaemon(t)
	told()
}

// The kernel's datapath forwards without ovs-vswitchd: others don't give up hosts here while it is upgraded. No kernel of the tests has
// one, so it is asked alone.
func TestPatience(t *testing.T) {
	for _, c := range []struct {
		datapathType string
		served, gone bool
		want         time.Duration
	}{
		{"", true, true, restarts},
		{"system", true, true, restarts},
		{"system", false, true, grace}, // it may have no such datapath
		{"system", true, false, grace},
		{"netdev", true, true, grace},
	} {
		e, b := awayEngine(c.datapathType)
		if b.served = c.served; c.gone {
			b.lose(errGone)
		}
		if got := e.patience(); got != c.want {
			t.Errorf("%+v: it waits for %v", c, got)
		}
	}
}

var errGone = errors.New("it is gone")

// awayEngine is an engine that knows of nothing but the bridge of a physical switch.
func awayEngine(datapathType string) (*engine, *bridge) {
	const name = "br0"
	e := newEngine(&Plane{opts: Options{Name: name}, log: slog.New(slog.DiscardHandler), events: make(chan plane.Event, 100)}, nil)
	b := &bridge{name: name, physical: true}
	e.begun, e.bridges[name], e.vs = true, b, &vswitch{bridges: map[string]*bridgeRow{name: {name: name, datapathType: datapathType}}}
	return e, b
}

// Whether it is gone, and what is pending for how long, is not the same: it is told each time, and each time that it is back, whatever
// else is pending; and what is to be made when it is back has its own time.
func TestGoneIsTold(t *testing.T) {
	for _, c := range []struct {
		datapathType string
		patience     time.Duration
	}{{"system", restarts}, {"netdev", grace}} {
		t.Run(c.datapathType, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { goneIsTold(t, c.datapathType, c.patience) })
		})
	}
}

func goneIsTold(t *testing.T, datapathType string, patience time.Duration) {
	e, b := awayEngine(datapathType)
	post := func(l letter) {
		l.from = b
		e.mail.put(l)
		e.takeMail()
	}
	connected := func() { post(letter{conn: &openflow.Conn{}, connected: true}) }
	lost := func() { post(letter{conn: b.conn, lost: errGone}) }
	told := func(when string, want int) {
		t.Helper()
		e.tellGone()
		if n := len(e.plane.events); n != want {
			t.Errorf("%s: %d times it is told", when, n)
		}
		for len(e.plane.events) > 0 {
			<-e.plane.events
		}
	}
	onItsWay := func(when string, want bool) {
		t.Helper()
		if got := e.onItsWay(); got != want {
			t.Errorf("%s: what is pending is on its way: %v", when, got)
		}
	}
	e.stalled = time.Now() // something is pending all the time
	lost()
	told("not there a moment ago", 0)
	time.Sleep(grace)
	told("never there", 1)
	connected()
	told("there", 1)
	onItsWay("there, and not all is in force", false)
	if got := e.patience(); got != grace {
		t.Errorf("it was not there before: it waits for %v", got)
	}
	well := func() {
		e.stalled = time.Time{}
		b.settled()
	}
	goes := func() {
		well()
		lost()
		e.stalled = time.Now()
		told("gone a moment ago", 0)
	}
	for i := range 3 {
		goes()
		time.Sleep(patience - time.Second)
		told("still gone", 0)
		onItsWay("still gone", true)
		if at := e.nextTimer(); !at.Equal(time.Now().Add(time.Second)) {
			t.Errorf("round %d: the timer is at %v", i, at)
		}
		time.Sleep(time.Second)
		told("gone for long", 1)
		onItsWay("gone for long", false)
		time.Sleep(time.Hour)
		told("gone for longer", 0)
		connected()
		told("back", 1)
		onItsWay("back, and not all is in force", false)
		time.Sleep(time.Hour)
		told("back for long", 0)
		lost()
		told("gone again", 1)
		connected()
		told("back again", 1)
	}
	goes()
	time.Sleep(patience / 2)
	connected()
	told("back soon", 0)
	time.Sleep(grace - time.Millisecond)
	onItsWay("back soon, and something is to be made", true)
	told("back soon, and something is to be made", 0)
	time.Sleep(time.Millisecond)
	onItsWay("back soon, and much is to be made", patience == restarts)
	time.Sleep(patience)
	onItsWay("back, and not all is made", false)
	if at := e.nextTimer(); at.IsZero() || at.After(time.Now()) {
		t.Errorf("back, and not all is made: the timer is at %v", at)
	}
	told("back, and not all is made", 1)
	goes()
	for range patience / (2 * time.Second) {
		time.Sleep(time.Second)
		connected()
		time.Sleep(time.Second)
		lost()
	}
	time.Sleep(time.Second)
	onItsWay("it comes and goes", false)
	told("it comes and goes", 1)
	time.Sleep(time.Second)
	connected()
	onItsWay("it comes and goes, and is there", false)
}
