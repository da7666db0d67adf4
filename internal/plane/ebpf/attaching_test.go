package ebpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

const manyPorts = attachAtOnce + 8

// crowded is basic with more ports than a change attaches by itself; their devices are made.
func (w *world) crowded() *intent.State {
	w.t.Helper()
	s := basic()
	for n := range manyPorts {
		name := fmt.Sprintf("d%d", n)
		w.veth(w.hosts, "of-"+name, w.vtep, name, 1500)
		s.Ports[name] = intent.Port{}
		s.Bindings[intent.BindingKey{Port: name}] = intent.Binding{Switch: ls1}
	}
	return s
}

// attachedTo waits until so many ports are attached, and none waits to be.
func (w *world) attachedTo(p *Plane, ports int) {
	w.t.Helper()
	testenv.Eventually(w.t, 5*patience, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		n := 0
		for _, prt := range p.ports {
			if prt.attached != 0 && prt.attached == prt.Device && p.attached.All[prt.Device] != nil {
				n++
			}
		}
		if n != ports || p.attaching != nil {
			return fmt.Errorf("%d ports are attached, not %d; others still: %v", n, ports, p.attaching != nil)
		}
		return nil
	})
}

// isAttaching says whether a report tells that ports wait.
func isAttaching(r plane.Report) bool {
	return slices.ContainsFunc(r.Problems, func(p problem.Problem) bool { return p.Kind == problem.Attaching })
}

// While many ports are attached, others have the plane; and what becomes of the ports meanwhile counts.
func TestAttachManyWaitsForNobody(t *testing.T) {
	w := newWorld(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := w.plane(Options{attachesAhead: func() {
		once.Do(func() { close(began) })
		<-goOn
	}})
	s := w.crowded()
	w.apply(p, s, nil)
	<-began
	next := s.Clone()
	next.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macC}, intent.Tunnel{Peer: peerIP, VNI: 10})
	r, err := p.Apply(t.Context(), next, intent.Diff(s, next)) // would wait for ever if the lock were held
	if err != nil || !isAttaching(r) {
		t.Errorf("%v, it tells of ports that wait: %v", err, isAttaching(r))
	}
	// Of the ports that wait, the one that is being attached goes, and so does the device of another one.
	p.mu.Lock()
	var waiting []string
	indexes := map[string]int{}
	for name, prt := range p.ports {
		if prt.waits {
			waiting, indexes[name] = append(waiting, name), prt.Device
		}
	}
	p.mu.Unlock()
	if len(waiting) < 8 {
		t.Fatalf("%d ports wait", len(waiting))
	}
	w.audit(p) // they are no drift
	fewer := next.Clone()
	for _, name := range waiting[1:] {
		delete(fewer.Ports, name)
		delete(fewer.Bindings, intent.BindingKey{Port: name})
	}
	w.apply(p, fewer, intent.Diff(next, fewer))
	close(goOn)
	w.attachedTo(p, len(fewer.Ports))
	for _, name := range waiting[1:] {
		if _, err := os.Stat(p.pins.Dir + "/links/" + strconv.Itoa(indexes[name])); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, which is no port any more, has a link: %v", name, err)
		}
	}
	w.apply(p, s, intent.Diff(fewer, s))
	w.attachedTo(p, len(s.Ports))
	r, err = p.Apply(t.Context(), s, &intent.Delta{})
	if err != nil || isAttaching(r) {
		t.Errorf("%v, it tells of ports that wait: %v", err, isAttaching(r))
	}
	w.audit(p)
	w.forwards()
}

// The next process takes all of them over, and has none to wait for. What is under way when a process ends leaves nothing behind that
// is in its way, or in that of one that takes all down.
func TestAttachManyEnds(t *testing.T) {
	w := newWorld(t)
	began := make(chan struct{}, manyPorts)
	o := Options{attachesAhead: func() { began <- struct{}{} }}
	s := w.crowded()
	for range 2 {
		p := w.plane(o)
		w.apply(p, s, nil)
		<-began
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if p = w.plane(Options{}); len(began) > 0 {
			<-began
		}
		w.apply(p, s, nil)
		w.attachedTo(p, len(s.Ports))
		w.audit(p)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p = w.plane(o)
		w.apply(p, s, nil)
		p.mu.Lock()
		if p.attaching != nil {
			t.Error("ports wait that have their links")
		}
		p.mu.Unlock()
		w.attachedTo(p, len(s.Ports))
		if err := p.Destroy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p := w.plane(o)
	w.apply(p, s, nil)
	<-began
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.opts.PinDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there still: %v", p.opts.PinDir, err)
	}
}
