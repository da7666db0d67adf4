package idl_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/testenv"
)

// cutter dials, and can cut the connection that was made last.
type cutter struct {
	dial func(context.Context) (net.Conn, error)

	mu   sync.Mutex // guards what follows
	last net.Conn
}

func (c *cutter) Dial(ctx context.Context) (net.Conn, error) {
	nc, err := c.dial(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = nc
	return nc, err
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last.Close()
}

// texts gives the rows of a snapshot, as far as the columns of a table are among those given, by their UUIDs.
func texts(s *idl.Snapshot, columns map[string][]string) map[ovsdb.UUID]string {
	all := map[ovsdb.UUID]string{}
	for _, ts := range s.Schema().SortedTables() {
		wanted, ok := columns[ts.Name]
		if columns != nil && !ok {
			continue
		}
		for row := range s.Table(ts.Name).All() {
			text := []byte(ts.Name)
			for _, c := range ts.Columns {
				if columns == nil || wanted == nil || slices.Contains(wanted, c.Name) {
					text = row.AppendField(append(text, ' '), c)
				}
			}
			all[row.UUID] = string(text)
		}
	}
	return all
}

// mirror is a copy of a replica from deltas alone.
type mirror map[ovsdb.UUID]*ovsdb.Row

func (m mirror) take(c *idl.Client) error {
	s, d := c.Take()
	if s == nil {
		return nil
	}
	told := 0
	for _, ts := range s.Schema().SortedTables() {
		for _, row := range d.Rows(ts.Name) {
			told++
			if (m[row.UUID] == nil) != (row.Old == nil) {
				return fmt.Errorf("%s: delta goes on from %v, the copy has %v", ts.Name, row.Old, m[row.UUID])
			}
			if m[row.UUID] = row.New; row.New == nil {
				delete(m, row.UUID)
			}
		}
	}
	if d.Len() != told {
		return fmt.Errorf("a delta of %d rows has %d", d.Len(), told)
	}
	n := 0
	for _, ts := range s.Schema().SortedTables() {
		for row := range s.Table(ts.Name).All() {
			if n++; m[row.UUID] == nil || !equal(ts, m[row.UUID], row) {
				return fmt.Errorf("%s: the deltas lead to %v, the snapshot has %v", ts.Name, m[row.UUID], row)
			}
		}
	}
	if n != len(m) {
		return fmt.Errorf("the deltas lead to %d rows, the snapshot has %d", len(m), n)
	}
	return nil
}

// Whatever is written, replicas of a server in the same process, which share its rows, have the same as
// those that are told by text: also those of some columns, those whose connections are cut, and where more
// is written than they may leave lying.
func TestSharedRows(t *testing.T) {
	s, err := server.New(server.Options{Limits: server.Limits{Pending: 2000}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.AddMemory(hwvtep.Schema()); err != nil {
		t.Fatal(err)
	}
	dial := func(context.Context) (net.Conn, error) { return s.Pipe() }
	some := map[string][]string{hwvtep.TableLogicalSwitch: {"name", "other_config"}, hwvtep.TableUcastMACRemote: nil}
	cuts := []*cutter{{dial: dial}, {dial: asText(dial)}}
	writer := run(t, idl.Options{Dial: dial})
	all := []*idl.Client{writer, run(t, idl.Options{Dial: asText(dial)}), run(t, idl.Options{Dial: cuts[0].Dial}), run(t, idl.Options{Dial: cuts[1].Dial})}
	part := []*idl.Client{run(t, idl.Options{Dial: dial, Tables: some}), run(t, idl.Options{Dial: asText(dial), Tables: some})}
	copies := map[*idl.Client]mirror{}
	for _, c := range append(slices.Clone(all), part...) {
		ready(t, c)
		copies[c] = mirror{}
	}
	w := walker{t: t, random: rand.New(rand.NewPCG(3, 4)), writer: writer}
	for step := range 300 {
		w.step()
		if step%40 == 39 {
			cuts[step/40%2].cut()
		}
		for c, m := range copies {
			if w.random.IntN(4) == 0 {
				if err := m.take(c); err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
			}
		}
	}
	awaitSame(t, all, nil)
	awaitSame(t, part, some)
	for c, m := range copies {
		if err := m.take(c); err != nil {
			t.Error(err)
		}
	}
	// What they share they do not have twice.
	late := ready(t, run(t, idl.Options{Dial: dial}))
	for row := range ready(t, run(t, idl.Options{Dial: dial})).Table(hwvtep.TableLogicalSwitch).All() {
		if late.Table(hwvtep.TableLogicalSwitch).Get(row.UUID) != row {
			t.Fatal("two replicas have a copy each of a row")
		}
	}
}

// What thousands of rows change is told before they are in the tree of their table: who asks for a row meanwhile, from
// whatever goroutine, finds those that were told of.
func TestManySharedRows(t *testing.T) {
	s, err := server.New(server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.AddMemory(hwvtep.Schema()); err != nil {
		t.Fatal(err)
	}
	dial := func(context.Context) (net.Conn, error) { return s.Pipe() }
	writer, reader := run(t, idl.Options{Dial: dial}), run(t, idl.Options{Dial: dial})
	ready(t, writer)
	ready(t, reader)
	const many = 3000
	m := mirror{}
	var old []hwvtep.UUID
	for round := range 5 {
		tx := hwvtep.NewTxn(nil)
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: fmt.Sprint("ls", round)})
		loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: fmt.Sprintf("10.0.0.%d", round)})
		var tokens []hwvtep.UUID
		for i := range many {
			tokens = append(tokens, tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: fmt.Sprintf("02:00:00:%02x:%02x:%02x", round, i>>8, i&255), LogicalSwitch: ls, Locator: loc}))
		}
		if round == 3 { // and others go
			for _, id := range old[:many/2] {
				tx.DeleteUcastMACRemote(id)
			}
		}
		results, err := writer.Transact(context.Background(), tx.Ops())
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range tokens {
			op, _ := tx.OpOf(token)
			old = append(old, results[op].UUID)
		}
		if round == 1 {
			continue // two steps at once, then
		}
		want := (round + 1) * many
		if round >= 3 {
			want -= many / 2
		}
		testenv.Eventually(t, deadline, func() error {
			if n := reader.Snapshot().Table(hwvtep.TableUcastMACRemote).Len(); n != want {
				return fmt.Errorf("round %d: %d rows, want %d", round, n, want)
			}
			return nil
		})
		var asking sync.WaitGroup
		for range 3 {
			asking.Go(func() {
				table := reader.Snapshot().Table(hwvtep.TableUcastMACRemote)
				for _, id := range old[len(old)-many:] {
					if table.Get(id) == nil {
						t.Errorf("round %d: no row %v", round, id)
						return
					}
				}
			})
		}
		if err := m.take(reader); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		asking.Wait()
	}
	told := run(t, idl.Options{Dial: asText(dial)})
	ready(t, told)
	awaitSame(t, []*idl.Client{reader, told}, nil)
}

