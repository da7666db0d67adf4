package server

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

var uuidText = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// hideUUIDs replaces each UUID by the number of its first appearance.
func hideUUIDs(s string) string { return hide(s, map[string]string{}) }

// hide does so with the numbers given before.
func hide(s string, seen map[string]string) string {
	return uuidText.ReplaceAllStringFunc(s, func(u string) string {
		if seen[u] == "" {
			seen[u] = fmt.Sprintf("<%d>", len(seen))
		}
		return seen[u]
	})
}

// same compares a notification, UUIDs aside.
func (c *client) same(method, params string) {
	c.t.Helper()
	n := c.next()
	if n.method != method {
		c.t.Errorf("got %v, want %s", n, method)
		return
	}
	sameJSON(c.t, method, hideUUIDs(n.params), params)
}

func TestMonitor(t *testing.T) {
	r := newRig(t, Options{})
	w, c := r.dial(), r.dial()
	w.insert("a", 1)
	v := c.must("monitor", `["things",["x",1],{"Thing":{"columns":["name","n","set"]}}]`)
	sameJSON(t, "initial", hideUUIDs(v.String()), `{"Thing":{"<0>":{"new":{"name":"a","n":1,"set":["set",[]]}}}}`)
	c.fails("monitor", `["things",["x",1],{}]`, `{"error":"syntax error","details":"duplicate monitor ID","syntax":"[\"x\",1]"}`)
	w.insert("b", 2)
	c.same("update", `[["x",1],{"Thing":{"<0>":{"new":{"name":"b","n":2,"set":["set",[]]}}}}]`)
	w.transact(`{"op":"update","table":"Thing","where":[["name","==","b"]],"row":{"n":3}}`)
	c.same("update", `[["x",1],{"Thing":{"<0>":{"new":{"name":"b","n":3,"set":["set",[]]},"old":{"n":2}}}}]`)
	w.transact(`{"op":"update","table":"Thing","where":[["name","==","b"]],"row":{"note":"not monitored"}}`)
	c.quiet()
	w.transact(`{"op":"delete","table":"Thing","where":[["name","==","b"]]}`)
	c.same("update", `[["x",1],{"Thing":{"<0>":{"old":{"name":"b","n":3,"set":["set",[]]}}}}]`)
	c.must("monitor_cancel", `[["x",1]]`)
	w.insert("c", 1)
	c.quiet()
}

func TestMonitorSelect(t *testing.T) {
	r := newRig(t, Options{})
	w, c := r.dial(), r.dial()
	w.insert("a", 1)
	v := c.must("monitor", `["things","m",{"Thing":[{"columns":["name"],"select":{"initial":false,"delete":false}},{"columns":["n"],"select":{"modify":false,"initial":false,"delete":false}}]}]`)
	sameJSON(t, "initial", v.String(), `{}`)
	w.insert("b", 2)
	c.same("update", `["m",{"Thing":{"<0>":{"new":{"name":"b","n":2}}}}]`)
	w.transact(`{"op":"update","table":"Thing","where":[["name","==","b"]],"row":{"n":3,"name":"bb"}}`)
	c.same("update", `["m",{"Thing":{"<0>":{"new":{"name":"bb"},"old":{"name":"b"}}}}]`)
	w.transact(`{"op":"delete","table":"Thing","where":[]}`)
	c.quiet()
}

