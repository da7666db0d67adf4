package bench

import (
	"errors"
	"fmt"
	"net"
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
//	newcomer   from the first frame of a host that is new at the other port, meanwhile, until it is in the dataplane's
//	           table; newcomer-row: until its row is in the database. Of some hosts the slowest
//	late       what sending took more than it should have: the machine was too busy for the figures to count
//	rows       from the first frame until the last row is there; "cpu": of the VTEP, for all of it
func BenchmarkLearning(b *testing.B) {
	onlyOfMillions(b)
	const hosts, rate = 1_000_000 - 16, 100_000 // the other host is one too, and so are those that are new there
	unlearned, unwritten, lost := newContest("unlearned", "MACs"), newContest("unwritten", "MACs"), newContest("lost", "frames")
	learned, row := newContest("newcomer", "ms"), newContest("newcomer-row", "s")
	late, rows := newContest("late", "s"), newEffortOf("rows", "s")
	all := builds(b)
	for b.Loop() {
		for _, p := range all {
			g := newGateway(b, p)
			g.start()
			c := dial(b, g.socket)
			others := newcomers{g.bindVictim(c, g.bind(c, 0, 1)[0].locator), c, g.pinned("locals"), testnet.Open(b, g.lab.Namespace(lab.H2), "eth0")}
			st := newStream(b, p.name, mac(1<<22), testnet.Open(b, g.lab.Namespace(lab.H2), "eth0"), testnet.Open(b, g.lab.Namespace(lab.R1), "u0"))
			st.flows()
			missing, had := st.missing.Load(), g.rows()
			cpu, start := testenv.CPUTime(b, g.cmd.Process.Pid), time.Now()
			crowd, failed, took := newHost(b, g.lab), error(nil), make(chan time.Duration)
			go func() {
				failed = crowd.appear(hosts, rate)
				took <- time.Since(start)
			}()
			came, slowest, slowestRow := others.appear(start, hosts*time.Second/rate)
			learned.addTime(p.name, slowest, 1)
			row.addTime(p.name, slowestRow, 1)
			late.addTime(p.name, <-took-hosts*time.Second/rate, 1)
			if failed != nil {
				b.Fatal(failed)
			}
			had += came
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
			unlearned.add(p.name, float64(max(0, hosts+came-g.pinned("locals").entries())))
			c.close()
			g.exit("--cleanup")
		}
	}
	unlearned.goal(b, 0, "now-MACs")
	unwritten.goal(b, 0, "now-MACs")
	lost.goal(b, 0, "now-frames")
	learned.goal(b, 10, "now-ms")
	for _, c := range []*contest{unlearned, unwritten, lost, learned, row, late, rows.time, rows.cpu} {
		c.report(b, "")
		c.versus(b, "now", before)
	}
}

// unheard is how long a host is waited for that may have come while there was no room.
const unheard = 30 * time.Second

// newcomers are hosts that are new at p1.
type newcomers struct {
	*tables
	c      *client
	locals *pinned
	tap    *testnet.Tap
}

// appear has one appear each second of what is left of a time, but the last two, and waits for each until it is in the
// dataplane's table and in the database. It gives how many there were, and how long each took at most. It ends after one that is
// not learned in that time, as it sends a single frame.
func (n *newcomers) appear(start time.Time, all time.Duration) (came int, learned, row time.Duration) {
	for at := time.Second; at < all-time.Second; at += time.Second {
		if time.Since(start) > at+time.Second {
			continue // the one before took longer
		}
		time.Sleep(time.Until(start.Add(at)))
		k := n.key(0, 1<<22+1+came)
		came++
		n.locals.again()
		sent := time.Now()
		n.tap.Send(append(append([]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff}, k[4:10]...), append([]byte{0x88, 0xb5}, make([]byte, 46)...)...))
		for !n.locals.look(k[:], nil) && time.Since(sent) < unheard {
			if time.Since(sent) > 50*time.Millisecond {
				n.locals.again()
				time.Sleep(5 * time.Millisecond)
			}
		}
		if learned = max(learned, time.Since(sent)); learned >= unheard {
			return came, learned, learned
		}
		what := fmt.Sprintf(`"%s"`, net.HardwareAddr(k[4:10]))
		n.c.send(request("transact", fmt.Appendf(nil, `["hardware_vtep",{"op":"wait","table":"Ucast_Macs_Local","timeout":%d,"where":[["MAC","==",%s]],`+
			`"columns":["MAC"],"until":"==","rows":[{"MAC":%s}]}]`, patience.Milliseconds(), what, what)))
		n.c.committed()
		row = max(row, time.Since(sent))
	}
	return came, learned, row
}

// bindVictim gives p1 a logical switch, and that a MAC at the other VTEP, which has the locator. It waits until the switch is
// in the plane.
func (g *gateway) bindVictim(c *client, locator hwvtep.UUID) *tables {
	g.b.Helper()
	tx := hwvtep.NewTxn(nil)
	ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "victim", TunnelKey: hwvtep.Some[int64](9000)})
	network{ls, locator}.insert(tx, 1<<22)
	tx.PutPhysicalPortVLANBindings(c.port("p1"), map[int64]hwvtep.UUID{0: ls})
	return g.open(uuidOf(g.b, tx, c.transact(tx), ls))
}

// appear sends a frame from each of n hosts, so many in a second.
func (h *host) appear(n, rate int) error {
	frame := append([]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0, 0x88, 0xb5}, make([]byte, 46)...)
	start := time.Now()
	for i := range n {
		if i%(rate/1000) == 0 {
			time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		frame[9], frame[10], frame[11] = byte(i>>16), byte(i>>8), byte(i)
		if err := h.tap.TrySend(frame); err != nil {
			return err
		}
	}
	return nil
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
