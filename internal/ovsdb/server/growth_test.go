package server

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestFileGrowth makes every kind of change on our server and the C one: our file grows by
// no more than a tenth above what the other does.
func TestFileGrowth(t *testing.T) {
	const large = 4000
	numbers := func(from, to int) string {
		var s []string
		for i := from; i < to; i++ {
			s = append(s, fmt.Sprint(i))
		}
		return `["set",[` + strings.Join(s, ",") + `]]`
	}
	pairs := func(from, to int, value string) string {
		var s []string
		for i := from; i < to; i++ {
			s = append(s, fmt.Sprintf(`["key %d",%q]`, i, value))
		}
		return `["map",[` + strings.Join(s, ",") + `]]`
	}
	insert := func(name, rest string) string {
		return fmt.Sprintf(`{"op":"insert","table":"Thing","row":{"name":%q%s}}`, name, rest)
	}
	on := func(op, name, rest string) string {
		return fmt.Sprintf(`{"op":%q,"table":"Thing","where":[["name","==",%q]],%s}`, op, name, rest)
	}
	mutate := func(column, op, value string) string {
		return on("mutate", "a", fmt.Sprintf(`"mutations":[[%q,%q,%s]]`, column, op, value))
	}
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, insert(fmt.Sprint("row ", i), `,"n":7`))
	}
	steps := []struct{ kind, ops string }{
		{"insert a large row", insert("a", `,"set":`+numbers(0, large)+`,"map":`+pairs(0, large, "v"))},
		{"insert a small row", insert("b", "")},
		{"insert many rows", strings.Join(hundred, ",")},
		{"change a scalar", on("update", "a", `"row":{"n":5}`)},
		{"change a scalar of many rows", `{"op":"update","table":"Thing","where":[["n","==",7]],"row":{"n":8}}`},
		{"set an optional scalar", on("update", "a", `"row":{"opt":5}`)},
		{"clear an optional scalar", on("update", "a", `"row":{"opt":["set",[]]}`)},
		{"count", mutate("n", "+=", "1")},
		{"count in a set", mutate("set", "*=", "-1")},
		{"and back", mutate("set", "*=", "-1")},
		{"add to a set", mutate("set", "insert", `["set",[5000]]`)},
		{"take from a set", mutate("set", "delete", `["set",[5000]]`)},
		{"update a set", on("update", "a", `"row":{"set":`+numbers(1, large)+`}`)},
		{"add to a map", mutate("map", "insert", pairs(large, large+1, "v"))},
		{"take from a map", mutate("map", "delete", pairs(large, large+1, "v"))},
		{"take a key from a map", mutate("map", "delete", `["set",["key 5"]]`)},
		{"change a value of a map", mutate("map", "delete", `["set",["key 7"]]`) + "," + mutate("map", "insert", pairs(7, 8, "w"))},
		{"update a map", on("update", "a", `"row":{"map":`+pairs(0, large, "v")+`}`)},
		{"change a set and a scalar", on("update", "a", `"row":{"n":9,"set":`+numbers(0, large)+`}`)},
		{"change a set and insert a row", mutate("set", "insert", `["set",[5000]]`) + "," + insert("c", "")},
		{"with a comment", `{"op":"comment","comment":"why"},` + mutate("set", "delete", `["set",[5000]]`)},
		{"refer to a new row", `{"op":"insert","table":"Manager","uuid-name":"m","row":{"target":"x"}},` +
			`{"op":"insert","table":"Config","row":{"managers":["set",[["named-uuid","m"]]]}}`},
		{"refer to one more", `{"op":"insert","table":"Manager","uuid-name":"m","row":{"target":"y"}},` +
			`{"op":"mutate","table":"Config","where":[],"mutations":[["managers","insert",["set",[["named-uuid","m"]]]]]}`},
		{"collect garbage", `{"op":"update","table":"Config","where":[],"row":{"managers":["set",[]]}}`},
		{"clear a set", on("update", "a", `"row":{"set":["set",[]]}`)},
		{"clear a map", on("update", "a", `"row":{"map":["map",[]]}`)},
		{"delete a row", `{"op":"delete","table":"Thing","where":[["name","==","a"]]}`},
		{"delete many rows", `{"op":"delete","table":"Thing","where":[]}`},
	}
	ours, theirs := createFile(t, testSchema), createFile(t, testSchema)
	our, their := startOurs(t, ours, "client").dial(t), startC(t, theirs).dial(t)
	size := func(path string) int64 {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	for _, step := range steps {
		before, theirBefore := size(ours), size(theirs)
		our.transact(step.ops)
		their.transact(step.ops)
		grown, theirGrown := size(ours)-before, size(theirs)-theirBefore
		if grown*10 > theirGrown*11 || grown == 0 {
			t.Errorf("%s: %d bytes, the C server writes %d", step.kind, grown, theirGrown)
		}
	}
	dump := `["things",{"op":"select","table":"Thing","where":[],"columns":["name"]}]`
	testenv.OVS(t).Output(t, testenv.Program(t, "ovsdb-tool"), "query", ours, dump)
}
