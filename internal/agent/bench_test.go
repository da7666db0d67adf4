package agent_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
)

// watchedPlane tells how many remote MACs the plane has after each Apply.
type watchedPlane struct {
	*memory.Plane
	applied chan int
}

func (p *watchedPlane) Apply(ctx context.Context, s *intent.State, d *intent.Delta) (plane.Report, error) {
	r, err := p.Plane.Apply(ctx, s, d)
	p.applied <- s.Unicast.Len()
	return r, err
}

// nvc is an NVC beside the agent on a server in this process.
type nvc struct {
	*idl.Client
	b       *testing.B
	ls, loc hwvtep.UUID
	applied chan int
	n       int
}

func newNVC(b *testing.B) *nvc {
	s, err := server.New(server.Options{})
	if err == nil {
		err = s.AddMemory(hwvtep.Schema())
	}
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 3)
	client := func() *idl.Client {
		c := idl.New(idl.Options{Database: hwvtep.Database, Dial: func(context.Context) (net.Conn, error) { return s.Pipe() }})
		go func() {
			_ = c.Run(ctx)
			ended <- struct{}{}
		}()
		if _, err := c.WaitReady(ctx); err != nil {
			b.Fatal(err)
		}
		return c
	}
	n := &nvc{Client: client(), b: b, applied: make(chan int, 1024)}
	fabric := newFabric("p0")
	ready := make(chan struct{})
	a := agent.New(agent.Options{
		Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0"},
		Replica: client(), Plane: &watchedPlane{fabric.Open(), n.applied},
		Ready: func() error {
			close(ready)
			return nil
		},
	})
	go func() {
		_ = a.Run(ctx)
		ended <- struct{}{}
	}()
	b.Cleanup(func() {
		cancel()
		for range 3 {
			<-ended
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	<-ready
	tx := hwvtep.NewTxn(nil)
	ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](5000)})
	for bound := false; !bound; { // the row of the port may be on its way to this client
		for p := range hwvtep.NewView[*idl.Table](n.Snapshot()).PhysicalPorts() {
			tx.PutPhysicalPortVLANBindings(p.UUID, map[int64]hwvtep.UUID{0: ls})
			bound = true
		}
		if !bound {
			<-n.Updates()
		}
	}
	loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "192.0.2.2"})
	n.add(tx, 1, ls, loc)
	results := n.commit(tx)
	op, _ := tx.OpOf(ls)
	n.ls = results[op].UUID
	op, _ = tx.OpOf(loc)
	n.loc = results[op].UUID
	n.wait(1)
	return n
}

func (n *nvc) add(tx *hwvtep.Txn, count int, ls, loc hwvtep.UUID) {
	for range count {
		n.n++
		mac := fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", byte(n.n>>24), byte(n.n>>16), byte(n.n>>8), byte(n.n))
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: ls, Locator: loc})
	}
}

func (n *nvc) commit(tx *hwvtep.Txn) []idl.OpResult {
	results, err := n.Transact(context.Background(), tx.Ops())
	if err != nil {
		n.b.Fatal(err)
	}
	return results
}

// wait waits until the plane has count remote MACs.
func (n *nvc) wait(count int) {
	timeout := time.After(deadline)
	for {
		select {
		case got := <-n.applied:
			if got == count {
				return
			}
		case <-timeout:
			n.b.Fatalf("never %d MACs", count)
		}
	}
}

func (n *nvc) grow(count int) {
	tx := hwvtep.NewTxn(nil)
	n.add(tx, count, n.ls, n.loc)
	n.commit(tx)
	n.wait(n.n)
}

// One MAC is committed among 100,000: from the commit's start to the end of Apply.
func BenchmarkCommitToPlane(b *testing.B) {
	for _, others := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("among%d", others), func(b *testing.B) {
			n := newNVC(b)
			if others > 0 {
				n.grow(others)
			}
			for b.Loop() {
				n.grow(1)
			}
		})
	}
}

func BenchmarkCommit10000ToPlane(b *testing.B) {
	n := newNVC(b)
	for b.Loop() {
		n.grow(10_000)
	}
}
