package bench

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// vteps are the contenders that are VTEPs: what their database waits for.
var vteps = []string{always, onRequest}

// filled is a VTEP with a logical switch, and a client of its database.
type filled struct {
	*gateway
	c     *client
	net   network
	table *tables
}

func newFilled(b *testing.B, p build, durability string, macs int) *filled {
	b.Helper()
	f := &filled{gateway: newGateway(b, p)}
	f.start("--durability=" + durability)
	f.c = dial(b, f.socket)
	f.net = f.bind(f.c, 0, 1)[0]
	f.table = f.open(f.net.ls)
	f.c.fill(f.net, 0, macs)
	if macs > 0 {
		f.table.awaitMAC(macs - 1)
	}
	return f
}

// BenchmarkOneMAC is a row of one MAC, from its transaction until the dataplane's table has
// it, with none and with 100,000 other MACs there. The peer is the time until the C server
// has told a client of the row: an agent that is not in the server's process cannot begin
// earlier.
func BenchmarkOneMAC(b *testing.B) {
	for _, present := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("of%d", present), func(b *testing.B) {
			var ours []*filled
			for _, durability := range vteps {
				ours = append(ours, newFilled(b, thisBuild(b), durability, present))
			}
			peer := startServers(b, cServer)[0]
			writer, watcher := dial(b, peer.socket), dial(b, peer.socket)
			peerNet := writer.makeNetwork()
			writer.fill(peerNet, 0, present)
			watcher.monitor()

			const samples = 300
			first := 1_000_000
			took := newPercentiles()
			for b.Loop() {
				for i, f := range ours {
					took.add("vtep-"+vteps[i], f.commitToMap(first, samples))
				}
				took.add("C-update", commitToUpdate(writer, watcher, peerNet, first, samples))
				first += samples
			}
			for _, durability := range vteps {
				took.p50.goal(b, 1000, "vtep-"+durability+"-µs")
			}
			took.report(b, "C-update")
		})
	}
}

// commitToMap inserts n MACs one after another.
func (f *filled) commitToMap(from, n int) (took latencies) {
	for i := range n {
		text := f.net.one(from+i, false)
		start := time.Now()
		f.c.send(text)
		f.table.awaitMAC(from + i)
		took.add(time.Since(start))
		f.c.committed()
	}
	return took
}

// BenchmarkMACs10k is 10,000 MACs in one transaction until the dataplane has all. The peers are a
// program that gives the kernel's vxlan device as many entries, and one that fills nothing but an eBPF
// map with the same keys: with a system call for each ("map"), or one for all ("map-batch").
func BenchmarkMACs10k(b *testing.B) {
	names := vteps
	var ours []*filled
	for _, durability := range vteps {
		ours = append(ours, newFilled(b, thisBuild(b), durability, 0))
	}
	if older, ok := olderBuild(b); ok {
		ours, names = append(ours, newFilled(b, older, always, 0)), append(slices.Clone(names), before)
	}
	kernel, alone := newKernelTable(b), ours[0].table.alone()
	const n = 10_000
	first := 0
	took := newEffort("ms")
	for b.Loop() {
		for i, f := range ours {
			tx := hwvtep.NewTxn(nil)
			for m := range n {
				f.net.insert(tx, first+m)
			}
			text, keys := transaction(tx), f.table.keys(first, first+n)
			took.until(b, vtepName(names[i]), f.cmd.Process.Pid, 1, func() time.Time {
				f.c.send(text)
				return f.table.awaitAll(keys)
			})
			f.c.committed()
		}
		took.measure(b, "kernel-fdb", os.Getpid(), 1, func() { kernel.add(n) })
		keys := ours[0].table.keys(first, first+n)
		for _, batch := range []bool{false, true} {
			cpu := testenv.CPUTime(b, os.Getpid())
			took.add(map[bool]string{false: "map", true: "map-batch"}[batch], alone.fill(keys, batch), testenv.CPUTime(b, os.Getpid())-cpu)
		}
		first += n
	}
	for _, durability := range vteps {
		took.time.goal(b, 200, vtepName(durability)+"-ms")
		took.time.goal(b, 3, vtepName(durability)+"-x-map")
	}
	took.report(b, "kernel-fdb")
	for _, name := range vteps {
		took.versus(b, vtepName(name), "map")
		took.versus(b, vtepName(name), "map-batch")
	}
	took.time.goal(b, 0.35, vtepName(always)+"-x-"+before)
	took.versus(b, vtepName(always), before)
}

// vtepName is the contender that waits so, of this build.
func vtepName(durability string) string {
	if durability == before {
		return before
	}
	return "vtep-" + durability
}

