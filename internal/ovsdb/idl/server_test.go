package idl_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/testenv"
)

// startOwnServer starts the server of this project, in this process.
func startOwnServer(t *testing.T) func(context.Context) (net.Conn, error) {
	t.Helper()
	s, err := server.New(server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.AddMemory(hwvtep.Schema()); err != nil {
		t.Fatal(err)
	}
	return func(context.Context) (net.Conn, error) { return s.Pipe() }
}

// asText has the connections of dial carry text alone, as if the server were in another process.
func asText(dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		nc, err := dial(ctx)
		return struct{ net.Conn }{nc}, err
	}
}

// consumer keeps a copy of the logical switches from deltas alone.
type consumer map[hwvtep.UUID]hwvtep.LogicalSwitch

// take applies the next delta, which must go on from the one before.
func (c consumer) take(client *idl.Client) error {
	s, d := client.Take()
	if s == nil {
		return nil
	}
	for before, after := range hwvtep.NewChanges(hwvtep.NewLayout(s.Schema()), d).LogicalSwitches() {
		if before != nil {
			if was, ok := c[before.UUID]; !ok || was.Diff(before) != 0 {
				return fmt.Errorf("delta is from %+v, the copy has %+v", before, was)
			}
			delete(c, before.UUID)
		} else if _, ok := c[after.UUID]; ok {
			return fmt.Errorf("delta inserts %+v twice", after)
		}
		if after != nil {
			c[after.UUID] = *after
		}
	}
	now := consumer{}
	for ls := range hwvtep.NewView(s).LogicalSwitches() {
		now[ls.UUID] = ls
	}
	if !maps.EqualFunc(c, now, func(a, b hwvtep.LogicalSwitch) bool { return a.Diff(&b) == 0 }) {
		return errors.New("the deltas do not lead to the snapshot")
	}
	return nil
}

// One client changes the database at random; others, whose connections are cut now and
// then, have what it has.
func TestWalk(t *testing.T) {
	dial := startOwnServer(t)
	writer := run(t, idl.Options{Dial: dial})
	layout := hwvtep.NewLayout(ready(t, writer).Schema())
	taps := []*tap{{dial: dial}, {dial: dial}}
	var readers []*idl.Client
	var copies []consumer
	for _, p := range taps {
		c := run(t, idl.Options{Dial: p.Dial})
		ready(t, c)
		readers, copies = append(readers, c), append(copies, consumer{})
	}

	random := rand.New(rand.NewPCG(1, 2))
	var ids []hwvtep.UUID
	for step := range 400 {
		tx := hwvtep.NewTxn(layout)
		tokens := []hwvtep.UUID{}
		for range 1 + random.IntN(3) {
			ls := hwvtep.LogicalSwitch{
				Name:        fmt.Sprintf("ls%d.%d", step, random.IntN(1<<40)),
				OtherConfig: map[string]string{fmt.Sprint(random.IntN(5)): fmt.Sprint(step)},
			}
			if random.IntN(2) == 0 {
				ls.TunnelKey = hwvtep.Some(random.Int64N(1 << 24))
			}
			if len(ids) < 3 || random.IntN(3) == 0 {
				tokens = append(tokens, tx.InsertLogicalSwitch(ls))
				continue
			}
			at := random.IntN(len(ids))
			switch id := ids[at]; random.IntN(3) {
			case 0:
				tx.UpdateLogicalSwitch(id, ls, hwvtep.LogicalSwitchColumns(random.Uint32())&hwvtep.AllLogicalSwitchColumns)
			case 1:
				tx.PutLogicalSwitchOtherConfig(id, ls.OtherConfig)
			case 2:
				tx.DeleteLogicalSwitch(id)
				ids = append(ids[:at], ids[at+1:]...)
			}
		}
		results := transact(t, writer, tx)
		for _, token := range tokens {
			op, _ := tx.OpOf(token)
			ids = append(ids, results[op].UUID)
		}
		if random.IntN(200) == 0 {
			taps[0].cut()
		}
		if i := random.IntN(3); i < len(readers) {
			if err := copies[i].take(readers[i]); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
		}
	}
	taps[1].cut()

	want := consumer{}
	if err := want.take(writer); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(ids) {
		t.Errorf("there are %d rows, want %d", len(want), len(ids))
	}
	for i, c := range readers {
		testenv.Eventually(t, deadline, func() error {
			if err := copies[i].take(c); err != nil {
				t.Fatal(err)
			}
			if !maps.EqualFunc(copies[i], want, func(a, b hwvtep.LogicalSwitch) bool { return a.Diff(&b) == 0 }) {
				return errors.New("a reader has not what the writer has")
			}
			return nil
		})
	}
}

func TestOwnServerLocksAndErrors(t *testing.T) {
	dial := startOwnServer(t)
	c := run(t, idl.Options{Dial: dial})
	await := func(want bool) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			if c.HasLock("l") != want {
				return fmt.Errorf("HasLock() = %v", !want)
			}
			return nil
		})
	}
	c.Lock("l")
	await(true)
	thief := asker(t, dial)
	thief("steal", `["l"]`)
	await(false)
	tx := hwvtep.NewTxn(nil)
	tx.Assert("l")
	if _, err := c.Transact(context.Background(), tx.Ops()); err == nil {
		t.Error("it still owns the lock")
	}
	thief("unlock", `["l"]`)
	await(true)
	transact(t, c, tx)
}
