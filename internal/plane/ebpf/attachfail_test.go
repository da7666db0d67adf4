package ebpf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf/link"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/testenv"
)

// noneWaits waits until no port waits to be attached.
func (w *world) noneWaits(p *Plane) {
	w.t.Helper()
	testenv.Eventually(w.t, 5*patience, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.attaching != nil {
			return errors.New("ports wait still")
		}
		return nil
	})
}

// deviceFlags are those of all ports' devices, as the plane has them.
func (p *Plane) deviceFlags() map[string]uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	flags := map[string]uint32{}
	for name, prt := range p.ports {
		flags[name] = p.tDevices.Want.Get(uint32(prt.Device)).Flags
	}
	return flags
}

// promiscuous is how many of the devices d0, d1, ... are.
func (w *world) promiscuous(p *Plane) (n int) {
	w.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	all, err := p.space.Devices()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range all.ByIndex {
		if strings.HasPrefix(d.Name, "d") && d.Promisc {
			n++
		}
	}
	return n
}

// Ports that can't be attached are tried again by each change, and keep nobody busy; when they can, all are.
func TestAttachManyFails(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := w.crowded()
	s.TunnelIP = noTunnels().TunnelIP
	s.Unicast.Clear()
	clear(s.Floods)
	s.Decap.Clear()
	w.apply(p, s, nil)
	w.attachedTo(p, len(s.Ports))

	q := w.plane(Options{Name: "ps2", PinDir: w.pins + "2"})
	for range 3 {
		if _, err := q.Apply(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
		w.noneWaits(q)
		r, err := q.Apply(t.Context(), s, &intent.Delta{})
		if err != nil || len(r.Ports) != len(s.Ports) || isAttaching(r) {
			t.Fatalf("%v; %d of %d ports of another VTEP fail, some wait to be attached: %v", err, len(r.Ports), len(s.Ports), isAttaching(r))
		}
	}
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second brings those for which the first had no time
		if _, err := q.Apply(t.Context(), s, &intent.Delta{}); err != nil {
			t.Fatal(err)
		}
		w.noneWaits(q)
	}
	w.attachedTo(q, len(s.Ports))
	// The first clears the promiscuous mode of a device that the second may have by then, which hears of it and sets it again.
	testenv.Eventually(t, patience, func() error {
		drift, err := q.Audit(t.Context())
		if err == nil && len(drift) > 0 {
			err = fmt.Errorf("drift: %+v", drift)
		}
		return err
	})
	if err := q.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What an earlier process has set on devices is known also where their ports wait: the next one undoes it, of ports that were not
// attached yet, too. Tc filters that are at work don't wait: what they need is taken away after the change.
func TestAttachManyKeepsFlags(t *testing.T) {
	needTCX(t)
	w := newWorld(t)
	p := w.plane(Options{Classic: true})
	s := w.crowded()
	w.apply(p, s, nil)
	was := p.deviceFlags()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	same := func(p *Plane) {
		t.Helper()
		for name, is := range p.deviceFlags() {
			if is != was[name] {
				t.Errorf("the device of %s has flags %#x, they were %#x", name, is, was[name])
			}
		}
	}
	p = w.plane(Options{})
	w.apply(p, s, nil)
	p.mu.Lock()
	if p.attaching != nil {
		t.Error("ports wait that have filters")
	}
	p.mu.Unlock()
	same(p)
	w.audit(p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}

	for name := range s.Ports { // somebody detaches all
		l, err := link.LoadPinnedLink(p.pins.Dir+"/links/"+strconv.Itoa(p.ports[name].Device), nil)
		if err == nil {
			err = l.Detach()
			l.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	began, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p = w.plane(Options{attachesAhead: func() {
		once.Do(func() { close(began) })
		<-goOn
	}})
	w.apply(p, s, nil)
	<-began
	same(p)
	w.audit(p)
	fewer := s.Clone()
	for name := range s.Ports {
		if strings.HasPrefix(name, "d") {
			delete(fewer.Ports, name)
			delete(fewer.Bindings, intent.BindingKey{Port: name})
		}
	}
	w.apply(p, fewer, intent.Diff(s, fewer))
	close(goOn)
	w.attachedTo(p, len(fewer.Ports))
	same(p)
	if n := w.promiscuous(p); n > 0 {
		t.Errorf("%d devices that are no ports any more are promiscuous", n)
	}
	w.audit(p)
	w.forwards()
}

// A link that was made while the programs were replaced has those of now.
func TestAttachAheadWhileReplaced(t *testing.T) {
	needTCX(t)
	w := newWorld(t)
	var p *Plane
	var once sync.Once
	p = w.plane(Options{attachedAhead: func() {
		once.Do(func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if err := p.grow(nil, nil); err != nil {
				t.Error(err)
				return
			}
			l, err := link.LoadPinnedLink(p.pins.Dir+"/links/"+strconv.Itoa(p.attaching.device), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			info, err := l.Info()
			now, idErr := kernel.ProgramID(p.objs.VtepPort)
			if err != nil || idErr != nil || info.Program != now {
				t.Errorf("%v, %v: the link has program %d, should be %d", err, idErr, info.Program, now)
			}
		})
	}})
	s := w.crowded()
	w.apply(p, s, nil)
	w.attachedTo(p, len(s.Ports))
	w.audit(p)
	w.forwards()
}
