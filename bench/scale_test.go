package bench

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// Many MACs are spread over so many logical switches and peers.
const (
	manySwitches = 1000
	manyPeers    = 200
	manyBatch    = 10_000 // MACs in a transaction
)

// BenchmarkScale is the life of a VTEP with many remote MACs, spread over 1,000 logical switches with a
// binding each and over 200 peers; its sub-benchmarks are named by their number.
//
//	load      from the first transaction of 10,000 until the dataplane has all MACs; a transaction is
//	          sent when the one before is answered
//	halves    of load: the second half, as a ratio to the first
//	memory    resident, of the process, in bytes per MAC, when it has come to rest; heap: what is in use of it
//	mac-p50   one MAC more, from its transaction until the dataplane has it; "empty": without the many; the
//	          p99 are of 500 samples
//	served    from the start of the next process until the database answers with a row
//	in-step   from there until it says that it runs, and a change of the rows made then is in the dataplane
func BenchmarkScale(b *testing.B) {
	sizes := []int{20_000, 100_000}
	if ofMillions() {
		sizes = []int{1_000_000}
	}
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			all := builds(b)
			s := newScaleContests()
			for b.Loop() {
				for _, p := range all {
					s.run(b, p, n)
				}
			}
			s.report(b)
		})
	}
}

type scaleContests struct {
	load, served, inStep effort
	halves, memory, heap *contest
	p50, p99             *contest
}

func newScaleContests() *scaleContests {
	return &scaleContests{load: newEffortOf("load", "s"), served: newEffortOf("served", "s"), inStep: newEffortOf("in-step", "s"),
		halves: newContest("halves", "ratio"), memory: newContest("memory", "B/MAC"), heap: newContest("heap", "B/MAC"),
		p50: newContest("mac-p50", "µs"), p99: newContest("mac-p99", "µs")}
}

func (s *scaleContests) report(b *testing.B) {
	b.Helper()
	for _, e := range []effort{s.load, s.served, s.inStep} {
		e.report(b, "")
		e.versus(b, "now", before)
	}
	for _, c := range []*contest{s.halves, s.memory, s.heap, s.p50, s.p99} {
		c.report(b, "")
		c.versus(b, "now", before)
	}
	for _, name := range []string{"now", before} {
		s.p50.versus(b, name, name+"-empty")
		s.p99.versus(b, name, name+"-empty")
	}
	s.load.time.goal(b, 10, "now-s")
	s.halves.goal(b, 1.15, "now-ratio")
	s.memory.goal(b, 0.4, "now-x-"+before)
	s.served.time.goal(b, 1, "now-s")
	s.inStep.time.goal(b, 4, "now-s")
	s.p50.goal(b, 2, "now-x-now-empty")
	s.p99.goal(b, 2, "now-x-now-empty")
}

// run is that life for one contender.
func (s *scaleContests) run(b *testing.B, p build, n int) {
	b.Helper()
	v := newCrowd(b, p)
	defer v.end()
	const samples = 500
	s.latency(b, v, p.name+"-empty", 1<<22, samples)
	s.fill(b, v, n)
	s.latency(b, v, p.name, 1<<22+samples, samples)
	s.restart(b, v, n)
}

// crowd is a VTEP with many logical switches and peers.
type crowd struct {
	*gateway
	*hwvteptest.Crowd
	c     *client
	table *tables
}

func newCrowd(b *testing.B, p build) *crowd {
	b.Helper()
	v := &crowd{gateway: newGateway(b, p), Crowd: hwvteptest.NewCrowd(manySwitches, manyPeers, 5000, peerIP(0))}
	v.start()
	v.c = dial(b, v.socket)
	tx := hwvtep.NewTxn(nil)
	v.Insert(tx, v.c.port("p0"))
	result := v.c.transact(tx)
	v.Made(func(token hwvtep.UUID) hwvtep.UUID { return uuidOf(b, tx, result, token) })
	v.table = v.open(v.Switches...)
	return v
}

func (v *crowd) key(i int) macKey { return v.table.key(i%manySwitches, i) }

// end ends the VTEP, and takes everything away.
func (v *crowd) end() {
	v.c.close()
	v.exit("--cleanup")
}

