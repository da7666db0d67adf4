package bench

import (
	"iter"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
)

// BenchmarkInsert10k is one transaction with 10,000 rows, until its answer is read.
func BenchmarkInsert10k(b *testing.B) {
	servers := startServers(b, contenders(b, always, onRequest, cServer)...)
	clients, networks := prepare(b, servers)
	took := newEffort("ms")
	for round := 0; b.Loop(); round++ {
		for i, s := range inTurn(servers, round) {
			tx := hwvtep.NewTxn(nil)
			for m := range 10_000 {
				networks[i].insert(tx, m)
			}
			text := transaction(tx)
			took.measure(b, s.name, s.pid(), 1, func() {
				clients[i].send(text)
				clients[i].next()
			})
			clients[i].drain(10_000)
		}
	}
	took.time.goal(b, 0.5, onRequest+"-x-C")
	took.report(b, cServer)
	took.versus(b, onRequest, before)
}

// inTurn gives all servers, in every other round from the last to the first: what one leaves behind for the next, such
// as what the disk has to write yet, is not always to the cost of the same one.
func inTurn(servers []*server, round int) iter.Seq2[int, *server] {
	if round%2 == 1 {
		return slices.Backward(servers)
	}
	return slices.All(servers)
}

// prepare gives each server a network, and a client to it.
func prepare(b *testing.B, servers []*server) (clients []*client, networks []network) {
	b.Helper()
	for _, s := range servers {
		c := dial(b, s.socket)
		clients, networks = append(clients, c), append(networks, c.makeNetwork())
	}
	return clients, networks
}

// BenchmarkRequestReply is transactions of one row, each sent when the one before is answered.
func BenchmarkRequestReply(b *testing.B) {
	durably(b, 1, 0.8, func(b *testing.B, c *client, texts [][]byte) {
		for _, text := range texts {
			c.send(text)
			c.next()
		}
	})
}

// BenchmarkPipelined is the same without waiting.
func BenchmarkPipelined(b *testing.B) {
	durably(b, 0.5, 0.2, func(b *testing.B, c *client, texts [][]byte) {
		sent := make(chan error, 1)
		go func() {
			var err error
			for _, text := range texts {
				if _, err = c.nc.Write(text); err != nil {
					break
				}
			}
			sent <- err
		}()
		for range texts {
			c.next()
		}
		if err := <-sent; err != nil {
			b.Fatal(err)
		}
	})
}

// durably runs a benchmark of many transactions twice: as they are, and with the request to
// wait for the disk.
func durably(b *testing.B, plain, durable float64, run func(*testing.B, *client, [][]byte)) {
	for _, kind := range []struct {
		name       string
		durable    bool
		n          int
		goal       float64
		alike      string // the contender that does what C does
		contenders []string
	}{
		{"plain", false, 4000, plain, onRequest, []string{always, onRequest, cServer}},
		{"durable", true, 1000, durable, always, []string{always, cServer}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			servers := startServers(b, kind.contenders...)
			clients, networks := prepare(b, servers)
			took := newEffort("µs")
			for round := 0; b.Loop(); round++ {
				for i, s := range inTurn(servers, round) {
					texts := make([][]byte, kind.n)
					for m := range texts {
						texts[m] = networks[i].one(m, kind.durable)
					}
					took.measure(b, s.name, s.pid(), kind.n, func() { run(b, clients[i], texts) })
					clients[i].drain(kind.n)
				}
			}
			took.time.goal(b, kind.goal, kind.alike+"-x-C")
			took.report(b, cServer)
		})
	}
}