func equal(ts *ovsdb.TableSchema, a, b *ovsdb.Row) bool {
	return !slices.ContainsFunc(ts.Columns, func(c *ovsdb.ColumnSchema) bool { return !a.Field(c).Equal(b.Field(c), &c.Type) })
}

func awaitSame(t *testing.T, clients []*idl.Client, columns map[string][]string) {
	t.Helper()
	want := texts(clients[0].Snapshot(), columns)
	for i, c := range clients[1:] {
		testenv.Eventually(t, deadline, func() error {
			got := texts(c.Snapshot(), columns)
			for id, text := range want {
				if got[id] != text {
					return fmt.Errorf("replica %d has %q of row %v, want %q", i+1, got[id], id, text)
				}
			}
			if len(got) != len(want) {
				return fmt.Errorf("replica %d has %d rows, want %d", i+1, len(got), len(want))
			}
			return nil
		})
	}
}

// walker changes a database at random.
type walker struct {
	t      *testing.T
	random *rand.Rand
	writer *idl.Client
	next   int
	ls     []hwvtep.UUID
	macs   []hwvtep.UUID
}

func (w *walker) step() {
	w.t.Helper()
	tx := hwvtep.NewTxn(nil)
	w.next++
	var ls, macs []hwvtep.UUID
	for range 1 + w.random.IntN(3) {
		switch pick := w.random.IntN(6); {
		case pick == 0 || len(w.ls) < 3:
			ls = append(ls, tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: fmt.Sprintf("ls%d.%d", w.next, len(ls)), OtherConfig: map[string]string{"a": fmt.Sprint(w.next)}}))
		case pick == 1:
			id := w.ls[w.random.IntN(len(w.ls))]
			tx.UpdateLogicalSwitch(id, hwvtep.LogicalSwitch{TunnelKey: hwvtep.Some(w.random.Int64N(1 << 24)), Description: fmt.Sprint(w.next)},
				hwvtep.LogicalSwitchTunnelKey|hwvtep.LogicalSwitchDescription)
		case pick == 2:
			tx.PutLogicalSwitchOtherConfig(w.ls[w.random.IntN(len(w.ls))], map[string]string{fmt.Sprint(w.random.IntN(4)): fmt.Sprint(w.next)})
		case pick == 3 && len(w.macs) > 8:
			at := w.random.IntN(len(w.macs))
			tx.DeleteUcastMACRemote(w.macs[at])
			w.macs = slices.Delete(w.macs, at, at+1)
		default:
			loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: fmt.Sprintf("10.%d.%d.%d", w.next>>8, w.next&255, len(macs))})
			for i := range 1 + w.random.IntN(3) {
				macs = append(macs, tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: fmt.Sprintf("02:00:00:00:00:%02x", i), LogicalSwitch: w.ls[w.random.IntN(len(w.ls))], Locator: loc}))
			}
		}
	}
	results, err := w.writer.Transact(context.Background(), tx.Ops())
	if err != nil {
		w.t.Fatal(err)
	}
	at := func(token hwvtep.UUID) hwvtep.UUID {
		op, _ := tx.OpOf(token)
		return results[op].UUID
	}
	for _, token := range ls {
		w.ls = append(w.ls, at(token))
	}
	for _, token := range macs {
		w.macs = append(w.macs, at(token))
	}
}

// What is handed over in a process is bounded: a client that does not take it gets text, and less of it.
func TestValuesBounded(t *testing.T) {
	v := client.NewValues()
	if v.Wanted() {
		t.Error("tokens are wanted before Open")
	}
	v.Open()
	for i, want := range []bool{true, true, false} {
		if token := v.Put(none{}, 400, 1000); (token != nil) != want {
			t.Errorf("changes %d: token %q", i, token)
		}
	}
	if w := client.NewValues(); w.Put(none{}, 5000, 1000) == nil || w.Put(none{}, 1, 1000) != nil {
		t.Error("one of any size, and no more beside it")
	}
}

type none struct{}

func (none) EachRow(func(*ovsdb.TableSchema, *ovsdb.Row, *ovsdb.Row)) {}
