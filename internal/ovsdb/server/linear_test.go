package server

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// register is what one column of one row is: reads, writes, and writes on condition.
type registerInput struct {
	op       string // "read", "write", "cas"
	old, new int
}

type registerOutput struct {
	value int  // read
	ok    bool // cas
}

var registerModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(int), input.(registerInput), output.(registerOutput)
		switch in.op {
		case "read":
			return out.value == s, s
		case "write":
			return true, in.new
		}
		if s == in.old {
			return out.ok, in.new
		}
		return !out.ok, s
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%v -> %v", input, output) },
}

// TestLinearizable records what concurrent clients ask and are told, and checks that there
// is an order in which it makes sense.
func TestLinearizable(t *testing.T) {
	r := newRig(t, Options{})
	id := r.dial().insert("register", 0)
	where := `"where":[["_uuid","==",["uuid","` + id + `"]]]`
	const clients, each = 6, 80
	var mu sync.Mutex
	var history []porcupine.Operation
	var done sync.WaitGroup
	begin := time.Now()
	for n := range clients {
		c := r.dial()
		rnd := rand.New(rand.NewPCG(uint64(n), 1))
		done.Add(1)
		go func() {
			defer done.Done()
			for range each {
				in := registerInput{old: rnd.IntN(4), new: rnd.IntN(4)}
				var params string
				switch rnd.IntN(3) {
				case 0:
					in.op, params = "read", `{"op":"select","table":"Thing",`+where+`,"columns":["n"]}`
				case 1:
					in.op, params = "write", fmt.Sprintf(`{"op":"update","table":"Thing",%s,"row":{"n":%d}}`, where, in.new)
				default:
					in.op = "cas"
					params = fmt.Sprintf(`{"op":"wait","timeout":0,"table":"Thing",%s,"columns":["n"],"until":"==","rows":[{"n":%d}]},`+
						`{"op":"update","table":"Thing",%s,"row":{"n":%d}}`, where, in.old, where, in.new)
				}
				call := time.Since(begin)
				v, err := c.call("transact", `["things",`+params+`]`)
				back := time.Since(begin)
				if err != nil {
					t.Error(err)
					return
				}
				out := registerOutput{value: int(v.Index(0).Get("rows").Index(0).Get("n").Int()), ok: !strings.Contains(v.String(), "error")}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: n, Input: in, Output: out, Call: int64(call), Return: int64(back)})
				mu.Unlock()
			}
		}()
	}
	done.Wait()
	if got := porcupine.CheckOperationsTimeout(registerModel, history, 0); got != porcupine.Ok {
		t.Errorf("%d operations: %v", len(history), got)
	}
}
