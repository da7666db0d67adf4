package test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// The remote MACs of TestManyMACs are spread evenly over so many logical switches and peers.
const (
	crowdSwitches = 100
	crowdVNI      = 6000 // of the first
	crowdPeers    = 20
	crowdBatch    = 10_000 // MACs in a transaction
)

// crowdPatience is how long a million MACs may take on a busy machine.
const crowdPatience = 10 * time.Minute

// 20,000 remote MACs, or a million at effort 50, are in the map of the dataplane, each with its tunnel, and nothing
// else is: once they are in the database, after a restart, and after half of them were deleted. Then the process has
// no more memory than one that was given no others.
func TestManyMACs(t *testing.T) {
	n := 20_000 * min(testenv.Effort(t), 50)
	w := newWorld(t)
	w.start(usual...)
	c := newCrowd(w)
	c.insert(0, n/2)
	c.check(0, n/2)
	fresh := w.memoryAtRest()
	c.insert(n/2, n)
	c.check(0, n)
	c.close()
	w.exit()
	c.inStep(0, n) // it forwards while no process runs
	w.startWithin(crowdPatience, usual...)
	c.check(0, n)
	c.dial()
	c.delete(n/2, n)
	c.check(0, n/2)
	c.close()
	testenv.Eventually(t, crowdPatience, func() error {
		if now := w.memory(); float64(now) > 1.2*float64(fresh) {
			return fmt.Errorf("%d kB are held for what %d were enough for", now, fresh)
		}
		return nil
	})
	t.Logf("%d MACs: %d kB at first, %d kB for the same afterwards", n/2, fresh, w.memory())
}

// crowd is the many remote MACs of a world, and a client of its database.
type crowd struct {
	*hwvteptest.Crowd
	w      *world
	client *jsonrpc.Client
}

func newCrowd(w *world) *crowd {
	w.t.Helper()
	c := &crowd{Crowd: hwvteptest.NewCrowd(crowdSwitches, crowdPeers, crowdVNI, lab.RemoteIP), w: w}
	c.dial()
	port := c.uuid(c.transact(`{"op":"select","table":"Physical_Port","where":[["name","==","p0"]],"columns":["_uuid"]}`).Index(0).Get("rows").Index(0).Get("_uuid"))
	tx := hwvtep.NewTxn(nil)
	c.Insert(tx, port)
	result := c.transact(string(tx.Ops()))
	c.Made(func(token hwvtep.UUID) hwvtep.UUID {
		op, ok := tx.OpOf(token)
		if !ok {
			w.t.Fatal("no operation made this row")
		}
		return c.uuid(result.Index(op).Get("uuid"))
	})
	return c
}

func (c *crowd) dial() {
	c.w.t.Helper()
	nc, err := net.Dial("unix", c.w.socket())
	if err != nil {
		c.w.t.Fatal(err)
	}
	c.client = jsonrpc.NewClient(nc, jsonrpc.Options{}, nil)
}

func (c *crowd) close() { c.client.Close() }

// transact executes operations, all of which must succeed.
func (c *crowd) transact(ops string) wire.Value {
	c.w.t.Helper()
	ctx, cancel := context.WithTimeout(c.w.t.Context(), crowdPatience)
	defer cancel()
	result, err := c.client.Call(ctx, "transact", []byte(`["hardware_vtep",`+ops+`]`))
	if err != nil {
		c.w.t.Fatal(err)
	}
	for op := range result.Elems() {
		if op.Get("error").Exists() {
			c.w.t.Fatal(op.String())
		}
	}
	return result
}

func (c *crowd) uuid(atom wire.Value) hwvtep.UUID {
	c.w.t.Helper()
	id, ok := ovsdb.ParseUUID(atom.Index(1).Str())
	if !ok {
		c.w.t.Fatalf("not a UUID: %s", atom.Raw())
	}
	return id
}

// insert inserts the MACs [from, to).
func (c *crowd) insert(from, to int) {
	c.w.t.Helper()
	for from < to {
		tx := hwvtep.NewTxn(nil)
		for end := min(to, from+crowdBatch); from < end; from++ {
			tx.InsertUcastMACRemote(c.Row(from))
		}
		c.transact(string(tx.Ops()))
	}
}

