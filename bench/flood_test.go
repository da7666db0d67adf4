package bench

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// BenchmarkFlood200 is the processor time for each of the 200 copies of a broadcast frame from an attached host, until
// they have arrived at the device of the other VTEP, which drops them.
func BenchmarkFlood200(b *testing.B) {
	// The kernel keeps a thousand packets for a processor that is busy: so no more frames are sent at once.
	const peers, bursts, burst = 200, 125, 4
	type contender struct {
		*gateway
		host *host
	}
	var all []contender
	for _, p := range builds(b) {
		g := newGateway(b, p)
		g.start()
		c := dial(b, g.socket)
		tx, tokens := g.flooding(c, 1, 0, peers)
		g.awaitFloods(uuidsOf(b, tx, c.transact(tx), tokens), peers)
		c.close()
		testnet.Sink(b, g.lab.Namespace(lab.R1), "u0")
		g.neighbours(peers)
		all = append(all, contender{g, newHost(b, g.lab)})
		g.received() // the first time takes longer
	}
	cost := newContest("", "ns/copy")
	for b.Loop() {
		for _, g := range all {
			want := g.received()
			flood := func() {
				for range burst {
					g.host.broadcast()
				}
				want += peers * burst
				await(b, "all copies arrive", func() bool { return g.received() >= want })
			}
			flood() // what the first frame after a pause causes
			spent := threadTime(b, func() {
				for range bursts {
					flood()
				}
			})
			cost.addTime(g.build.name, spent, peers*burst*bursts)
		}
	}
	cost.goal(b, 0.6, "now-x-"+before)
	cost.report(b, "")
	cost.versus(b, "now", before)
}

// broadcast sends a frame to all.
func (h *host) broadcast() {
	frame := append([]byte{255, 255, 255, 255, 255, 255}, hostMAC[:]...)
	h.tap.Send(append(append(frame, 0x88, 0xb5), make([]byte, 64)...))
}

// threadTime is the processor time that f and all that it causes in the kernel use: what a frame causes is done by
// the thread that sends it, or, when that is much, by a thread of the kernel.
func threadTime(b *testing.B, f func()) time.Duration {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	threads := []string{"/proc/thread-self"}
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range names {
		if name, _ := os.ReadFile(path); strings.HasPrefix(string(name), "ksoftirqd/") {
			threads = append(threads, filepath.Dir(path))
		}
	}
	used := func() (sum time.Duration) {
		for _, dir := range threads {
			sum += testenv.ThreadTime(b, dir)
		}
		return sum
	}
	start := used()
	f()
	return used() - start
}

// neighbours has the peers all be where the other VTEP is.
func (g *gateway) neighbours(peers int) {
	g.b.Helper()
	var mac net.HardwareAddr
	testnet.Link(g.b, g.lab.Namespace(lab.R1), "u0", func(_ *netlink.Handle, l netlink.Link) error {
		mac = l.Attrs().HardwareAddr
		return nil
	})
	testnet.Link(g.b, g.lab.Namespace(lab.VTEP), "u0", func(h *netlink.Handle, l netlink.Link) error {
		for i := range peers {
			if err := h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: peerIP(i).AsSlice(), HardwareAddr: mac}); err != nil {
				return err
			}
		}
		return nil
	})
}

// received is how many packets have arrived at the other VTEP.
func (g *gateway) received() (n uint64) {
	g.b.Helper()
	testnet.Link(g.b, g.lab.Namespace(lab.R1), "u0", func(_ *netlink.Handle, l netlink.Link) error {
		n = l.Attrs().Statistics.RxPackets
		return nil
	})
	return n
}
