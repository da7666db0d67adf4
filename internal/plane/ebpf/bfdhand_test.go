package ebpf

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// bfdHand is the other end of a session, in the far namespace. It reads and writes what is on the
// wire byte for byte.
type bfdHand struct {
	w  *world
	ip netip.Addr
	in *testnet.Tap
	fd int // a UDP socket

	sending sync.Mutex // guards to, which Sendto writes to
	to      unix.Sockaddr

	mu     sync.Mutex // guards what follows
	s      *bfd.Session
	silent bool
	vni    uint32
	heard  []heardBFD
}

// heardBFD is a packet that the hand has got.
type heardBFD struct {
	outer testnet.Outer
	bfd.Packet
}

// usualBFD is a session that is slow to go down, so that a busy machine does not disturb a test.
func usualBFD() intent.BFD {
	mac := intent.MAC{0, 0x23, 0x20, 0, 0, 1}
	return intent.BFD{
		MinRx: 3000, MinTx: 200,
		Local:  intent.BFDEnd{MAC: mac, IP: netip.MustParseAddr("169.254.1.0")},
		Remote: intent.BFDEnd{MAC: mac, IP: netip.MustParseAddr("169.254.1.1")},
	}
}

// withBFD is basic with a session with peerIP.
func withBFD(b intent.BFD) *intent.State { return withBFDOf(peerIP, b) }

// withBFDOf is basic with a session with that peer, of which frames are taken.
func withBFDOf(peer netip.Addr, b intent.BFD) *intent.State {
	s := basic()
	if peer.Is6() {
		s.TunnelIP6 = tunnelIP6
		s.Decap.Set(intent.Tunnel{Peer: peer, VNI: 10}, ls1)
	}
	s.BFD = map[netip.Addr]intent.BFD{peer: b}
	return s
}

// bfdFamilies calls f for the peers of either family: one with a session, and another one.
func bfdFamilies(t *testing.T, f func(t *testing.T, w *world, peer, other netip.Addr)) {
	t.Run("IPv4", func(t *testing.T) { f(t, newWorld(t), peerIP, peerIP3) })
	t.Run("IPv6", func(t *testing.T) {
		w := newWorld(t)
		w.underlay6()
		other := peerIP6.Next()
		w.address(w.far, "r0", other.String()+"/64")
		f(t, w, peerIP6, other)
	})
}

func (w *world) bfdHand(ip netip.Addr, minRx time.Duration) *bfdHand {
	w.t.Helper()
	h := &bfdHand{w: w, ip: ip, in: testnet.Open(w.t, w.far, "r0")}
	cfg := bfd.Config{MinTx: 100 * time.Millisecond, MinRx: minRx, Mult: 3}
	h.s = bfd.New(monotonic(), cfg, 4711, rand.New(rand.NewPCG(1, 1)))
	var family int
	var from unix.Sockaddr
	if ip.Is6() {
		family, from, h.to = unix.AF_INET6, &unix.SockaddrInet6{Addr: ip.As16()}, &unix.SockaddrInet6{Addr: tunnelIP6.As16(), Port: vxlanPort}
	} else {
		family, from, h.to = unix.AF_INET, &unix.SockaddrInet4{Addr: ip.As4()}, &unix.SockaddrInet4{Addr: tunnelIP.As4(), Port: vxlanPort}
	}
	err := w.far.Do(func() (err error) {
		if h.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(h.fd, from)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			h.step(h.in.Receive(time.Now().Add(5 * time.Millisecond)))
		}
	})
	w.t.Cleanup(func() {
		close(stop)
		wg.Wait()
		unix.Close(h.fd)
	})
	return h
}

func (h *bfdHand) step(b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := monotonic()
	if o, ok := testnet.ParseOuter(b); ok && o.Dst == h.ip && len(o.Inner) >= 66 && binary.BigEndian.Uint16(o.Inner[36:]) == bfd.Port {
		p, err := bfd.Parse(o.Inner[42:])
		if err != nil {
			h.w.t.Errorf("% x: %v", o.Inner, err)
		}
		h.heard = append(h.heard, heardBFD{o, p})
		if !h.silent {
			h.s.Receive(now, p)
		}
	}
	h.s.Run(now)
	for p, ok := h.s.Transmit(now); ok; p, ok = h.s.Transmit(now) {
		if !h.silent {
			h.send(h.packet(p))
		}
	}
}

// packet is a control packet in its tunnel, by hand.
func (h *bfdHand) packet(p bfd.Packet) []byte {
	b := []byte{8, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, h.vni<<8)
	b = append(b, 0, 0x23, 0x20, 0, 0, 1, 2, 0, 0, 0, 0, 0xf, 8, 0)
	b = append(b, 0x45, 0xc0, 0, 52, 0, 0, 0, 0, 255, 17, 0, 0, 169, 254, 1, 1, 169, 254, 1, 0)
	return sumHeader(append(p.Append(append(b, 0xc0, 0, 0x0e, 0xc8, 0, 32, 0, 0)), "rest"...))
}

// sumHeader puts the checksum of the inner IPv4 header right.
func sumHeader(b []byte) []byte {
	ip := b[22:42]
	ip[10], ip[11] = 0, 0
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum>>16+sum))
	return b
}

func (h *bfdHand) send(b []byte) {
	h.sending.Lock()
	defer h.sending.Unlock()
	if err := unix.Sendto(h.fd, b, 0, h.to); err != nil {
		h.w.t.Errorf("send: %v", err)
	}
}

// sums says whether packets leave with a UDP checksum.
func (h *bfdHand) sums(right bool) {
	h.w.t.Helper()
	level, option := unix.SOL_SOCKET, unix.SO_NO_CHECK
	if h.ip.Is6() {
		level, option = unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_TX
	}
	off := 1
	if right {
		off = 0
	}
	if err := unix.SetsockoptInt(h.fd, level, option, off); err != nil {
		h.w.t.Fatal(err)
	}
}

func (h *bfdHand) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *bfdHand) status() bfd.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.s.Status(monotonic())
}

// got gives the packets that the hand has got since the last call.
func (h *bfdHand) got() []heardBFD {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.heard
	h.heard = nil
	return all
}

// until waits until the plane says so of the peer, and the agent was told the same last.
func (h *bfdHand) until(p *Plane, right func(plane.PeerState) bool) {
	h.w.t.Helper()
	testenv.Eventually(h.w.t, patience, func() error {
		state := p.watchman.states()[h.ip]
		if !right(state) {
			return fmt.Errorf("plane says %+v, the other end is %+v", state, h.status())
		}
		return nil
	})
}

func isUp(s plane.PeerState) bool {
	return s == plane.PeerState{Forwarding: true, State: "up", Diagnostic: "No Diagnostic", RemoteState: "up", RemoteDiagnostic: "No Diagnostic"}
}

// lastTold takes the events so far, and gives the last of them of the peer.
func lastTold(t *testing.T, p *Plane, peer netip.Addr, want plane.PeerState) {
	t.Helper()
	deadline := time.After(patience)
	var last []plane.PeerState
	for {
		select {
		case e := <-p.Events():
			if e, ok := e.(plane.PeerChanged); ok && e.Peer == peer {
				if last = append(last, e.State); e.State == want {
					return
				}
			}
		case <-deadline:
			t.Fatalf("%+v was not told, but %+v", want, last[max(0, len(last)-5):])
		}
	}
}

func states(heard []heardBFD) (list []bfd.State) {
	for _, h := range heard {
		list = append(list, h.State)
	}
	return slices.Compact(list)
}
