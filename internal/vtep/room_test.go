package vtep

import (
	"runtime"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
)

// TestRoom has tens of thousands of MACs come and go: their memory goes with them.
func TestRoom(t *testing.T) {
	const n = 50_000
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	book, c := newBook(), NewCompiler("br0")
	book.edit(t, `
		Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0
		Physical_Port P0 name=p0 vlan_bindings=0:LS0
		Logical_Switch LS0 name=ls0 tunnel_key=5000
		Physical_Locator L2 dst_ip=192.0.2.2`)
	v := book.rows.View()
	c.Update(v, nil)
	before := heap()
	func() {
		come, gone := oneRow{table: hwvtep.TableUcastMACRemote}, oneRow{table: hwvtep.TableUcastMACRemote}
		for i := range n {
			row := macRowOf(i, labelUUID("LS0"), labelUUID("L2"))
			come.rows = append(come.rows, [2]*hwvtep.Row{nil, row})
			gone.rows = append(gone.rows, [2]*hwvtep.Row{row, nil})
		}
		for _, d := range []oneRow{come, gone} {
			ch := hwvtep.NewChanges(v.Layout(), d)
			if got := len(c.Update(v, &ch).Unicast); got != n {
				t.Fatalf("%d MACs, want %d", got, n)
			}
		}
	}()
	if left := heap() - before; left > 300_000 {
		t.Errorf("%d bytes are left", left)
	}
	runtime.KeepAlive(c)
}