// BenchmarkCommitToUpdate is the time from a transaction of one client to the update that
// another gets, with 30,000 rows in the table.
func BenchmarkCommitToUpdate(b *testing.B) {
	servers := startServers(b, contenders(b, always, onRequest, cServer)...)
	clients, networks := prepare(b, servers)
	watchers := make([]*client, len(servers))
	for i, s := range servers {
		clients[i].fill(networks[i], 100_000, 130_000)
		watchers[i] = dial(b, s.socket)
		watchers[i].monitor()
	}
	took := newPercentiles()
	next := 0
	for round := 0; b.Loop(); round++ {
		for i, s := range inTurn(servers, round) {
			took.add(s.name, commitToUpdate(clients[i], watchers[i], networks[i], next, 500))
		}
		next += 500
	}
	took.p50.goal(b, 1, onRequest+"-x-C")
	took.p99.goal(b, 0.8, onRequest+"-x-C")
	took.report(b, cServer)
	took.p50.versus(b, onRequest, before)
	took.p99.versus(b, onRequest, before)
}

// commitToUpdate inserts n MACs one after another.
func commitToUpdate(writer, watcher *client, net network, from, n int) (took latencies) {
	for m := range n {
		text := net.one(from+m, false)
		start := time.Now()
		writer.send(text)
		watcher.next()
		took.add(time.Since(start))
		writer.committed()
	}
	return took
}

// BenchmarkMemory100k is what a server holds when it has been given 100,000 rows, a moment
// after.
func BenchmarkMemory100k(b *testing.B) {
	held := newContest("", "MiB")
	for b.Loop() {
		for _, name := range []string{onRequest, cServer} {
			s := newServer(b, name)
			s.start()
			c := dial(b, s.socket)
			c.fill(c.makeNetwork(), 0, 100_000)
			time.Sleep(time.Second)
			held.add(name, resident(b, s.pid()))
			c.close()
			s.stop()
		}
	}
	held.goal(b, 1, onRequest+"-x-C")
	held.report(b, cServer)
}

// BenchmarkStart100k is from the start of the process to the first answer, with a file of
// 100,000 rows, which the server of this project has written and both read.
func BenchmarkStart100k(b *testing.B) {
	ours, theirs := newServer(b, onRequest), newServer(b, cServer)
	ours.start()
	c := dial(b, ours.socket)
	c.fill(c.makeNetwork(), 0, 100_000)
	c.close()
	ours.stop()
	file, err := os.ReadFile(ours.db)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(theirs.db, file, 0o644); err != nil {
		b.Fatal(err)
	}
	took := newEffort("ms")
	for b.Loop() {
		for _, s := range []*server{ours, theirs} {
			start := time.Now()
			s.start()
			took.started(b, s.name, start, s.pid())
			s.stop()
		}
	}
	took.time.goal(b, 0.3, onRequest+"-x-C")
	took.report(b, cServer)
}

// BenchmarkFanout1000 is one transaction until each of 1,000 sessions has its update. "sends" is what the kernel needs for
// as many messages that long, and the audience to hear them: the least that there can be.
func BenchmarkFanout1000(b *testing.B) {
	const sessions, txns = 1000, 20
	servers := startServers(b, contenders(b, always, onRequest, cServer)...)
	clients, networks := prepare(b, servers)
	audiences := make([]*audience, len(servers))
	for i, s := range servers {
		audiences[i] = audienceOf(b, s.socket, sessions)
	}
	alone, send := audienceAlone(b, sessions, updateOfOne)
	took := newEffort("ms")
	next := 0
	for round := 0; b.Loop(); round++ {
		for i, s := range inTurn(servers, round) {
			texts := make([][]byte, txns)
			for m := range texts {
				texts[m] = networks[i].one(next, false)
				next++
			}
			took.measure(b, s.name, s.pid(), txns, func() {
				for _, text := range texts {
					clients[i].send(text)
					audiences[i].hear()
					clients[i].committed()
				}
			})
		}
		start := time.Now()
		for range txns {
			go send()
			alone.hear()
		}
		took.time.addTime("sends", time.Since(start), txns)
	}
	took.time.goal(b, 0.4, onRequest+"-x-C")
	took.report(b, cServer)
	took.versus(b, onRequest, before)
	took.time.versus(b, onRequest, "sends")
}
