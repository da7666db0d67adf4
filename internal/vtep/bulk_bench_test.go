package vtep

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// manyMACs is a book with 1,000 switches and 200 peers, and n MACs that are spread over both, their rows in the order of
// their UUIDs, as those of a replica are.
func manyMACs(b *testing.B, n int) (*book, oneRow) {
	b.Helper()
	const switches, peers = 1000, 200
	book := newBook()
	var ports, rows string
	for i := range switches {
		ports += fmt.Sprintf("%s%d:LS%d", map[bool]string{true: ","}[i > 0], i+1, i)
		rows += fmt.Sprintf("\nLogical_Switch LS%d name=ls%d tunnel_key=%d", i, i, 5000+i)
	}
	for i := range peers {
		rows += fmt.Sprintf("\nPhysical_Locator L%d dst_ip=198.51.100.%d", i, i+1)
	}
	book.edit(b, "Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0\nPhysical_Port P0 name=p0 vlan_bindings="+ports+rows)
	all := oneRow{table: hwvtep.TableUcastMACRemote}
	for i := range n {
		scattered := uint32(i) * 2654435761
		row := macRowOf(i, labelUUID(fmt.Sprintf("LS%d", scattered>>8%switches)), labelUUID(fmt.Sprintf("L%d", scattered>>16%peers)))
		binary.BigEndian.PutUint32(row.UUID[:], uint32(i))
		all.rows = append(all.rows, ovsdb.RowDelta{New: row})
	}
	return book, all
}

// BenchmarkMany takes a million MACs in one update, as at the start.
func BenchmarkMany(b *testing.B) {
	book, all := manyMACs(b, 1_000_000)
	v := book.rows.View()
	for b.Loop() {
		b.StopTimer()
		c := NewCompiler("br0", plane.Features{BFD: true})
		c.Update(v, nil)
		b.StartTimer()
		cpu := testenv.CPUTime(b, os.Getpid())
		ch := hwvtep.NewChanges(v.Layout(), all)
		c.Update(v, &ch)
		b.ReportMetric((testenv.CPUTime(b, os.Getpid()) - cpu).Seconds(), "cpu-s")
		if got := c.State().Unicast.Len(); got != len(all.rows) {
			b.Fatalf("%d MACs", got)
		}
	}
}

// BenchmarkLoad compiles all rows of a database with many MACs, as a VTEP does that starts again.
func BenchmarkLoad(b *testing.B) {
	const macs = 300_000
	book, _ := manyMACs(b, 0)
	var rows strings.Builder
	for i := range macs {
		scattered := uint32(i) * 2654435761
		fmt.Fprintf(&rows, "Ucast_Macs_Remote M%d MAC=%v logical_switch=LS%d locator=L%d\n",
			i, intent.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, scattered>>8%1000, scattered>>16%200)
	}
	book.edit(b, rows.String())
	v := book.rows.View()
	for b.Loop() {
		c := NewCompiler("br0", plane.Features{BFD: true})
		cpu := testenv.CPUTime(b, os.Getpid())
		c.Load(v)
		b.ReportMetric((testenv.CPUTime(b, os.Getpid()) - cpu).Seconds(), "cpu-s")
		if got := c.State().Unicast.Len(); got != macs {
			b.Fatalf("%d MACs", got)
		}
	}
}
