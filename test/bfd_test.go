package test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// watchers are the far ends of sessions of BFD with the VTEP. They have the tap of the underlay
// for themselves, and note who gets which flooded frame.
type watchers struct {
	w     *world
	began time.Time

	mu     sync.Mutex // guards what follows
	ends   map[netip.Addr]*bfd.Session
	silent map[netip.Addr]bool
	copies map[string][]netip.Addr // by payload
	last   map[netip.Addr]time.Time
	six    map[netip.Addr]net.PacketConn // of peers with IPv6
}

func (w *world) watchers(peers ...netip.Addr) *watchers {
	s := &watchers{w: w, began: time.Now().Add(-time.Hour), ends: map[netip.Addr]*bfd.Session{}, silent: map[netip.Addr]bool{},
		copies: map[string][]netip.Addr{}, last: map[netip.Addr]time.Time{}, six: map[netip.Addr]net.PacketConn{}}
	for i, peer := range peers {
		// They wait for the VTEP for half a minute, however slow the machine is.
		cfg := bfd.Config{MinTx: 300 * time.Millisecond, MinRx: 10 * time.Second, Mult: 3}
		s.ends[peer] = bfd.New(s.now(), cfg, uint32(i+1), rand.New(rand.NewPCG(1, uint64(i))))
		if peer.Is6() {
			err := w.lab.Namespace(lab.R1).Do(func() (err error) {
				s.six[peer], err = net.ListenPacket("udp6", netip.AddrPortFrom(peer, 0).String())
				return err
			})
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
	tap := w.underlay()
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			s.step(tap.Receive(time.Now().Add(5 * time.Millisecond)))
		}
	})
	w.t.Cleanup(func() {
		close(stop)
		done.Wait()
		for _, conn := range s.six {
			conn.Close()
		}
	})
	return s
}

// send sends a packet from a peer.
func (s *watchers) send(peer netip.Addr, p bfd.Packet) {
	conn := s.six[peer]
	if conn == nil {
		s.w.fromPeer(peer, 0, control(p))
		return
	}
	_, err := conn.WriteTo(append([]byte{8, 0, 0, 0, 0, 0, 0, 0}, control(p)...), net.UDPAddrFromAddrPort(netip.AddrPortFrom(own6, 4789)))
	if err != nil {
		s.w.t.Error(err)
	}
}

func (s *watchers) now() time.Duration { return time.Since(s.began) }

func (s *watchers) step(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := testnet.ParseOuter(frame)
	switch end := s.ends[d.Dst]; {
	case !ok || end == nil:
	case d.VNI == 0 && len(d.Inner) >= 66 && binary.BigEndian.Uint16(d.Inner[36:]) == bfd.Port:
		p, err := bfd.Parse(d.Inner[42:])
		if err != nil {
			s.w.t.Errorf("% x: %v", d.Inner, err)
		} else if !s.silent[d.Dst] {
			end.Receive(s.now(), p)
		}
	case d.VNI == lab.VNIUntagged && len(d.Inner) > 14:
		if payload, _, numbered := strings.Cut(string(d.Inner[14:]), "."); numbered {
			s.copies[payload] = append(s.copies[payload], d.Dst)
		}
	}
	for peer, end := range s.ends {
		end.Run(s.now())
		for p, more := end.Transmit(s.now()); more; p, more = end.Transmit(s.now()) {
			if !s.silent[peer] {
				s.last[peer] = time.Now()
				s.send(peer, p)
			}
		}
	}
}

// control is the inner frame of a packet.
func control(p bfd.Packet) []byte {
	b := []byte{0, 0x23, 0x20, 0, 0, 1, 2, 0, 0, 0, 0, 1, 8, 0}
	b = append(b, 0x45, 0xc0, 0, 52, 0, 0, 0, 0, bfd.TTL, 17, 0x64, 0xfb, 169, 254, 1, 1, 169, 254, 1, 0)
	return p.Append(append(b, 0xc0, 0, bfd.Port>>8, bfd.Port&0xff, 0, 32, 0, 0))
}

func (s *watchers) setSilent(peer netip.Addr, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent[peer] = silent
}

func (s *watchers) flaps() (sum uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, end := range s.ends {
		sum += end.Status(s.now()).Flaps
	}
	return sum
}

// gets returns who got the frame.
func (s *watchers) gets(payload string) []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.copies[payload])
}