// kernelTable is a vxlan device in a namespace of its own.
type kernelTable struct {
	b     *testing.B
	links *netlink.Handle
	index int
	next  int
}

func newKernelTable(b *testing.B) *kernelTable {
	b.Helper()
	k := &kernelTable{b: b}
	space := testenv.Netns(b, "fdb")
	done := make(chan struct{})
	ready := make(chan error)
	go func() {
		err := space.Links(func(h *netlink.Handle) error {
			link := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vx0"}, VxlanId: 1, Port: 4789}
			if err := h.LinkAdd(link); err != nil {
				return err
			}
			found, err := h.LinkByName("vx0")
			if err != nil {
				return err
			}
			k.links, k.index = h, found.Attrs().Index
			ready <- nil
			<-done
			return nil
		})
		if err != nil {
			ready <- err
		}
	}()
	if err := <-ready; err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { close(done) })
	return k
}

// add adds n MACs.
func (k *kernelTable) add(n int) {
	for range n {
		hw, err := net.ParseMAC(mac(k.next))
		k.next++
		if err == nil {
			err = k.links.NeighAppend(&netlink.Neigh{LinkIndex: k.index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF,
				State: netlink.NUD_PERMANENT | netlink.NUD_NOARP, IP: lab.RemoteIP.AsSlice(), HardwareAddr: hw})
		}
		if err != nil {
			k.b.Fatal(err)
		}
	}
}

// BenchmarkFrameToRow is a frame with a new source address from an attached host, until a
// client of the database is told of the MAC's row.
func BenchmarkFrameToRow(b *testing.B) {
	var ours []*filled
	var hosts []*host
	var watchers []*client
	for _, durability := range vteps {
		f := newFilled(b, thisBuild(b), durability, 0)
		ours, hosts = append(ours, f), append(hosts, newHost(b, f.lab))
		w := dial(b, f.socket)
		w.send(request("monitor_cond", []byte(`["hardware_vtep","m",{"Ucast_Macs_Local":[{"columns":["MAC"]}]}]`)))
		w.reply()
		watchers = append(watchers, w)
	}
	const samples = 100
	next := 0
	took := newPercentiles()
	for b.Loop() {
		for i := range ours {
			var l latencies
			for m := range samples {
				start := time.Now()
				hosts[i].send(next + m)
				for !bytes.Contains(watchers[i].next(), []byte(mac(next+m))) {
				}
				l.add(time.Since(start))
			}
			took.add("vtep-"+vteps[i], l)
		}
		next += samples
	}
	for _, durability := range vteps {
		took.p50.goal(b, 10_000, "vtep-"+durability+"-µs")
	}
	took.report(b, "")
}

// BenchmarkVTEPStart100k is the start of a VTEP with a database of 100,000 MACs, until
// forwarding is what the rows say: with empty tables, and with those that the process before
// has left. The peer is the C server with the same file, without any dataplane.
func BenchmarkVTEPStart100k(b *testing.B) {
	g := newGateway(b, thisBuild(b))
	g.start()
	c := dial(b, g.socket)
	c.fill(g.bind(c, 1, 2)[0], 0, 100_000)
	c.close()
	g.exit("--cleanup")
	peer := newServer(b, cServer)
	copyFile(b, g.database(), peer.db)
	took := newEffort("ms")
	for b.Loop() {
		for _, kind := range []struct {
			name string
			end  []string
		}{{"empty", nil}, {"adopt", []string{"--cleanup"}}} {
			start := time.Now()
			g.start()
			took.started(b, kind.name, start, g.cmd.Process.Pid)
			g.exit(kind.end...)
		}
		start := time.Now()
		peer.start()
		took.started(b, cServer, start, peer.pid())
		peer.stop()
	}
	took.report(b, cServer)
}

func copyFile(b *testing.B, from, to string) {
	b.Helper()
	in, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkIdle is the processor time that a VTEP with 1,000 bindings needs for nothing, in a
// round of two seconds.
func BenchmarkIdle(b *testing.B) {
	g := newGateway(b, thisBuild(b))
	g.start()
	c := dial(b, g.socket)
	nets := g.bind(c, 1, 1001)
	g.open(nets[len(nets)-1].ls)
	time.Sleep(3 * time.Second) // what bindings cause after they are made
	const window = 2 * time.Second
	idle := newContest("", "%")
	for b.Loop() {
		before := testenv.CPUTime(b, g.cmd.Process.Pid)
		time.Sleep(window)
		used := testenv.CPUTime(b, g.cmd.Process.Pid) - before
		idle.add("vtep", 100*float64(used)/float64(window))
	}
	idle.goal(b, 0.1, "vtep-%")
	idle.report(b, "")
}