// latency inserts so many MACs one after another.
func (s *scaleContests) latency(b *testing.B, v *crowd, name string, base, samples int) {
	b.Helper()
	var took latencies
	for i := range samples {
		tx := hwvtep.NewTxn(nil)
		tx.InsertUcastMACRemote(v.Row(base + i))
		text, key := transaction(tx), v.key(base+i)
		start := time.Now()
		v.c.send(text)
		v.table.remotes.await(key[:], nil)
		took.add(time.Since(start))
		v.c.committed()
	}
	s.p50.add(name, quantile(took, 0.5))
	s.p99.add(name, quantile(took, 0.99))
}

// fill inserts n MACs, in transactions whose text was made before.
func (s *scaleContests) fill(b *testing.B, v *crowd, n int) {
	b.Helper()
	name := v.build.name
	rss, heap := v.rest()
	var texts [][]byte
	for i := 0; i < n; {
		tx := hwvtep.NewTxn(nil)
		for end := min(n, i+manyBatch); i < end; i++ {
			tx.InsertUcastMACRemote(v.Row(i))
		}
		texts = append(texts, transaction(tx))
	}
	keys := make([]macKey, n)
	for i := range keys {
		keys[i] = v.key(i)
	}
	pid := v.cmd.Process.Pid
	cpu, start := testenv.CPUTime(b, pid), time.Now()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, text := range texts {
			v.c.send(text)
			v.c.committed()
		}
	}()
	half := v.table.awaitSome(keys[:n/2]).Sub(start)
	all := v.table.awaitAll(keys).Sub(start)
	<-sent
	s.load.add(name, all, testenv.CPUTime(b, pid)-cpu)
	s.halves.add(name, float64(all-half)/float64(half))
	texts, keys = nil, nil
	moreRSS, moreHeap := v.rest()
	s.memory.add(name, (moreRSS-rss)/float64(n))
	s.heap.add(name, (moreHeap-heap)/float64(n))
}

var heapKB = regexp.MustCompile(`heap-kB:(\d+)`)

// rest waits until the process gives back no more memory, and returns what is resident and what of its heap is
// in use, in bytes.
func (v *crowd) rest() (rss, heap float64) {
	v.b.Helper()
	pid := v.cmd.Process.Pid
	least, since := resident(v.b, pid), time.Now()
	for end := since.Add(patience); time.Since(since) < 12*time.Second && time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if now := resident(v.b, pid); now < 0.99*least {
			least, since = now, time.Now()
		}
	}
	text := v.control("memory/show")
	found := heapKB.FindStringSubmatch(text)
	if found == nil {
		v.b.Fatalf("memory/show: %q", text)
	}
	kB, _ := strconv.ParseFloat(found[1], 64)
	return resident(v.b, pid) * (1 << 20), kB * 1024
}

// restart ends the process, and measures how the next one gets to where it was.
func (s *scaleContests) restart(b *testing.B, v *crowd, n int) {
	b.Helper()
	v.c.close()
	v.exit()
	start := time.Now()
	v.launch()
	pid := v.cmd.Process.Pid
	v.served(n - 1)
	s.served.add(v.build.name, time.Since(start), testenv.CPUTime(b, pid))
	v.c = dial(b, v.socket)
	tx := hwvtep.NewTxn(nil)
	const another = 1<<22 + 1<<21
	tx.InsertUcastMACRemote(v.Row(another))
	v.c.transact(tx)
	v.c.delete(mac(0))
	v.ready()
	v.table.remotes.again()
	key := v.key(another)
	v.table.remotes.await(key[:], nil)
	v.table.awaitNo(v.key(0))
	s.inStep.add(v.build.name, time.Since(start), testenv.CPUTime(b, pid))
	for i := 1; i < n; i += 97 {
		if !v.table.has(v.key(i)) {
			b.Fatalf("%s: MAC %d was lost", v.build.name, i)
		}
	}
}

// served waits until the database answers with the row of MAC i.
func (g *gateway) served(i int) {
	g.b.Helper()
	ask := request("transact", fmt.Appendf(nil, `["hardware_vtep",{"op":"select","table":"Ucast_Macs_Remote","where":[["MAC","==","%s"]],"columns":["MAC"]}]`, mac(i)))
	await(g.b, "the database is served again", func() bool {
		nc, err := net.Dial("unix", g.socket)
		if err != nil {
			return false
		}
		defer nc.Close()
		c := &client{b: g.b, nc: nc, r: newReader(nc)}
		c.send(ask)
		v, err := wire.Parse(c.next())
		if err != nil {
			return false
		}
		m, err := jsonrpc.MessageOf(v)
		return err == nil && m.Kind == jsonrpc.Reply && len(m.Result.Index(0).Get("rows").Index(0).Raw()) > 0
	})
}
