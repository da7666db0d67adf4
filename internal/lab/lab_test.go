package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// newLab builds a lab for the test and checks at the end that nothing of it is left.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	testenv.Root(t)
	testenv.NoLeaks(t)
	l, err := lab.Up(fmt.Sprintf("t%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
		if left, err := namespace.List(l.Name); err != nil || len(left) > 0 {
			t.Errorf("namespaces left: %q, %v", left, err)
		}
		if _, err := os.Stat(l.Dir()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("directory left: %v", err)
		}
	})
	return l
}

// kernelVTEP puts the kernel's own devices where the VTEP of this project belongs, so that
// the picture itself can be tested: p0 and p1 in one bridge with a vxlan device. Frames with
// a tag can't be separated so; see TestTagged.
func kernelVTEP(t *testing.T, l *lab.Lab) {
	t.Helper()
	err := l.Namespace(lab.VTEP).Links(func(h *netlink.Handle) error {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br"}}
		vxlan := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vx"}, VxlanId: lab.VNIUntagged,
			SrcAddr: lab.TunnelIP.AsSlice(), Group: lab.RemoteIP.AsSlice(), Port: 4789, Learning: true}
		if err := errors.Join(h.LinkAdd(bridge), h.LinkAdd(vxlan)); err != nil {
			return err
		}
		for _, name := range []string{"p0", "p1", "vx"} {
			link, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			if err := errors.Join(h.LinkSetMaster(link, bridge), h.LinkSetUp(link)); err != nil {
				return err
			}
		}
		return h.LinkSetUp(bridge)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReachability(t *testing.T) {
	l := newLab(t)
	kernelVTEP(t, l)
	for _, pair := range [][2]lab.Station{{lab.Host1, lab.Host3}, {lab.Host1, lab.Host2}, {lab.Host3, lab.Host2}} {
		r, err := l.Ping(context.Background(), pair[0].Node, pair[1].IP.Addr(), 10, 10*time.Millisecond)
		if err != nil || r.Sent != 10 || r.Lost() != 0 {
			t.Errorf("%s to %s: %+v, %v", pair[0].Node, pair[1].Node, r, err)
		}
	}
	// The tagged network is not reachable by a bridge that knows no VLANs.
	r, err := l.Ping(context.Background(), lab.H2, lab.Host4.IP.Addr(), 2, 10*time.Millisecond)
	if err != nil || r.Received != 0 {
		t.Errorf("tagged: %+v, %v", r, err)
	}
}

// TestTagged looks at the frames that h2's tagged device sends, and answers with a tagged one.
func TestTagged(t *testing.T) {
	l := newLab(t)
	p1 := testnet.Open(t, l.Namespace(lab.VTEP), "p1")
	ping, err := l.StartPing(lab.H2, lab.Host4.IP.Addr(), 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	// Two frames are enough for a round trip: the ARP request, and the echo request after
	// the answer to it.
	arp, tag := receive(t, p1)
	if tag != lab.VLAN || arp[12] != 0x08 || arp[13] != 0x06 || string(arp[6:12]) != string(lab.Host2Tagged.MAC) {
		t.Fatalf("not an ARP request in VLAN %d: tag %d, frame % x", lab.VLAN, tag, arp)
	}
	p1.Send(answer(arp))
	for {
		frame, tag := receive(t, p1)
		if frame[12] == 0x08 && frame[13] == 0x00 {
			if tag != lab.VLAN || string(frame[:6]) != string(lab.Host4.MAC) {
				t.Errorf("not an echo request in VLAN %d: tag %d, frame % x", lab.VLAN, tag, frame)
			}
			break
		}
	}
	ping.Stop()
}

// answer makes the reply of h4 to an ARP request, as a frame with an 802.1Q header.
func answer(request []byte) []byte {
	f := append([]byte{}, request[6:12]...)
	f = append(f, lab.Host4.MAC...)
	f = append(f, 0x81, 0x00, 0, lab.VLAN, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 2)
	f = append(f, lab.Host4.MAC...)
	f = append(f, lab.Host4.IP.Addr().AsSlice()...)
	return append(f, request[22:32]...)
}

// receive returns the next frame that comes in, without its tag, and its VLAN; 0 if it has none.
func receive(t *testing.T, at *testnet.Tap) (frame []byte, vlan int) {
	t.Helper()
	b := at.Receive(time.Now().Add(testnet.Patience))
	switch {
	case b == nil:
		t.Fatalf("no frame at %s", at.Name)
	case b[12] == 0x81 && b[13] == 0x00:
		return append(b[:12:12], b[16:]...), int(b[14])<<8&0xfff | int(b[15])
	}
	return b, 0
}

func TestPingLoss(t *testing.T) {
	l := newLab(t)
	kernelVTEP(t, l)
	warm, err := l.Ping(context.Background(), lab.H1, lab.Host3.IP.Addr(), 1, time.Millisecond)
	if err != nil || warm.Received != 1 {
		t.Fatalf("%+v, %v", warm, err)
	}
	ping, err := l.StartPing(lab.H1, lab.Host3.IP.Addr(), 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	waitReplies := func(n int) {
		testenv.Eventually(t, 90*time.Second, func() error {
			if r := ping.Replies(); r.Received < n {
				return fmt.Errorf("%d replies of %d", r.Received, n)
			}
			return nil
		})
	}
	waitReplies(10)
	setUp := func(set func(*netlink.Handle, netlink.Link) error) {
		err := l.Namespace(lab.VTEP).Links(func(h *netlink.Handle) error {
			link, err := h.LinkByName("vx")
			if err != nil {
				return err
			}
			return set(h, link)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	setUp((*netlink.Handle).LinkSetDown)
	sent := ping.Replies().Sent
	testenv.Eventually(t, 90*time.Second, func() error {
		if n := ping.Replies().Sent; n < sent+10 {
			return fmt.Errorf("%d sent", n)
		}
		return nil
	})
	before := ping.Replies().Received
	setUp((*netlink.Handle).LinkSetUp)
	waitReplies(before + 10)
	if r := ping.Stop(); r.Lost() < 8 || r.Lost() > r.Sent-20 {
		t.Errorf("a cut is not seen: %+v", r)
	}
}

func TestNames(t *testing.T) {
	testenv.Root(t)
	for _, bad := range []string{"", "a/b", "..", "-x", strings.Repeat("a", 21), "a b"} {
		if l, err := lab.Up(bad); err == nil {
			_ = l.Down()
			t.Errorf("%q is taken as a name", bad)
		}
	}
	if _, err := lab.Open("nosuchlab"); !errors.Is(err, lab.ErrNotThere) {
		t.Errorf("open: %v", err)
	}
	l := newLab(t)
	if _, err := lab.Up(l.Name); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("up twice: %v", err)
	}
	names, err := lab.Names()
	if err != nil || !strings.Contains(strings.Join(names, " "), l.Name) {
		t.Errorf("names: %q, %v", names, err)
	}
}

// TestDownEndsProcesses opens the lab as another process would, with something left in it.
func TestDownEndsProcesses(t *testing.T) {
	l := newLab(t)
	cmd := exec.Command("sleep", "1000")
	if err := l.Namespace(lab.H1).Start(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	again, err := lab.Open(l.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Down(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the process was not killed")
	}
	l.Close()
}
