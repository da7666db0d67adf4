package ebpf

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/testenv"
)

func TestSecondInstance(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	err := w.vtep.Do(func() error {
		other, err := New(Options{Name: "ps1", PinDir: w.pins})
		if err == nil {
			other.Close()
		}
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second plane with the same pins: %v", err)
	}

	// Another switch in the same namespace: the UDP port is taken.
	other := w.plane(Options{Name: "ps2", PinDir: w.pins + "2"})
	s := intent.NewState()
	s.TunnelIP = tunnelIP
	r, err := other.Apply(t.Context(), s, nil)
	if err != nil || r.Tunnels == nil || !strings.Contains(r.Tunnels.Error(), "UDP port 4789 is taken by vxlan device "+p.vxlanName()) {
		t.Errorf("report %+v, %v", r, err)
	}
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error { // it takes over by itself
		r, err := other.Apply(t.Context(), s, &intent.Delta{})
		return errors.Join(err, r.Tunnels)
	})
	if err := other.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The pins of a namespace are not those of another one, even for a switch of the same name.
func TestOtherNamespace(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.plane(o)
			w.apply(p, basic(), nil)
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			o.Name, o.PinDir = "ps1", w.pins
			open := func() error {
				return w.far.Do(func() error {
					other, err := New(o)
					if err != nil {
						return err
					}
					_, err = other.Apply(t.Context(), basic(), nil)
					return errors.Join(err, other.Destroy(t.Context()))
				})
			}
			if err := open(); err == nil || !strings.Contains(err.Error(), "another network namespace") {
				t.Errorf("error %v", err)
			}
			b := frame(bcast, macA, "forwarding goes on")
			w.send("h0", b)
			w.expect("h1", b)
			for _, dev := range []string{"p0", "p1", "p2", "u0", p.vxlanName()} {
				w.removeLink(w.vtep, dev)
			}
			testenv.Eventually(t, patience, func() error { // what is attached dies a little after the devices
				err := open()
				if err != nil && !strings.Contains(err.Error(), "another network namespace") {
					t.Fatal(err)
				}
				return err
			})
		})
	}
}

func TestPinDirectory(t *testing.T) {
	testenv.Root(t)
	testenv.NoLeaks(t)
	_, err := New(Options{Name: "ps1", PinDir: t.TempDir() + "/pins"})
	if err == nil || !strings.Contains(err.Error(), "not in a BPF file system") {
		t.Errorf("error %v", err)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no name is an error")
	}
}

func TestNoPrivileges(t *testing.T) {
	w := newWorld(t)
	pins := w.pins
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), "VTEP_TEST_PINS="+pins)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.vtep.Start(cmd); err != nil {
		testenv.Skip(t, "can't run a program as nobody: %v", err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !strings.Contains(line, "CAP_BPF") {
		t.Errorf("without privileges it says %q", line)
	}
}

// Nothing stays behind.
func TestDestroy(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.inventory()
			p := w.plane(o)
			w.apply(p, basic(), nil)
			if w.inventory() == before {
				t.Error("a plane at work leaves no trace: this test finds nothing")
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			p = w.plane(o)
			if err := p.Destroy(t.Context()); err != nil { // what the first one left, too
				t.Fatal(err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, patience, func() error {
				if after := w.inventory(); after != before {
					return fmt.Errorf("left behind:\n%s\nwas\n%s", after, before)
				}
				return nil
			})
			if _, err := os.Stat(w.pins); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("pins: %v", err)
			}
		})
	}
}

// inventory lists the devices of the vtep ns with everything that a plane does to them.
func (w *world) inventory() string {
	w.t.Helper()
	var b strings.Builder
	w.links(w.vtep, func(h *netlink.Handle) error {
		links, err := h.LinkList()
		if err != nil {
			return err
		}
		for _, l := range links {
			a := l.Attrs()
			fmt.Fprintf(&b, "%s promisc %d", a.Name, a.Promisc)
			qdiscs, err := h.QdiscList(l)
			if err != nil {
				return err
			}
			for _, q := range qdiscs {
				fmt.Fprintf(&b, " %s", q.Type())
			}
			err = w.vtep.Do(func() error {
				r, err := link.QueryPrograms(link.QueryOptions{Target: a.Index, Attach: ebpf.AttachTCXIngress})
				switch {
				case err == nil:
					fmt.Fprintf(&b, " programs %d", len(r.Programs))
				case kernel.Older(kernel.Release(), "6.6"): // no TCX
					return nil
				}
				return err
			})
			if err != nil {
				return err
			}
			b.WriteString("\n")
		}
		return nil
	})
	return b.String()
}

// A table that is full is reported; what did not fit gets its place when there is room.
func TestFull(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{Most: map[string]uint32{"remotes": 16, "locals": 16}})
	s := basic()
	for n := range byte(30) {
		s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 1, 0, 0, 0, n}}, intent.Tunnel{Peer: peerIP, VNI: 10})
	}
	r, err := p.Apply(t.Context(), s, nil)
	if err != nil || r.Full[plane.RemoteMACs] == nil || !strings.Contains(r.Full[plane.RemoteMACs].Error(), "map remotes is full (16 entries): 15 more did not fit") {
		t.Fatalf("report %+v, %v", r, err)
	}
	next := s.Clone()
	for n := range byte(20) {
		next.Unicast.Delete(intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 1, 0, 0, 0, n}})
	}
	if _, err := p.Apply(t.Context(), next, intent.Diff(s, next)); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Apply(t.Context(), next, &intent.Delta{}); err != nil || len(r.Full) > 0 {
		t.Errorf("report %+v, %v", r, err)
	}
	w.audit(p)
}

// The limit for all ports bounds what is learned; the agent hears of the others.
func TestMACLimit(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	s.MACLimit = 4
	w.apply(p, s, nil)
	macs := map[intent.MAC]bool{}
	for n := range byte(5) {
		mac := intent.MAC{2, 2, 0, 0, 0, n}
		macs[mac] = true
		w.send("h0", frame(bcast, mac, "limit"))
	}
	for len(macs) > 0 {
		w.event(p, fmt.Sprintf("one of %v", macs), func(e plane.Event) bool {
			seen, ok := e.(plane.Seen)
			delete(macs, seen.Key.MAC)
			return ok
		})
	}
	seen, err := p.Sweep(t.Context())
	if err != nil || len(seen) != 4 {
		t.Errorf("sweep: %d MACs, %v", len(seen), err)
	}
}

// Events that nobody takes are counted, and the next reader is told.
func TestLost(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	const macs = 2*queueLength + 20000
	for n := range macs {
		w.send("h0", frame(macR, intent.MAC{2, 3, 0, byte(n >> 16), byte(n >> 8), byte(n)}, "lost"))
	}
	w.barrier()
	var seen, lost uint64
	for deadline := time.After(2 * patience); seen+lost != macs; {
		select {
		case e := <-p.Events():
			switch e := e.(type) {
			case plane.Seen:
				seen++
			case plane.Lost:
				lost += e.Count
			}
		case <-deadline:
			t.Fatalf("%d seen, %d lost, of %d", seen, lost, macs)
		}
	}
	if lost == 0 {
		t.Error("nothing was lost: this test shows nothing")
	}
	if all, err := p.Sweep(t.Context()); err != nil || len(all) != macs {
		t.Errorf("sweep: %d MACs, %v", len(all), err)
	}
	w.balanced(p) // although the map had to grow on the way
}
