package server

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// ratio runs f against the C server and against ours, and reports how many times the C
// server's time is ours.
func ratio(b *testing.B, policy string, f func(b *testing.B, p *process) time.Duration) {
	b.Helper()
	var ours, theirs time.Duration
	for range b.N {
		c := startC(b, createFile(b, testSchema))
		theirs += f(b, c)
		c.kill()
		o := startOurs(b, createFile(b, testSchema), policy)
		ours += f(b, o)
		o.kill()
	}
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ns/op")
	b.ReportMetric(float64(ours)/float64(theirs), "x-peer")
}

func insertOp(i int) string {
	return fmt.Sprintf(`{"op":"insert","table":"Thing","row":{"name":"thing %d","n":%d,"map":["map",[["a","b"]]]}}`, i, i)
}

// bulk is a transaction of n inserts.
func bulk(from, n int) []byte {
	var buf bytes.Buffer
	buf.WriteString(`["things"`)
	for i := range n {
		buf.WriteByte(',')
		buf.WriteString(insertOp(from + i))
	}
	buf.WriteByte(']')
	return buf.Bytes()
}

func BenchmarkBulkInsert(b *testing.B) {
	params := bulk(0, 10_000)
	ratio(b, "client", func(b *testing.B, p *process) time.Duration {
		c := p.dial(b)
		defer c.Close()
		start := time.Now()
		c.must("transact", string(params))
		return time.Since(start)
	})
}

// Without a wish for durability: the C server does not sync, nor does ours with the policy
// "client".
func BenchmarkRequestReply(b *testing.B) {
	ratio(b, "client", func(b *testing.B, p *process) time.Duration { return oneByOne(b, p, 5000, "") })
}

func BenchmarkPipelined(b *testing.B) {
	ratio(b, "client", func(b *testing.B, p *process) time.Duration { return pipelined(b, p, 20_000, "") })
}

const durableOp = `,{"op":"commit","durable":true}`

func BenchmarkDurableRequestReply(b *testing.B) {
	ratio(b, "always", func(b *testing.B, p *process) time.Duration { return oneByOne(b, p, 1000, durableOp) })
}

func BenchmarkDurablePipelined(b *testing.B) {
	ratio(b, "always", func(b *testing.B, p *process) time.Duration { return pipelined(b, p, 5000, durableOp) })
}

func oneByOne(b *testing.B, p *process, n int, more string) time.Duration {
	c := p.dial(b)
	defer c.Close()
	start := time.Now()
	for i := range n {
		c.must("transact", `["things",`+insertOp(i)+more+`]`)
	}
	return time.Since(start)
}

func pipelined(b *testing.B, p *process, n int, more string) time.Duration {
	c := p.dial(b)
	defer c.Close()
	var left sync.WaitGroup
	left.Add(n)
	start := time.Now()
	for i := range n {
		if err := c.Go("transact", []byte(`["things",`+insertOp(i)+more+`]`), func(_ wire.Value, err error) {
			if err != nil {
				b.Error(err)
			}
			left.Done()
		}); err != nil {
			b.Fatal(err)
		}
	}
	left.Wait()
	return time.Since(start)
}

// BenchmarkCommitToUpdate measures how long after the request of one client another client
// hears of the change: median and 99th percentile.
func BenchmarkCommitToUpdate(b *testing.B) {
	for _, q := range []struct {
		name string
		part float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		b.Run(q.name, func(b *testing.B) {
			ratio(b, "client", func(b *testing.B, p *process) time.Duration {
				w, c := p.dial(b), p.dial(b)
				defer w.Close()
				defer c.Close()
				w.must("transact", string(bulk(0, 1000)))
				c.must("monitor_cond", `["things","m",{"Thing":{"columns":["name","n"],"select":{"initial":false}}}]`)
				var all []time.Duration
				for i := range 2000 {
					start := time.Now()
					if err := w.Go("transact", []byte(`["things",`+insertOp(1000+i)+`]`), func(wire.Value, error) {}); err != nil {
						b.Fatal(err)
					}
					c.next()
					all = append(all, time.Since(start))
				}
				slices.Sort(all)
				return all[int(float64(len(all))*q.part)]
			})
		})
	}
}

// BenchmarkFanOut has one transaction reach a thousand monitors.
func BenchmarkFanOut(b *testing.B) {
	ratio(b, "client", func(b *testing.B, p *process) time.Duration {
		w := p.dial(b)
		defer w.Close()
		clients := make([]*client, 1000)
		for i := range clients {
			clients[i] = p.dial(b)
			defer clients[i].Close()
			clients[i].must("monitor_cond", `["things","m",{"Thing":{"columns":["name","n"]}}]`)
		}
		start := time.Now()
		for i := range 20 {
			w.must("transact", `["things",`+insertOp(i)+`]`)
			for _, c := range clients {
				c.next()
			}
		}
		return time.Since(start)
	})
}

// BenchmarkInitialMonitor fetches 100,000 rows.
func BenchmarkInitialMonitor(b *testing.B) {
	ratio(b, "client", func(b *testing.B, p *process) time.Duration {
		c := p.dial(b)
		defer c.Close()
		for i := 0; i < 100_000; i += 5000 {
			c.must("transact", string(bulk(i, 5000)))
		}
		start := time.Now()
		c.must("monitor_cond", `["things","m",{"Thing":{}}]`)
		return time.Since(start)
	})
}

// vtepRows fills a hardware_vtep database with n remote MACs of 100 logical switches.
func vtepRows(c *client, n int) {
	c.t.Helper()
	var ops []string
	for i := range 100 {
		ops = append(ops,
			fmt.Sprintf(`{"op":"insert","table":"Logical_Switch","uuid-name":"ls%d","row":{"name":"ls%d","tunnel_key":%d}}`, i, i, i),
			fmt.Sprintf(`{"op":"insert","table":"Physical_Locator","uuid-name":"pl%d","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"192.0.2.%d"}}`, i, i))
	}
	for i := range n {
		ops = append(ops, fmt.Sprintf(`{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"00:00:00:%02x:%02x:%02x","logical_switch":["named-uuid","ls%d"],"locator":["named-uuid","pl%d"],"ipaddr":"10.%d.%d.%d"}}`,
			i>>16, i>>8&255, i&255, i%100, i%100, i>>16, i>>8&255, i&255))
	}
	c.must("transact", `["hardware_vtep",`+strings.Join(ops, ",")+`]`)
}

// BenchmarkStart opens a database of 100,000 rows.
func BenchmarkStart(b *testing.B) {
	path := createFile(b, vtepSchema(b))
	p := startC(b, path)
	vtepRows(p.dial(b), 100_000)
	p.kill()
	var ours, theirs time.Duration
	for range b.N {
		start := time.Now()
		startC(b, path).kill()
		theirs += time.Since(start)
		start = time.Now()
		startOurs(b, path, "always").kill()
		ours += time.Since(start)
	}
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ns/op")
	b.ReportMetric(float64(ours)/float64(theirs), "x-peer")
}

// BenchmarkMemory compares the resident memory with 100,000 rows.
func BenchmarkMemory(b *testing.B) {
	var ours, theirs float64
	for range b.N {
		for _, start := range []func() *process{
			func() *process { return startC(b, createFile(b, vtepSchema(b))) },
			func() *process { return startOurs(b, createFile(b, vtepSchema(b)), "client") },
		} {
			p := start()
			vtepRows(p.dial(b), 100_000)
			theirs, ours = ours, p.resident(b)
			p.kill()
		}
	}
	b.ReportMetric(ours, "kB")
	b.ReportMetric(ours/theirs, "x-peer")
}
