package ebpf

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testnet"
)

// BenchmarkBFD has 2,000 peers, with each a session at 300 ms, and gives how much of a core the
// plane takes for them: what the process takes, less the thread that plays the peers.
func BenchmarkBFD(b *testing.B) {
	const peers, period = 2000, 300
	w := newWorld(b)
	p := w.plane(Options{})
	w.links(w.vtep, func(h *netlink.Handle) error {
		_, all, _ := net.ParseCIDR("10.9.0.0/16")
		return h.RouteAdd(&netlink.Route{Dst: all, Gw: peerIP.AsSlice()})
	})
	w.neighbour(peerIP)
	s := basic()
	s.BFD = map[netip.Addr]intent.BFD{}
	mine := usualBFD()
	mine.MinRx, mine.MinTx = period, period
	crowd := &bfdCrowd{w: w, ask: make(chan chan time.Duration), stop: make(chan struct{}), done: make(chan struct{})}
	r := rand.New(rand.NewPCG(1, 1))
	ip := netip.MustParseAddr("10.9.0.1")
	for i := range uint32(peers) {
		s.BFD[ip] = mine
		crowd.set.Add(ip, bfd.New(monotonic(), bfd.Config{MinTx: period * time.Millisecond, MinRx: period * time.Millisecond, Mult: 3}, i+1, r))
		ip = ip.Next()
	}
	crowd.to = intent.MAC(testnet.MAC(b, w.vtep, "u0"))
	go crowd.run()
	b.Cleanup(func() { close(crowd.stop); <-crowd.done })
	w.apply(p, s, nil)
	up := func() (n int) {
		for _, st := range p.watchman.states() {
			if isUp(st) {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(patience); up() < peers; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("%d of %d sessions are up", up(), peers)
		}
	}
	all, theirs, took := cpuOf(unix.RUSAGE_SELF), crowd.cpu(), time.Duration(0)
	for b.Loop() {
		began := time.Now()
		time.Sleep(time.Second)
		took += time.Since(began)
	}
	all, theirs = cpuOf(unix.RUSAGE_SELF)-all, crowd.cpu()-theirs
	b.ReportMetric(100*float64(all-theirs)/float64(took), "%core")
	b.ReportMetric(100*float64(theirs)/float64(took), "%core-peers")
	b.ReportMetric(float64(up()), "up")
}

// bfdCrowd plays many peers on one thread.
type bfdCrowd struct {
	w    *world
	to   intent.MAC
	set  bfd.Set[netip.Addr]
	ask  chan chan time.Duration
	stop chan struct{}
	done chan struct{}
}

// cpu is what the thread has taken.
func (c *bfdCrowd) cpu() time.Duration {
	answer := make(chan time.Duration)
	c.ask <- answer
	return <-answer
}

func cpuOf(who int) time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(who, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (c *bfdCrowd) run() {
	runtime.LockOSThread()
	defer close(c.done)
	hand, tap := &bfdHand{w: c.w}, c.w.taps["r0"]
	for {
		select {
		case <-c.stop:
			return
		case answer := <-c.ask:
			answer <- cpuOf(unix.RUSAGE_THREAD)
		default:
		}
		for f := tap.Receive(time.Now().Add(2 * time.Millisecond)); f != nil; f = tap.Read() {
			o, ok := testnet.ParseOuter(f)
			end := c.set.Get(o.Dst)
			if !ok || end == nil || len(o.Inner) < 66 {
				continue
			}
			if p, err := bfd.Parse(o.Inner[42:]); err == nil {
				end.Receive(monotonic(), p)
				c.set.Fix(o.Dst)
			}
		}
		now := monotonic()
		for ip, end, due := c.set.Due(now); due; ip, end, due = c.set.Due(now) {
			end.Run(now)
			for p, more := end.Transmit(now); more; p, more = end.Transmit(now) {
				tap.Send(c.frame(ip, hand.packet(p)))
			}
			c.set.Fix(ip)
		}
	}
}

// frame is a UDP packet to the VTEP's VXLAN port.
func (c *bfdCrowd) frame(from netip.Addr, payload []byte) []byte {
	b := append(append([]byte{}, c.to[:]...), 2, 0, 0, 0, 0, 0xf, 8, 0)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(28+len(payload)))
	b = append(b, 0, 0, 0x40, 0, 64, unix.IPPROTO_UDP, 0, 0)
	b = append(append(b, from.AsSlice()...), tunnelIP.AsSlice()...)
	binary.BigEndian.PutUint16(b[24:], internetSum(b[14:34], 0))
	b = append(b, 0xc0, 0, vxlanPort>>8, vxlanPort&0xff)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}
