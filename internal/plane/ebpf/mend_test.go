package ebpf

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// watchful makes a plane that looks at its attachments that often.
func (w *world) watchful(o Options, every time.Duration) *Plane {
	w.t.Helper()
	p := w.plane(o)
	p.mu.Lock()
	p.attached.Every = every
	p.mu.Unlock()
	return p
}

// foreign is a program of somebody else, which lets every frame go to the host's stack.
func foreign(t testing.TB) *ebpf.Program { return verdict(t, "foreign", 0) }

func verdict(t testing.TB, name string, action int32) *ebpf.Program {
	t.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, action), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close() })
	return prog
}

func needTCX(t testing.TB) {
	t.Helper()
	if kernel.Older(kernel.Release(), "6.6") {
		t.Skipf("Linux %s has no TCX, which came with 6.6", kernel.Release())
	}
}

func (w *world) index(name string) (index int) {
	w.t.Helper()
	w.link(name, func(_ *netlink.Handle, l netlink.Link) error {
		index = l.Attrs().Index
		return nil
	})
	return index
}

// ahead attaches somebody's program before all others.
func (w *world) ahead(dev string, prog *ebpf.Program) link.Link {
	w.t.Helper()
	return testnet.Attach(w.t, w.vtep, dev, prog, ebpf.AttachTCXIngress, link.Head())
}

// forwards waits until what p0 sends arrives at p1, and by the tunnel.
func (w *world) forwards() {
	w.t.Helper()
	n := 0
	testenv.Eventually(w.t, patience, func() error {
		n++
		b := frame(bcast, macA, fmt.Sprintf("to all %d", n))
		w.send("h0", b)
		for deadline := time.Now().Add(time.Second); ; {
			switch got := w.taps["h1"].Receive(deadline); {
			case got == nil:
				return errors.New("h1 gets nothing")
			case string(got) == string(b):
				w.expectTunnel(peerIP, 10, b)
				return nil
			}
		}
	})
}

// disturbed waits until reports say of p0 what is wanted; "": nothing.
func (w *world) disturbed(p *Plane, s *intent.State, want string) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		r, err := p.Apply(w.t.Context(), s, &intent.Delta{})
		if err != nil {
			return err
		}
		if len(r.Ports) > 0 || len(r.Disturbed) != min(1, len(want)) || want != "" && !strings.Contains(r.Disturbed["p0"].Error(), want) {
			return fmt.Errorf("ports %v, disturbed %v, should say %q", r.Ports, r.Disturbed, want)
		}
		return nil
	})
}

// audited wants exactly one line about p0.
func (w *world) audited(p *Plane, have string) {
	w.t.Helper()
	drift, err := p.Audit(w.t.Context())
	if err != nil || len(drift) != 1 || drift[0].Key != "p0" || !strings.Contains(drift[0].Have, have) {
		w.t.Fatalf("audit: %+v, %v, should have %q", drift, err, have)
	}
}

// What somebody does to a link is found and put right, without anything else happening; the
// report tells of it for a while.
func TestMendLink(t *testing.T) {
	needTCX(t)
	w := newWorld(t)
	s := basic()
	pinned := func() link.Link {
		l, err := link.LoadPinnedLink(fmt.Sprintf("%s/links/%d", w.pins, w.index("p0")), nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, c := range []struct {
		name   string
		have   string // of the audit
		told   string
		meddle func()
	}{
		{"detached", "", `the program on device "p0" was detached by somebody`, func() {
			l := pinned()
			defer l.Close()
			if err := l.Detach(); err != nil {
				t.Fatal(err)
			}
		}},
		{"replaced", "another program", `the program on device "p0" was replaced by somebody`, func() {
			l := pinned()
			defer l.Close()
			if err := l.Update(foreign(t)); err != nil {
				t.Fatal(err)
			}
		}},
		{"overtaken", `behind the program "foreign"`, `the program "foreign"`, func() { w.ahead("p0", foreign(t)) }},
		{"unpinned", "no pin", "", func() {
			if err := os.Remove(fmt.Sprintf("%s/links/%d", w.pins, w.index("p0"))); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		idle := w.watchful(Options{}, time.Hour)
		w.apply(idle, s, nil)
		w.forwards()
		c.meddle()
		w.audited(idle, c.have)
		time.Sleep(recheckPause) // after which an Apply looks
		w.disturbed(idle, s, c.told)
		w.audit(idle)
		w.forwards()
		if err := idle.Close(); err != nil {
			t.Fatal(err)
		}

		c.meddle() // while there is no process
		p := w.watchful(Options{}, 100*time.Millisecond)
		w.apply(p, s, nil)
		w.forwards()
		w.disturbed(p, s, "")

		c.meddle() // and nothing else happens
		testenv.Eventually(t, patience, func() error {
			drift, err := p.Audit(t.Context())
			if len(drift) > 0 {
				return fmt.Errorf("%s: %+v", c.name, drift)
			}
			return err
		})
		w.forwards()
		w.disturbed(p, s, "")
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	p := w.plane(Options{})
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Of changes to tc filters the kernel tells.
func TestMendFilter(t *testing.T) {
	w := newWorld(t)
	s := basic()
	p := w.watchful(Options{Classic: true}, time.Hour)
	w.apply(p, s, nil)
	w.forwards()
	w.link("p0", func(h *netlink.Handle, l netlink.Link) error { return h.QdiscDel(kernel.Clsact(l.Attrs().Index)) })
	w.forwards()
	w.disturbed(p, s, `the program on device "p0" was detached by somebody`)
	w.audit(p)

	prog := foreign(t)
	put := func(h *netlink.Handle, l netlink.Link) error {
		return h.FilterReplace(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{LinkIndex: l.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 7, Priority: 1, Protocol: unix.ETH_P_ALL},
			Fd:          prog.FD(), Name: "foreign", DirectAction: true,
		})
	}
	w.link("p0", put)
	w.forwards()
	w.disturbed(p, s, "a tc filter (bpf, preference 1) ran before the VTEP's")
	w.audit(p)

	if kernel.Older(kernel.Release(), "6.6") { // no TCX, hence no links
		if err := p.Destroy(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	// Programs of links come before all filters.
	l := w.ahead("p0", prog)
	time.Sleep(recheckPause)
	w.disturbed(p, s, "run without --tc-filter")
	w.audited(p, `behind the program "foreign"`)
	l.Close()
	w.forwards()
	p.mu.Lock()
	p.attached.Every = time.Second
	p.recheck()
	p.mu.Unlock()
	w.disturbed(p, s, "")
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// While the link moves no frame gets past the program.
func TestGetAheadLosesNothing(t *testing.T) {
	needTCX(t)
	w := newWorld(t)
	p := w.watchful(Options{}, time.Hour)
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	n := 0
	for range 3 {
		w.ahead("p0", verdict(t, "watcher", -1)) // lets those behind it decide
		done := make(chan struct{})
		go func() {
			p.mu.Lock()
			p.recheck()
			p.mu.Unlock()
			close(done)
		}()
		for moving := true; moving; n++ {
			select {
			case <-done:
				moving = false
			default:
			}
			b := frame(bcast, macA, fmt.Sprintf("stream %d", n))
			w.send("h0", b)
			w.expect("h1", b)
		}
		w.audit(p)
	}
	t.Logf("%d frames", n)
}