// delete deletes them.
func (c *crowd) delete(from, to int) {
	c.w.t.Helper()
	rows := c.transact(`{"op":"select","table":"Ucast_Macs_Remote","where":[],"columns":["_uuid","MAC"]}`).Index(0).Get("rows")
	tx := hwvtep.NewTxn(nil)
	gone := 0
	for row := range rows.Elems() {
		mac, err := net.ParseMAC(row.Get("MAC").Str())
		if err != nil {
			c.w.t.Fatal(err)
		}
		if i := int(mac[3])<<16 | int(mac[4])<<8 | int(mac[5]); i < from || i >= to {
			continue
		}
		tx.DeleteUcastMACRemote(c.uuid(row.Get("_uuid")))
		if gone++; tx.Len() == crowdBatch {
			c.transact(string(tx.Ops()))
			tx = hwvtep.NewTxn(nil)
		}
	}
	if tx.Len() > 0 {
		c.transact(string(tx.Ops()))
	}
	if gone != to-from {
		c.w.t.Fatalf("%d MACs were there to be deleted, not %d", gone, to-from)
	}
}

// check waits until the MACs [from, to) are in the dataplane, and no others, and has the VTEP compare all.
func (c *crowd) check(from, to int) {
	c.w.t.Helper()
	testenv.Eventually(c.w.t, crowdPatience, func() error { return c.compare(from, to) })
	c.w.audit()
}

// inStep checks that they are, now.
func (c *crowd) inStep(from, to int) {
	c.w.t.Helper()
	if err := c.compare(from, to); err != nil {
		c.w.t.Fatal(err)
	}
}

// compare looks up each MAC, and how many there are.
func (c *crowd) compare(from, to int) error {
	remotes, numbers, addresses := c.pinned("remotes"), c.pinned("switches"), c.pinned("addresses")
	defer remotes.Close()
	defer numbers.Close()
	defer addresses.Close()
	domains, peers := make([]uint32, crowdSwitches), make([]uint32, crowdPeers)
	for i, ls := range c.Switches {
		if err := numbers.Lookup([16]byte(ls), &domains[i]); err != nil {
			return fmt.Errorf("logical switch %d: %w", i, err)
		}
	}
	for i := range peers {
		if err := addresses.Lookup(c.Peer(i).As16(), &peers[i]); err != nil {
			return fmt.Errorf("peer %d: %w", i, err)
		}
	}
	look := func(i int) error {
		mac, ls, peer := c.Place(i)
		key := append(binary.NativeEndian.AppendUint32(nil, domains[ls]), mac...) // struct mac_key: bd, mac, kind
		want := binary.NativeEndian.AppendUint32(nil, peers[peer])                // struct remote: peer, vni
		want = binary.NativeEndian.AppendUint32(want, uint32(crowdVNI+ls))
		if got, err := remotes.LookupBytes(append(key, 0, 0)); err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("%v in switch %d: %x in the map, want %x; %v", mac, ls, got, want, err)
		}
		return nil
	}
	for i := from; i < to; i++ {
		if err := look(i); err != nil {
			return err
		}
	}
	for i := range crowdPeers {
		if err := look(c.Keeper(i)); err != nil {
			return err
		}
	}
	if n, err := entries(remotes); err != nil || n != to-from+crowdPeers {
		return fmt.Errorf("there are %d MACs in the map, want %d; %v", n, to-from+crowdPeers, err)
	}
	return nil
}

// entries counts those of a map of remote MACs.
func entries(m *ebpf.Map) (n int, err error) {
	keys, values := make([][12]byte, 4096), make([][8]byte, 4096)
	for cursor := new(ebpf.MapBatchCursor); ; {
		got, err := m.BatchLookup(cursor, keys, values, nil)
		n += got
		if err != nil {
			if errors.Is(err, ebpf.ErrKeyNotExist) {
				err = nil
			}
			return n, err
		}
	}
}

func (c *crowd) pinned(name string) *ebpf.Map {
	c.w.t.Helper()
	found, err := filepath.Glob(filepath.Join(c.w.pins, "v*", name))
	if err != nil || len(found) != 1 {
		c.w.t.Fatalf("pinned map %s: found %q, %v", name, found, err)
	}
	m, err := ebpf.LoadPinnedMap(found[0], &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		c.w.t.Fatal(err)
	}
	return m
}

// memory is what the VTEP's process has of its own, in kB: not the pages of its program.
func (w *world) memory() (kB int) {
	w.t.Helper()
	return testenv.Memory(w.t, w.vtep.cmd.Process.Pid, "RssAnon")
}

// memoryAtRest is the least of it that it comes to within some seconds.
func (w *world) memoryAtRest() int {
	least := w.memory()
	for range 16 {
		time.Sleep(500 * time.Millisecond)
		least = min(least, w.memory())
	}
	return least
}
