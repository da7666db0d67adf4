package ebpf

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
)

// TestTCP moves data between a host behind a port and one behind the kernel's vxlan device,
// with all the segmentation and checksum offload that the devices have.
func TestTCP(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) { testTCP(t, o, offloads) })
		t.Run(name+" without segmentation offload", func(t *testing.T) { testTCP(t, o, noSegmentation) })
		t.Run(name+" with a plain underlay", func(t *testing.T) { testTCP(t, o, plainUnderlay) })
	}
}

type offloading int

const (
	offloads       offloading = iota // all that the devices have
	noSegmentation                   // hosts send frame by frame
	plainUnderlay                    // hosts have all, the underlay's device nothing: the kernel does it before
)

func testTCP(t *testing.T, o Options, off offloading) {
	w := newWorld(t)
	w.address(w.hosts, "h0", "198.51.100.1/24")
	w.address(w.far, "vx10", "198.51.100.2/24")
	p := w.plane(o)
	s := basic()
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: w.mac(w.far, "vx10")}, intent.Tunnel{Peer: peerIP, VNI: 10})
	w.apply(p, s, nil)

	switch off {
	case noSegmentation:
		w.unsegmented(w.hosts, "h0")
		w.unsegmented(w.far, "vx10")
	case plainUnderlay:
		w.plain(w.vtep, "u0")
		w.plain(w.far, "r0")
	}
	w.transfer(w.hosts, w.far, "198.51.100.2")
	w.transfer(w.far, w.hosts, "198.51.100.1")

	// The device that does the work must be the one that is meant to.
	var out, in uint64
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName(p.vxlanName())
		if err == nil {
			out, in = l.Attrs().Statistics.TxBytes, l.Attrs().Statistics.RxBytes
		}
		return err
	})
	if long := out > transferBytes/2; long != (o.Direct == DirectOff) {
		t.Errorf("the vxlan device sent %d bytes", out)
	}
	// What stands for several frames always comes in by the device.
	if long := in > transferBytes/2; long != (o.Direct == DirectOff || off == offloads) {
		t.Errorf("the vxlan device received %d bytes", in)
	}
	t.Logf("by the vxlan device: %d bytes out, %d in", out, in)
	st, err := p.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := st.Bindings[intent.BindingKey{Port: "p0"}]
	if c.BytesFromLocal < transferBytes || c.BytesToLocal < transferBytes {
		t.Errorf("counters %+v", c)
	}
	for _, reason := range []string{"too_big", "failed"} {
		if st.Drops[reason] != 0 {
			t.Errorf("dropped %d frames: %s", st.Drops[reason], reason)
		}
	}
}

const transferBytes = 4 << 20

// stall is when a transfer is taken to have come to an end without its data.
const stall = time.Minute

// transfer sends data from one place to another and compares.
func (w *world) transfer(from, to *namespace.Namespace, addr string) {
	w.t.Helper()
	var listener net.Listener
	err := to.Do(func() error {
		var err error
		listener, err = net.Listen("tcp4", addr+":0")
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer listener.Close()
	var got []byte
	var readErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := listener.Accept()
		if err != nil {
			readErr = err
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(stall))
		h := sha256.New()
		_, readErr = io.Copy(h, c)
		got = h.Sum(nil)
	})
	want := sha256.New()
	err = from.Do(func() error {
		c, err := net.DialTimeout("tcp4", listener.Addr().String(), patience)
		if err != nil {
			listener.Close()
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(stall))
		rng := rand.NewChaCha8([32]byte{})
		_, err = io.Copy(io.MultiWriter(c, want), io.LimitReader(rng, transferBytes))
		return err
	})
	wg.Wait()
	if err != nil || readErr != nil {
		w.t.Fatalf("transfer to %s: %v, %v", addr, err, readErr)
	}
	if !bytes.Equal(got, want.Sum(nil)) {
		w.t.Fatalf("transfer to %s: other data came out", addr)
	}
}

func (w *world) mac(n *namespace.Namespace, dev string) (mac intent.MAC) {
	w.t.Helper()
	w.links(n, func(h *netlink.Handle) error {
		l, err := h.LinkByName(dev)
		if err != nil {
			return err
		}
		if len(l.Attrs().HardwareAddr) != len(mac) {
			return fmt.Errorf("%s has no MAC", dev)
		}
		mac = intent.MAC(l.Attrs().HardwareAddr)
		return nil
	})
	return mac
}

// unsegmented makes the device send every frame by itself.
func (w *world) unsegmented(n *namespace.Namespace, dev string) {
	w.t.Helper()
	w.links(n, func(h *netlink.Handle) error {
		l, err := h.LinkByName(dev)
		if err != nil {
			return err
		}
		return h.LinkSetGSOMaxSegs(l, 1)
	})
}

// plain switches off checksum and segmentation offload of the device's sending side.
func (w *world) plain(n *namespace.Namespace, dev string) {
	w.t.Helper()
	err := n.Do(func() error {
		for _, cmd := range []uint32{unix.ETHTOOL_SGSO, unix.ETHTOOL_STSO, unix.ETHTOOL_STXCSUM, unix.ETHTOOL_SSG} {
			if err := ethtool(dev, cmd, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