func TestMonitorCond(t *testing.T) {
	r := newRig(t, Options{})
	w, c := r.dial(), r.dial()
	w.transact(`{"op":"insert","table":"Thing","row":{"name":"a","n":1,"opt":5,"set":["set",[1,2]],"map":["map",[["k","v"],["l","w"]]]}}`)
	v := c.must("monitor_cond", `["things","m",{"Thing":[{"columns":["name","n","opt","set","map","note"],"where":[["n","<",5],["name","==","z"]]}]}]`)
	sameJSON(t, "initial", hideUUIDs(v.String()),
		`{"Thing":{"<0>":{"initial":{"name":"a","n":1,"opt":5,"set":["set",[1,2]],"map":["map",[["k","v"],["l","w"]]]}}}}`)
	// The difference of sets and maps; of scalars and optional values the new value.
	w.transact(`{"op":"update","table":"Thing","where":[],"row":{"n":2,"opt":6,"set":["set",[2,3]],"map":["map",[["k","x"],["m","y"]]]}}`)
	c.same("update2", `["m",{"Thing":{"<0>":{"modify":{"n":2,"opt":6,"set":["set",[1,3]],"map":["map",[["k","x"],["l","w"],["m","y"]]]}}}}]`)
	w.transact(`{"op":"update","table":"Thing","where":[],"row":{"opt":["set",[]]}}`)
	c.same("update2", `["m",{"Thing":{"<0>":{"modify":{"opt":["set",[]]}}}}]`)
	// Out of view, unseen, and into view again.
	w.transact(`{"op":"update","table":"Thing","where":[],"row":{"n":7}}`)
	c.same("update2", `["m",{"Thing":{"<0>":{"delete":null}}}]`)
	w.transact(`{"op":"update","table":"Thing","where":[],"row":{"n":8}}`)
	c.quiet()
	w.transact(`{"op":"update","table":"Thing","where":[],"row":{"name":"z","set":["set",[]]}}`)
	c.same("update2", `["m",{"Thing":{"<0>":{"insert":{"name":"z","n":8,"map":["map",[["k","x"],["m","y"]]]}}}}]`)
	w.insert("other", 9)
	c.quiet()
	// Another condition, and another id.
	sameJSON(t, "change", c.must("monitor_cond_change", `["m","n",{"Thing":[{"where":[["n","==",9]]}]}]`).String(), `{}`)
	n := c.next()
	if n.method != "update2" || !strings.Contains(n.params, `{"delete":null}`) || !strings.Contains(n.params, `{"insert":{"n":9,"name":"other"}}`) {
		t.Errorf("after the change: %v", n)
	}
	c.fails("monitor_cancel", `["m"]`, `"unknown monitor"`)
	sameJSON(t, "change", c.must("monitor_cond_change", `["n","n",{"Thing":[{"where":[true]}]}]`).String(), `{}`)
	c.same("update2", `["n",{"Thing":{"<0>":{"insert":{"name":"z","n":8,"map":["map",[["k","x"],["m","y"]]]}}}}]`)
	sameJSON(t, "change", c.must("monitor_cond_change", `["n","n",{"Thing":[{"where":[false]}]}]`).String(), `{}`)
	c.next()
	w.insert("unseen", 1)
	c.quiet()
	c.fails("monitor_cond_change", `["n","n",{"X":[]}]`, `{"error":"syntax error","details":"no table named X"}`)
	c.fails("monitor_cond_change", `["n","n",{"Config":[]}]`, `{"error":"syntax error","details":"no table named Config in monitor session"}`)
	c.fails("monitor_cond_change", `["n","n",{"Thing":[{"columns":["n"]}]}]`,
		`{"error":"syntax error","syntax":"{\"columns\":[\"n\"]}","details":"changing columns is unsupported"}`)
}

func TestMonitorCondSince(t *testing.T) {
	r := newRig(t, Options{})
	w, c := r.dial(), r.dial()
	w.fill(10_000)
	w.insert("a", 1)
	const zero = `"00000000-0000-0000-0000-000000000000"`
	start := func(c *client, id, last string) (found bool, txn, updates string) {
		t.Helper()
		v := c.must("monitor_cond_since", `["things","`+id+`",{"Thing":{"columns":["name","n"]}},`+last+`]`)
		return v.Index(0).Bool(), string(v.Index(1).Raw()), hideUUIDs(v.Index(2).String())
	}
	found, txn, updates := start(c, "m", zero)
	if found || txn == zero {
		t.Errorf("the first time: found %v, last %s", found, txn)
	}
	sameJSON(t, "initial", updates, `{"Thing":{"<0>":{"initial":{"name":"a","n":1}}}}`)
	w.insert("b", 2)
	n := c.next()
	if n.method != "update3" {
		t.Fatalf("got %v", n)
	}
	c.Close()
	// What happens meanwhile comes as one change per row.
	w.insert("c", 3)
	w.insert("d", 4)
	w.transact(`{"op":"update","table":"Thing","where":[["name","==","c"]],"row":{"n":33}}`)
	w.transact(`{"op":"update","table":"Thing","where":[["name","==","a"]],"row":{"n":11}}`)
	w.transact(`{"op":"delete","table":"Thing","where":[["name","==","d"]]}`)
	c = r.dial()
	last := uuidText.FindString(n.params)
	found, _, updates = start(c, "m", `"`+last+`"`)
	if !found || !strings.Contains(updates, `{"insert":{"n":33,"name":"c"}}`) || !strings.Contains(updates, `{"modify":{"n":11}}`) || strings.Contains(updates, `"b"`) || strings.Contains(updates, `"d"`) {
		t.Errorf("found %v: %s", found, updates)
	}
	w.transact(`{"op":"delete","table":"Thing","where":[["name","==","b"]]}`)
	c.same("update3", `["m","<0>",{"Thing":{"<1>":{"delete":null}}}]`)
	// Nothing happened.
	_, txn, _ = start(w, "w", zero)
	if found, _, updates := start(w, "w2", txn); !found || updates != "{}" {
		t.Errorf("found %v: %s", found, updates)
	}
	// Too long ago.
	for i := range 150 {
		w.transact(fmt.Sprintf(`{"op":"update","table":"Thing","where":[["name","==","a"]],"row":{"n":%d}}`, 1000+i))
	}
	if found, _, _ := start(w, "w3", txn); found {
		t.Error("found what is long past")
	}
}

