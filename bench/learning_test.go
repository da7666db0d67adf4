package bench

import (
	"errors"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// BenchmarkLearning is a million hosts that appear at a port at 100,000 in a second, while a host at another port
// talks to one behind another VTEP.
//
//	unlearned  MACs that are not in the dataplane's table at the end; the default limit has room for all
//	unwritten  MACs that are not in the database when it has got no more of them for 30 seconds
//	lost       frames of the other host, of 200 in a second
//	late       what sending took more than it should have: the machine was too busy for the figures to count
//	rows       from the first frame until the last row is there; "cpu": of the VTEP, for all of it
func BenchmarkLearning(b *testing.B) {
	onlyOfMillions(b)
	const hosts, rate = 1_000_000 - 16, 100_000 // the other host is one too
	unlearned, unwritten, lost := newContest("unlearned", "MACs"), newContest("unwritten", "MACs"), newContest("lost", "frames")
	late, rows := newContest("late", "s"), newEffortOf("rows", "s")
	all := builds(b)
	for b.Loop() {
		for _, p := range all {
			g := newGateway(b, p)
			g.start()
			c := dial(b, g.socket)
			g.bindVictim(c, g.bind(c, 0, 1)[0].locator)
			st := newStream(b, p.name, mac(1<<22), testnet.Open(b, g.lab.Namespace(lab.H2), "eth0"), testnet.Open(b, g.lab.Namespace(lab.R1), "u0"))
			st.flows()
			missing, had := st.missing.Load(), g.rows()
			cpu, start := testenv.CPUTime(b, g.cmd.Process.Pid), time.Now()
			newHost(b, g.lab).appear(hosts, rate)
			late.addTime(p.name, time.Since(start)-hosts*time.Second/rate, 1)
			st.flows()
			st.stop()
			lost.add(p.name, float64(st.missing.Load()-missing))
			n, last := had, time.Now()
			for n < had+hosts && time.Since(last) < 30*time.Second {
				if now := g.rows(); now > n {
					n, last = now, time.Now()
				}
				time.Sleep(20 * time.Millisecond)
			}
			rows.add(p.name, last.Sub(start), testenv.CPUTime(b, g.cmd.Process.Pid)-cpu)
			unwritten.add(p.name, float64(max(0, had+hosts-n)))
			unlearned.add(p.name, float64(max(0, hosts-g.pinned("locals").entries())))
			c.close()
			g.exit("--cleanup")
		}
	}
	unlearned.goal(b, 0, "now-MACs")
	unwritten.goal(b, 0, "now-MACs")
	lost.goal(b, 0, "now-frames")
	for _, c := range []*contest{unlearned, unwritten, lost, late, rows.time, rows.cpu} {
		c.report(b, "")
		c.versus(b, "now", before)
	}
}

// bindVictim gives p1 a logical switch, and that a MAC at the other VTEP, which has the locator.
func (g *gateway) bindVictim(c *client, locator hwvtep.UUID) {
	g.b.Helper()
	tx := hwvtep.NewTxn(nil)
	ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "victim", TunnelKey: hwvtep.Some[int64](9000)})
	network{ls, locator}.insert(tx, 1<<22)
	tx.PutPhysicalPortVLANBindings(c.port("p1"), map[int64]hwvtep.UUID{0: ls})
	g.open(uuidOf(g.b, tx, c.transact(tx), ls))
}

// appear sends a frame from each of n hosts, so many in a second.
func (h *host) appear(n, rate int) {
	frame := append([]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0, 0x88, 0xb5}, make([]byte, 46)...)
	start := time.Now()
	for i := range n {
		if i%(rate/1000) == 0 {
			time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		frame[9], frame[10], frame[11] = byte(i>>16), byte(i>>8), byte(i)
		h.tap.Send(frame)
	}
}

var rowsOf = regexp.MustCompile(`rows:(\d+)`)

// rows is how many there are in the database.
func (g *gateway) rows() int {
	g.b.Helper()
	found := rowsOf.FindStringSubmatch(g.control("memory/show"))
	if found == nil {
		g.b.Fatal("memory/show does not say how many rows there are")
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// entries counts those of a map by MAC.
func (p *pinned) entries() (n int) {
	p.b.Helper()
	p.again()
	keys, values := make([]macKey, 4096), arrays(p.ValueSize(), 4096)
	for cursor := new(ebpf.MapBatchCursor); ; {
		got, err := p.BatchLookup(cursor, keys, values, nil)
		n += got
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return n
		}
		if err != nil {
			p.b.Fatal(err)
		}
	}
}
