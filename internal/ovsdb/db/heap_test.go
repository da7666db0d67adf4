package db

import (
	"runtime"
	"testing"
)

// TestMemory reports the heap that 100,000 rows need, and that it is free when they are gone.
func TestMemory(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	d := vtepDatabase(t)
	for i := range 10 {
		if out := d.Transact(mustParse(t, macInserts(10000, i*10000)), &Env{}); out.Failed {
			t.Fatalf("%.300s", out.Reply)
		}
	}
	perRow := float64(heap()-before) / 100000
	runtime.KeepAlive(d)
	t.Logf("%.0f bytes for each of 100,000 rows", perRow)
	if perRow > 150 {
		t.Errorf("%.0f bytes for each row is too much", perRow)
	}
	out := d.Transact(parseText(`["hardware_vtep",{"op":"delete","table":"Ucast_Macs_Remote","where":[]}]`), &Env{})
	held := out.Changes.Held()
	if perDeleted := float64(held) / 100000; perDeleted < perRow/2 || perDeleted > 1.5*perRow {
		t.Errorf("the deletion is said to hold %.0f bytes for each row, which had %.0f", perDeleted, perRow)
	}
	out = Outcome{}
	left := int64(heap()) - int64(before)
	runtime.KeepAlive(d)
	if left > 300_000 {
		t.Errorf("%d bytes are left when the rows are gone", left)
	}
}