// status waits until bfd_status says so of a peer.
func (s *watchers) status(peer netip.Addr, want map[string]string) {
	s.w.t.Helper()
	s.w.await(func(v view) error {
		for t := range v.Tunnels() {
			l, _ := v.PhysicalLocator(t.Remote)
			if l.DstIP != peer.String() {
				continue
			}
			for k, text := range want {
				if t.BFDStatus[k] != text {
					return fmt.Errorf("bfd_status of %v is %v, want %v", peer, t.BFDStatus, want)
				}
			}
			return nil
		}
		return fmt.Errorf("no tunnel to %v", peer)
	})
}

var statusUp = map[string]string{"enabled": "true", "state": "up", "forwarding": "true", "remote_state": "up", "diagnostic": "No Diagnostic"}

// TestBFD has the VTEP watch two service nodes. The one that gets the copies falls silent: from one
// frame to the next the other one gets them, none is lost or doubled. Peers don't notice
// restarts.
func TestBFD(t *testing.T) {
	w := newWorld(t)
	w.morePeers()
	w.basic()
	w.ctl(fmt.Sprintf("add-mcast-remote ls0 unknown-dst %v", peer3))
	peers := []netip.Addr{lab.RemoteIP, peer3}
	w.tunnels(lab.RemoteIP.String(), peer3.String())
	s := w.watchers(peers...)
	for tunnel := range w.now().Tunnels() {
		w.ctl(fmt.Sprintf("set Tunnel %v bfd_params:enable=true bfd_params:min_rx=1000 bfd_params:min_tx=300", tunnel.UUID))
	}
	for _, peer := range peers {
		s.status(peer, statusUp)
	}
	text := w.env.Output(t, testenv.Program(t, "ovs-appctl"), "-t", w.control(), "bfd/show")
	for _, line := range []string{"---- 10.2.2.2 ----", "---- 10.2.2.3 ----", "Forwarding: true", "Local Session State: up", "Remote Minimum TX Interval: 300ms"} {
		if !strings.Contains(text, line) {
			t.Errorf("bfd/show does not say %q:\n%s", line, text)
		}
	}

	// Restarts: by force, and by request.
	flaps := s.flaps()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		w.closeReplica()
		w.signal(sig)
		w.start(usual...)
		for _, peer := range peers {
			s.status(peer, statusUp)
		}
	}
	if now := s.flaps(); now != flaps {
		t.Errorf("the peers have noticed %d restarts", now-flaps)
	}

	// Failover, and no way back as long as both are as good.
	n := 0
	next := func() (string, []netip.Addr) {
		n++
		payload := fmt.Sprintf("failover %d", n)
		w.h1().Send(frame(broadcast, lab.Host1.MAC, payload+"."))
		var got []netip.Addr
		testenv.Eventually(t, patience, func() error {
			if got = s.gets(payload); len(got) == 0 {
				return fmt.Errorf("nobody gets %s", payload)
			}
			return nil
		})
		return payload, got
	}
	_, chosen := next()
	other := peers[0]
	if chosen[0] == other {
		other = peers[1]
	}
	s.setSilent(chosen[0], true)
	for end := time.Now().Add(patience); ; {
		if _, got := next(); got[0] == other {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%v still gets the copies", chosen[0])
		}
	}
	s.mu.Lock()
	took := time.Since(s.last[chosen[0]])
	s.mu.Unlock()
	t.Logf("the other one gets them %v after the last packet of the first; its detection time is 3 s", took.Round(time.Millisecond))
	s.status(chosen[0], map[string]string{"state": "down", "forwarding": "false", "diagnostic": "Control Detection Time Expired"})
	s.setSilent(chosen[0], false)
	s.status(chosen[0], statusUp)
	if _, got := next(); got[0] != other {
		t.Errorf("the copies go back to %v", got)
	}
	w.h2().Expect(frame(broadcast, lab.Host1.MAC, fmt.Sprintf("failover %d.", n)))
	for i := range n {
		if got := s.gets(fmt.Sprintf("failover %d", i+1)); len(got) != 1 {
			t.Errorf("frame %d of %d went to %v", i+1, n, got)
		}
	}
	// Hosts have seen nothing of all that.
	for _, b := range w.h2().Drain() {
		if b[0] == 0 && b[1] == 0x23 && b[2] == 0x20 {
			t.Errorf("h2 got % x", b)
		}
	}
	// Disabled: the columns are empty.
	for tunnel := range w.now().Tunnels() {
		w.ctl(fmt.Sprintf("set Tunnel %v bfd_params:enable=false", tunnel.UUID))
	}
	w.await(func(v view) error {
		for t := range v.Tunnels() {
			if len(t.BFDStatus) != 0 {
				return fmt.Errorf("bfd_status is %v", t.BFDStatus)
			}
		}
		return nil
	})
}