func TestNoHistory(t *testing.T) {
	r := newRig(t, Options{History: -1})
	c := r.dial()
	v := c.must("monitor_cond_since", `["things","m",{"Thing":{"columns":["n"]}},"00000000-0000-0000-0000-000000000000"]`)
	sameJSON(t, "initial", v.String(), `[false,"00000000-0000-0000-0000-000000000000",{}]`)
	c.insert("a", 1)
	if n := c.next(); !strings.Contains(n.params, `"00000000-0000-0000-0000-000000000000"`) {
		t.Errorf("got %v", n)
	}
}

// TestUpdateBeforeReply has a client change what it monitors: it sees the change, then the
// answer.
func TestUpdateBeforeReply(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	c.must("monitor", `["things","m",{"Thing":{"columns":["n"]}}]`)
	for i := range 100 {
		c.insert(fmt.Sprint(i), i)
		c.mu.Lock()
		got := len(c.notes)
		c.mu.Unlock()
		if got != i+1 {
			t.Fatalf("%d updates before answer %d", got, i+1)
		}
	}
}

// TestSlowMonitor has a peer that does not read: its updates are merged, memory is bounded,
// others do not notice, and what it gets in the end is right.
func TestSlowMonitor(t *testing.T) {
	const queue = 10_000
	r := newRig(t, Options{Limits: Limits{Queue: queue}})
	w := r.dial()
	ids := []string{w.insert("a", 0), w.insert("b", 0)}
	nc, err := r.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	slow := &client{t: t, more: make(chan struct{}, 1)}
	// It asks for a monitor by hand and reads nothing.
	request := `{"id":0,"method":"monitor_cond","params":["things","m",{"Thing":{"columns":["name","n","note"]}}]}`
	if _, err := nc.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error {
		if r.Usage().Monitors == 0 {
			return fmt.Errorf("no monitor yet")
		}
		return nil
	})
	const n = 500
	text := strings.Repeat("x", 200)
	for i := range n {
		w.transact(fmt.Sprintf(`{"op":"update","table":"Thing","where":[["_uuid","==",["uuid",%q]]],"row":{"n":%d,"note":"%s%d"}}`, ids[i%2], i+1, text, i))
	}
	w.transact(`{"op":"delete","table":"Thing","where":[["name","==","b"]]}`)
	if u := r.Usage(); u.Backlog > queue+2000 {
		t.Errorf("%d bytes wait", u.Backlog)
	}
	// Now it reads.
	slow.Client = newClientOn(nc, slow)
	defer slow.Close()
	updates := 0
	for {
		u := slow.next()
		updates++
		if strings.Contains(u.params, "delete") {
			if want := fmt.Sprintf(`"n":%d`, n-1); !strings.Contains(u.params, want) {
				t.Errorf("the last update lacks %s: %s", want, u.params)
			}
			break
		}
	}
	if updates >= n {
		t.Errorf("%d updates for %d transactions", updates, n+1)
	}
	slow.quiet()
}

// TestTooSlowMonitor has a peer that does not read at all.
func TestTooSlowMonitor(t *testing.T) {
	r := newRig(t, Options{Limits: Limits{Queue: 1000, Pending: 50}})
	w := r.dial()
	nc, err := r.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte(`{"id":0,"method":"monitor","params":["things","m",{"Thing":{}}]}`)); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error {
		if r.Usage().Monitors == 0 {
			return fmt.Errorf("no monitor yet")
		}
		return nil
	})
	for i := range 200 {
		w.insert(fmt.Sprint(i), i)
	}
	testenv.Eventually(t, patience, func() error {
		if u := r.Usage(); u.Monitors != 0 || u.Sessions != 1 {
			return fmt.Errorf("%+v", u)
		}
		return nil
	})
}
