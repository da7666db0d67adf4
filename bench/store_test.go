package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/daemon"
)

// BenchmarkStore is a database with many rows, by the number of which its sub-benchmarks are named:
//
//	file        its size when it was compacted, in bytes per row
//	start       from the start of the process to the first answer
//	compaction  the longest that a client waits for the answer to a transaction of one row while the file is
//	            compacted; compaction-p99: of these, the p99; quiet: the longest of as many before
//
// The servers are those whose disk is as that of C: it is asked for what a transaction asks for.
func BenchmarkStore(b *testing.B) {
	sizes := []int{100_000}
	if ofMillions() {
		sizes = []int{1_000_000}
	}
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			servers := startServers(b, contenders(b, onRequest, cServer)...)
			clients, networks := prepare(b, servers)
			for i := range servers {
				clients[i].fill(networks[i], 0, n)
			}
			file, start := newContest("file", "B/row"), newEffortOf("start", "ms")
			pause, p99, quiet := newContest("compaction", "ms"), newContest("compaction-p99", "ms"), newContest("quiet", "ms")
			next := n
			for b.Loop() {
				for i, s := range servers {
					during, all := s.compact(clients[i], networks[i], &next)
					pause.add(s.name, slices.Max(during)/1e3)
					p99.add(s.name, quantile(during, 0.99)/1e3)
					quiet.add(s.name, slices.Max(all)/1e3)
					info, err := os.Stat(s.db)
					if err != nil {
						b.Fatal(err)
					}
					file.add(s.name, float64(info.Size())/float64(n))
					clients[i].close()
					s.stop()
					began := time.Now()
					s.start()
					start.started(b, s.name, began, s.pid())
					clients[i] = dial(b, s.socket)
				}
			}
			for _, c := range []*contest{file, pause, p99, quiet} {
				c.report(b, cServer)
				c.versus(b, onRequest, before)
			}
			start.report(b, cServer)
			start.versus(b, onRequest, before)
			start.time.goal(b, 0.2, onRequest+"-x-C")
			pause.goal(b, 20, onRequest+"-ms")
		})
	}
}

// compact has the file compacted while a client makes transactions, and returns how long it waited for each answer,
// and for each of 1,000 before.
func (s *server) compact(c *client, n network, next *int) (during, quiet latencies) {
	s.b.Helper()
	insert := func(to *latencies) {
		text := n.one(*next, false)
		*next++
		start := time.Now()
		c.send(text)
		c.committed()
		to.add(time.Since(start))
	}
	for range 1000 {
		insert(&quiet)
	}
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := daemon.Call(ctx, filepath.Join(s.env.RunDir, "ctl"), "ovsdb-server/compact")
		done <- err
	}()
	for {
		insert(&during)
		select {
		case err := <-done:
			if err != nil {
				s.b.Fatalf("%s: compact: %v", s.name, err)
			}
			return during, quiet
		default:
		}
	}
}
