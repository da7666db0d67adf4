package vtep

import (
	"fmt"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/plane"
)

// oneRow is a delta of one table.
type oneRow struct {
	table string
	rows  []ovsdb.RowDelta
}

func (d oneRow) Rows(table string) []ovsdb.RowDelta {
	if table != d.table {
		return nil
	}
	return d.rows
}

func macRowOf(n int, ls, locator UUID) *hwvtep.Row {
	table := hwvtep.Schema().Tables[hwvtep.TableUcastMACRemote]
	values := make([]ovsdb.Datum, len(table.Columns))
	set := func(name string, t ovsdb.AtomicType, a ovsdb.Atom) {
		values[table.Column(name).Index] = ovsdb.NewSet(t, a)
	}
	set("MAC", ovsdb.String, ovsdb.StringAtom(fmt.Sprintf("02:00:00:%02x:%02x:%02x", byte(n>>16), byte(n>>8), byte(n))))
	set("ipaddr", ovsdb.String, ovsdb.StringAtom(""))
	set("logical_switch", ovsdb.UUIDType, ovsdb.UUIDAtom(ls))
	set("locator", ovsdb.UUIDType, ovsdb.UUIDAtom(locator))
	return ovsdb.NewRow(UUID{0xff, byte(n >> 16), byte(n >> 8), byte(n)}, values)
}

// moving has one MAC move between two VTEPs, among n others, at each call of move.
func moving(t testing.TB, n int) (move func()) {
	book, c := newBook(), NewCompiler("br0", plane.Features{BFD: true})
	book.edit(t, `
		Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0
		Physical_Port P0 name=p0 vlan_bindings=0:LS0
		Logical_Switch LS0 name=ls0 tunnel_key=5000
		Physical_Locator L2 dst_ip=192.0.2.2
		Physical_Locator L3 dst_ip=192.0.2.3`)
	v := book.rows.View()
	c.Update(v, nil)
	at := [2]UUID{labelUUID("L2"), labelUUID("L3")}
	all := oneRow{table: hwvtep.TableUcastMACRemote}
	for i := range n {
		all.rows = append(all.rows, ovsdb.RowDelta{New: macRowOf(i, labelUUID("LS0"), at[0])})
	}
	ch := hwvtep.NewChanges(v.Layout(), all)
	c.Update(v, &ch)
	if got := c.State().Unicast.Len(); got != n {
		t.Fatalf("%d MACs, want %d", got, n)
	}
	forms := [2]*hwvtep.Row{all.rows[0].New, macRowOf(0, labelUUID("LS0"), at[1])}
	i := 0
	return func() {
		ch := hwvtep.NewChanges(v.Layout(), oneRow{hwvtep.TableUcastMACRemote, []ovsdb.RowDelta{{Old: forms[i%2], New: forms[1-i%2]}}})
		if d := c.Update(v, &ch); len(d.Unicast) != 1 {
			t.Fatalf("delta %v", d)
		}
		i++
	}
}

func BenchmarkMove(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			move := moving(b, n)
			for b.Loop() {
				move()
			}
		})
	}
}

// TestCostOfMove has a change of one row cost nothing for the tables that have none.
func TestCostOfMove(t *testing.T) {
	if got := testing.AllocsPerRun(100, moving(t, 100)); got > 32 {
		t.Errorf("a move of one MAC allocates %.0f times", got)
	}
}

func BenchmarkBulk(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		b.StopTimer()
		book, c := newBook(), NewCompiler("br0", plane.Features{BFD: true})
		book.edit(b, `
			Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0
			Physical_Port P0 name=p0 vlan_bindings=0:LS0
			Logical_Switch LS0 name=ls0 tunnel_key=5000
			Physical_Locator L2 dst_ip=192.0.2.2`)
		v := book.rows.View()
		c.Update(v, nil)
		all := oneRow{table: hwvtep.TableUcastMACRemote}
		for i := range n {
			all.rows = append(all.rows, ovsdb.RowDelta{New: macRowOf(i, labelUUID("LS0"), labelUUID("L2"))})
		}
		b.StartTimer()
		ch := hwvtep.NewChanges(v.Layout(), all)
		c.Update(v, &ch)
	}
}
