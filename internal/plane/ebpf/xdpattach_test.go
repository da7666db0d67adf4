package ebpf

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/testnet"
)

// Attaching that fails is tried again after ever more time; at once only if the device is otherwise.
func TestXDPRetry(t *testing.T) {
	w := nativeWorld(t)
	// None is attached below a device that has one.
	testnet.Link(t, w.vtep, "p0", func(h *netlink.Handle, l netlink.Link) error {
		return h.LinkAdd(&netlink.Macvlan{LinkAttrs: netlink.LinkAttrs{Name: "above", ParentIndex: l.Attrs().Index}, Mode: netlink.MACVLAN_MODE_BRIDGE})
	})
	w.xdpByNetlink("above", passing(t).FD())
	p := w.watchful(Options{XDP: XDPRequire}, time.Hour)
	s := basic()
	s.Ports["p0"] = intent.Port{TakeOver: true}
	w.apply(p, s, nil)
	look := func(due bool) time.Duration {
		t.Helper()
		p.mu.Lock()
		defer p.mu.Unlock()
		d := p.native.devices[p.ports["p0"].attached]
		d.doubt = true // as after a message about it
		if due {
			d.doubt, d.attach.at = false, time.Now()
		}
		p.recheckNatives()
		return d.attach.wait
	}
	if way := w.paths(p).Ports["p0"]; way.In.XDP || !strings.Contains(way.In.Why, "another XDP program runs on it") {
		t.Fatalf("p0: %+v", way)
	}
	wait := look(false)
	if wait != retryFirst {
		t.Fatalf("it is tried again after %v", wait)
	}
	for range 5 {
		if got := look(false); got != wait {
			t.Fatalf("it was tried again at once: %v", got)
		}
	}
	testnet.Link(t, w.vtep, "p0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1400) })
	w.waitFor("another attempt, with another MTU", func() bool { return look(false) == 2*retryFirst })
	for wait = 2 * retryFirst; wait < retryMost; {
		wait = min(2*wait, retryMost)
		if got := look(true); got != wait {
			t.Fatalf("it is tried again after %v, not %v", got, wait)
		}
	}
	if got := look(true); got != retryMost {
		t.Errorf("it is tried again after %v", got)
	}
	w.xdpByNetlink("above", -1)
	if got := look(true); got != 0 || !w.paths(p).Ports["p0"].In.XDP {
		t.Errorf("p0: %+v, again after %v", w.paths(p).Ports["p0"], got)
	}
	w.audit(p)
}

// While it can't be known what a device can do, what runs there goes on.
func TestXDPUnseen(t *testing.T) {
	w := nativeWorld(t)
	var failing error
	p := w.watchful(Options{XDP: XDPRequire, asksDriver: func() error { return failing }}, time.Hour)
	var log bytes.Buffer
	p.mu.Lock()
	p.log = slog.New(slog.NewTextHandler(&log, nil))
	p.mu.Unlock()
	w.apply(p, basic(), nil)
	look := func(fails error) (way plane.Path, sound bool, again retry) {
		t.Helper()
		p.mu.Lock()
		defer p.mu.Unlock()
		failing = fails
		log.Reset()
		index := p.ports["p0"].attached
		d := p.native.devices[index]
		d.doubt = true
		p.recheckNatives()
		return p.pathOf(index), p.native.links.Examine(index) == kernel.Sound, d.looks
	}
	for _, c := range []struct {
		fails error
		told  bool
	}{
		{errors.New("a question that fails"), true},
		{unix.ENODEV, false}, // the device has gone, which is told by itself
	} {
		if way, sound, again := look(c.fails); !way.In.XDP || !way.Out.XDP || !sound || again.err == nil || !again.waits() {
			t.Errorf("path %+v, attached %v, %+v", way, sound, again)
		}
		if told := strings.Contains(log.String(), "not known at present"); told != c.told {
			t.Errorf("%v: the log says: %s", c.fails, &log)
		}
	}
	if way, sound, again := look(nil); !way.In.XDP || !way.Out.XDP || !sound || again.err != nil {
		t.Errorf("path %+v, attached %v, %+v", way, sound, again)
	}
	w.audit(p)
}

// A port on which TC has no program is none of XDP, either.
func TestXDPLeavesWithTC(t *testing.T) {
	w := nativeWorld(t)
	needTCX(t)
	p := w.watchful(Options{XDP: XDPRequire}, time.Hour)
	s := basic()
	w.apply(p, s, nil)
	if way := w.paths(p).Ports["p0"]; !way.In.XDP {
		t.Fatalf("p0: %+v", way)
	}
	index := w.index("p0")
	p.mu.Lock()
	err := p.attached.All[index].Link.Detach()
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	stranger := w.ahead("p0", verdict(t, "vtep_stranger", 0)) // of another VTEP, beside which none is attached
	runs := func() (native bool) {
		testnet.Link(t, w.vtep, "p0", func(_ *netlink.Handle, l netlink.Link) error {
			native = l.Attrs().Xdp != nil && l.Attrs().Xdp.Attached
			return nil
		})
		return native
	}
	p.mu.Lock()
	p.recheck()
	p.mu.Unlock()
	if runs() {
		t.Error("XDP takes frames of a port that TC has lost")
	}
	if err := stranger.Close(); err != nil {
		t.Fatal(err)
	}
	w.told(p, s, func(r plane.Report) error { return r.Ports["p0"] })
	w.waitFor("XDP again", runs)
	w.audit(p)
}
