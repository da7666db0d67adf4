package ebpf

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// bounce takes the link of a port from it, by its other end, and gives it back.
func (w *world) bounce(n *namespace.Namespace, end, port string) {
	w.t.Helper()
	w.links(n, func(h *netlink.Handle) error {
		l, err := h.LinkByName(end)
		if err != nil {
			return err
		}
		return errors.Join(h.LinkSetDown(l), h.LinkSetUp(l))
	})
	testnet.Running(w.t, w.vtep, port)
}

// wasDown waits until it is told that p1 was without link, and then that it has one.
func (w *world) wasDown(p *Plane, when string) {
	w.t.Helper()
	w.event(p, "p1 was without link: "+when, func(e plane.Event) bool {
		port, ok := e.(plane.PortChanged)
		return ok && port.Name == "p1" && port.Exists && !port.Up
	})
	w.event(p, "p1 is back", func(e plane.Event) bool {
		port, ok := e.(plane.PortChanged)
		return ok && port.Name == "p1" && port.Up
	})
}

// That a link was lost and is back is told, also where that was while no process ran, or events were lost: but once.
func TestLinkBounces(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	w.apply(p, s, nil)
	w.bounce(w.hosts, "h1", "p1")
	w.wasDown(p, "at runtime")

	settled := func() {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			p.mu.Lock()
			defer p.mu.Unlock()
			index := p.ports["p1"].Device
			fresh, err := p.space.Devices()
			if err != nil || fresh.Losses[index] == 0 || fresh.Losses[index] != p.devices.Losses[index] {
				return fmt.Errorf("p1 has lost its link %d times, %d are known, %v", fresh.Losses[index], p.devices.Losses[index], err)
			}
			return nil
		})
		w.audit(p)
	}
	quiet := func(says string) {
		t.Helper()
		w.barrier()
		for {
			select {
			case e := <-p.Events():
				if port, ok := e.(plane.PortChanged); ok && !port.Up {
					t.Errorf("%s: %+v", says, port)
				}
				continue
			default:
			}
			return
		}
	}
	settled()
	for _, c := range []struct {
		says    string
		bounces int
	}{{"restarted", 0}, {"bounced meanwhile", 1}, {"restarted again", 0}, {"bounced twice", 2}} {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for range c.bounces {
			w.bounce(w.hosts, "h1", "p1")
		}
		p = w.plane(Options{})
		w.apply(p, s, nil)
		if c.bounces > 0 {
			w.wasDown(p, c.says)
		}
		settled()
		quiet(c.says)
	}

	// Messages that were lost: all is read anew.
	p.mu.Lock()
	index := p.ports["p1"].Device
	p.devices.Losses[index]--
	p.resync()
	p.mu.Unlock()
	w.wasDown(p, "read anew")
	w.apply(p, s, nil)
	quiet("applied from scratch")
	p.mu.Lock()
	p.known = false // as after a change that has failed
	p.mu.Unlock()
	w.bounce(w.hosts, "h1", "p1")
	w.wasDown(p, "after a change that has failed")
	testenv.Eventually(t, patience, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if fresh, err := p.space.Devices(); err != nil || fresh.Losses[index] != p.devices.Losses[index] {
			return fmt.Errorf("p1 has lost its link %d times, %d are known, %v", fresh.Losses[index], p.devices.Losses[index], err)
		}
		return nil
	})
	w.apply(p, s, nil)
	quiet("told before all was applied from scratch")
	settled()
	w.forwards()
}
