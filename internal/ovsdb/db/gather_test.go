package db

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/ovsdbtest"
	"github.com/vtep/vtep/internal/testenv"
)

const gatherSchema = `{"name":"g","tables":{"T":{"isRoot":true,"indexes":[["key"]],"columns":{
	"key":{"type":{"key":"integer","min":0,"max":"unlimited"}},
	"set":{"type":{"key":"integer","min":0,"max":"unlimited"}},
	"real":{"type":{"key":"real","min":0,"max":"unlimited"}},
	"few":{"type":{"key":"integer","min":0,"max":3}},
	"map":{"type":{"key":"integer","value":"string","min":0,"max":"unlimited"}}}}}}`

// gatherOps gives random operations on two rows: mostly mutations of what can be gathered,
// between others that see what came of it.
func gatherOps(r *rand.Rand) string {
	ops := []string{`"g"`}
	row := func() string {
		return fmt.Sprintf(`[["_uuid","==",["uuid","00000000-0000-4000-8000-00000000000%d"]]]`, r.IntN(3))
	}
	number := func() int { return r.IntN(8) }
	for range 1 + r.IntN(12) {
		switch r.IntN(12) {
		case 0:
			ops = append(ops, `{"op":"select","table":"T","where":[],"sort":["_uuid"],"columns":["set","map","key","few","real"]}`)
		case 1:
			ops = append(ops, fmt.Sprintf(`{"op":"update","table":"T","where":[["set","includes",%d]],"row":{"map":["map",[[%d,"u"]]]}}`, number(), number()))
		case 2:
			ops = append(ops, fmt.Sprintf(`{"op":"wait","timeout":0,"table":"T","where":%s,"columns":["set"],"until":"!=","rows":[{"set":%d}]}`, row(), number()))
		case 3:
			ops = append(ops, fmt.Sprintf(`{"op":"delete","table":"T","where":[["set","==",%d]]}`, number()))
		case 4:
			ops = append(ops, fmt.Sprintf(`{"op":"insert","table":"T","uuid":"00000000-0000-4000-8000-00000000000%d","row":{"set":%d,"key":%d}}`, r.IntN(3), number(), number()))
		case 5:
			ops = append(ops, fmt.Sprintf(`{"op":"mutate","table":"T","where":[["set","includes",%d]],"mutations":[["set","insert",%d]]}`, number(), number()))
		default:
			column := [...]string{"set", "set", "map", "map", "key", "few", "real"}[r.IntN(7)]
			mutation := fmt.Sprintf(`[%q,"insert",["set",[%d,%d]]]`, column, number(), number()+8)
			switch {
			case r.IntN(10) == 0 && column != "map":
				mutation = fmt.Sprintf(`[%q,"*=",%d]`, column, number())
			case r.IntN(3) == 0:
				mutation = fmt.Sprintf(`[%q,"delete",%d]`, column, number())
			case column == "map" && r.IntN(3) == 0:
				mutation = fmt.Sprintf(`["map","delete",["map",[[%d,"v%d"]]]]`, number(), r.IntN(2))
			case column == "map":
				mutation = fmt.Sprintf(`["map","insert",["map",[[%d,"v%d"],[%d,"w"]]]]`, number(), r.IntN(2), number()+8)
			}
			ops = append(ops, fmt.Sprintf(`{"op":"mutate","table":"T","where":%s,"mutations":[%s]}`, row(), mutation))
		}
	}
	return "[" + strings.Join(ops, ",") + "]"
}

// TestGather makes the same transactions on a database that gathers whatever it can and on one
// that never does: nobody can tell them apart.
func TestGather(t *testing.T) {
	usual := largeColumn
	defer func() { largeColumn = usual }()
	r := rand.New(rand.NewPCG(5, 6))
	one, other := New(parseSchema(t, gatherSchema)), New(parseSchema(t, gatherSchema))
	failed := 0
	for i := range 3000 * testenv.Effort(t) {
		request := gatherOps(r)
		largeColumn = 0
		got := one.Transact(parseText(request), &Env{NoWait: true})
		largeColumn = math.MaxInt
		want := other.Transact(parseText(request), &Env{NoWait: true})
		if string(got.Reply) != string(want.Reply) || (got.Changes == nil) != (want.Changes == nil) {
			t.Fatalf("transaction %d: %s\n got %s\nwant %s", i, request, got.Reply, want.Reply)
		}
		if got.Failed {
			failed++
		}
		if err := one.Check(); err != nil {
			t.Fatalf("transaction %d: %s: %v", i, request, err)
		}
	}
	if ovsdbtest.Compare(dumpOf(one), dumpOf(other)) != ovsdbtest.Equal {
		t.Errorf("got %s, want %s", dumpOf(one), dumpOf(other))
	}
	if failed > 2500*testenv.Effort(t) {
		t.Errorf("%d transactions failed: they test little", failed)
	}
}

// TestManyMutations puts many elements into a set and takes them out again, one operation for
// each: twice as many take twice the memory, not four times.
func TestManyMutations(t *testing.T) {
	allocated := func(n int) (bytes uint64) {
		d := New(parseSchema(t, gatherSchema))
		for _, mutator := range []string{"insert", "delete"} {
			ops := []string{`"g"`, `{"op":"insert","table":"T","uuid":"00000000-0000-4000-8000-000000000001","row":{}}`}
			if mutator == "delete" {
				ops = ops[:1]
			}
			for i := range n {
				ops = append(ops, fmt.Sprintf(`{"op":"mutate","table":"T","where":[["_uuid","==",["uuid","00000000-0000-4000-8000-000000000001"]]],"mutations":[["set",%q,%d]]}`,
					mutator, i*7919%n))
			}
			request := parseText("[" + strings.Join(ops, ",") + "]")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out := d.Transact(request, &Env{})
			runtime.ReadMemStats(&after)
			if out.Changes == nil {
				t.Fatalf("%.300s", out.Reply)
			}
			bytes += after.TotalAlloc - before.TotalAlloc
		}
		for row := range d.Table("T").All() {
			if left := row.Field(d.schema.Tables["T"].Column("set")).Len(); left != 0 {
				t.Errorf("%d elements are left", left)
			}
		}
		return bytes
	}
	few, many := allocated(5000), allocated(10000)
	if float64(many) > 2.6*float64(few) {
		t.Errorf("%d bytes for 5,000 mutations, %d for 10,000", few, many)
	}
}
