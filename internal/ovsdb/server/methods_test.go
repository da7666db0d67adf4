package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

func TestMethods(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	sameJSON(t, "list_dbs", c.must("list_dbs", `[]`).String(), `["_Server","things"]`)
	sameJSON(t, "get_schema", c.must("get_schema", `["things"]`).String(), string(parseSchema(t, testSchema).AppendJSON(nil)))
	sameJSON(t, "echo", c.must("echo", `[1,{"a":null}]`).String(), `[1,{"a":null}]`)
	if id := c.must("get_server_id", `[]`).Str(); len(id) != 36 {
		t.Errorf("get_server_id: %q", id)
	}
	sameJSON(t, "set_db_change_aware", c.must("set_db_change_aware", `[true]`).String(), `{}`)

	c.fails("nonsense", `[]`, `"unknown method"`)
	c.fails("get_schema", `[]`, `{"error":"syntax error","syntax":"[]","details":"get_schema request params must begin with <db-name>"}`)
	c.fails("get_schema", `["x"]`, `{"error":"unknown database","syntax":"[\"x\"]","details":"get_schema request specifies unknown database x"}`)
	c.fails("transact", `[1]`, `{"error":"syntax error","syntax":"[1]","details":"transact request params must begin with <db-name>"}`)
	c.fails("set_db_change_aware", `[1]`, `{"error":"syntax error","syntax":"[1]","details":"set_db_change_aware: true or false parameter expected"}`)
	c.fails("monitor", `["things",1]`, `{"error":"syntax error","syntax":"[\"things\",1]","details":"invalid parameters"}`)
	c.fails("monitor", `["things",1,[]]`, `{"error":"syntax error","syntax":"[]","details":"monitor-requests must be object"}`)
	c.fails("monitor", `["things",1,{"X":{}}]`, `{"error":"syntax error","details":"no table named X"}`)
	c.fails("monitor", `["things",1,{"Thing":{"where":[]}}]`,
		`{"error":"syntax error","syntax":"{\"where\":[]}","details":"Parsing table Thing failed: Member 'where' is present but not allowed here."}`)
	c.fails("monitor", `["things",1,{"Thing":[{"columns":["n"]},{"columns":["n"]}]}]`,
		`{"error":"syntax error","syntax":"[\"n\"]","details":"column n mentioned more than once"}`)
	c.fails("monitor_cancel", `[1]`, `"unknown monitor"`)
	c.fails("monitor_cancel", `[]`, `"invalid parameters"`)
	c.fails("monitor_cond_change", `[1,1,{}]`, `{"error":"syntax error","syntax":"1","details":"unknown monitor session"}`)
	c.fails("monitor_cond_since", `["things",1,{},"x"]`, `{"error":"syntax error","syntax":"\"x\"","details":"last-txn-id must be UUID format."}`)

	r.DisableMonitorCond()
	c.fails("monitor_cond", `["things",1,{}]`, `"unknown method"`)
}

func TestCatalog(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	c.must("set_db_change_aware", `[true]`)
	got := c.must("transact", `["_Server",{"op":"select","table":"Database","where":[["name","==","things"]],"columns":["name","model","connected","leader","index"]}]`)
	sameJSON(t, "Database", got.String(), `[{"rows":[{"name":"things","model":"standalone","connected":true,"leader":true,"index":["set",[]]}]}]`)
	v := c.must("transact", `["_Server",{"op":"delete","table":"Database","where":[]}]`)
	if v.Index(0).Get("error").Str() != "not allowed" {
		t.Errorf("a client changed _Server: %s", v)
	}
	c.must("monitor", `["_Server",1,{"Database":{"columns":["name"]}}]`)
	unaware := r.dial()
	unaware.must("echo", `[]`)
	if err := r.AddMemory(parseSchema(t, strings.Replace(testSchema, `"things"`, `"more"`, 1))); err != nil {
		t.Fatal(err)
	}
	if n := c.next(); !strings.Contains(n.params, `"new":{"name":"more"}`) {
		t.Errorf("update %v", n)
	}
	<-unaware.Done()
	c.must("monitor", `["more","m",{"Thing":{}}]`)
	if err := r.RemoveDatabase("more"); err != nil {
		t.Fatal(err)
	}
	if n := c.next(); n.method != "monitor_canceled" || n.params != `["m"]` {
		t.Errorf("after the removal: %v", n)
	}
	if n := c.next(); !strings.Contains(n.params, `"old":{"name":"more"}`) {
		t.Errorf("update %v", n)
	}
	if err := r.RemoveDatabase("_Server"); err == nil {
		t.Error("removed _Server")
	}
}

func TestWait(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.dial(), r.dial()
	wait := func(name string, timeout string) string {
		return `["things",{"op":"wait",` + timeout + `"table":"Thing","where":[["name","==","` + name + `"]],"columns":["n"],"until":"==","rows":[{"n":7}]},` +
			`{"op":"insert","table":"Thing","row":{"name":"after ` + name + `"}}]`
	}
	got := make(chan string, 4)
	start := func(c *client, params string) {
		if err := c.Go("transact", []byte(params), func(v wire.Value, err error) {
			if err != nil {
				got <- err.Error()
				return
			}
			got <- v.String()
		}); err != nil {
			t.Fatal(err)
		}
	}
	start(a, wait("x", ""))
	a.must("echo", `[]`) // a request behind one that waits is answered
	b.insert("x", 7)
	if s := <-got; !strings.Contains(s, `"uuid"`) {
		t.Errorf("met: %s", s)
	}
	// One waiting transaction meets the next.
	start(a, wait("after y", ""))
	start(b, wait("y", ""))
	b.transact(`{"op":"insert","table":"Thing","row":{"name":"y","n":7}}`)
	if s := <-got; !strings.Contains(s, `"uuid"`) {
		t.Errorf("met: %s", s)
	}
	a.transact(`{"op":"update","table":"Thing","where":[["name","==","after y"]],"row":{"n":7}}`)
	if s := <-got; !strings.Contains(s, `"uuid"`) {
		t.Errorf("met in turn: %s", s)
	}
	start(a, wait("z", `"timeout":20,`))
	if s := <-got; !strings.Contains(s, `"timed out"`) {
		t.Errorf("timed out: %s", s)
	}
	if s := a.must("transact", wait("z", `"timeout":0,`)).String(); !strings.Contains(s, `"timed out"`) {
		t.Errorf("without patience: %s", s)
	}
}

func TestCancel(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	got := make(chan error, 1)
	ops := `["things",{"op":"wait","table":"Thing","where":[],"columns":["n"],"until":"==","rows":[{"n":7}]}]`
	if err := c.Go("transact", []byte(ops), func(_ wire.Value, err error) { got <- err }); err != nil {
		t.Fatal(err)
	}
	if err := c.Notify("cancel", []byte(`[99]`)); err != nil {
		t.Fatal(err)
	}
	if err := c.Notify("cancel", []byte(`[0]`)); err != nil { // the first request of a client has id 0
		t.Fatal(err)
	}
	if err := <-got; err == nil || err.Error() != "transact: canceled" {
		t.Errorf("canceled: %v", err)
	}
	c.insert("x", 7)
	if u := r.Usage(); u.Triggers != 0 {
		t.Errorf("%d transactions wait", u.Triggers)
	}
}

// TestOrder pipelines requests of all kinds: the answers come in their order, and each sees
// those before it.
func TestOrder(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	id := c.insert("x", 0)
	type answer struct {
		i int
		v wire.Value
	}
	const n = 400
	got := make(chan answer, n)
	for i := range n {
		method, params := "transact", `["things",{"op":"mutate","table":"Thing","where":[["_uuid","==",["uuid","`+id+`"]]],"mutations":[["n","+=",1]]},`+
			`{"op":"select","table":"Thing","where":[],"columns":["n"]}]`
		switch i % 10 {
		case 3:
			method, params = "lock", `["l"]`
		case 4:
			params = `["things",{"op":"assert","lock":"l"},` + params[len(`["things",`):]
		case 5:
			method, params = "unlock", `["l"]`
		case 6:
			params = `["_Server",{"op":"select","table":"Database","where":[],"columns":["name"]}]`
		case 7:
			method, params = "monitor_cond", `["things","m",{"Thing":{"columns":["n"]}}]`
		case 8:
			method, params = "monitor_cancel", `["m"]`
		}
		if err := c.Go(method, []byte(params), func(v wire.Value, err error) {
			if err != nil {
				t.Errorf("request %d: %s: %v", i, method, err)
			}
			got <- answer{i, v}
		}); err != nil {
			t.Fatal(err)
		}
	}
	last := int64(0)
	for want := range n {
		a := <-got
		if a.i != want {
			t.Fatalf("answer %d came as number %d", a.i, want)
		}
		for op := range a.v.Elems() {
			if e := op.Get("error"); e.Exists() {
				t.Fatalf("request %d: %s", want, a.v)
			}
			if v := op.Get("rows").Index(0).Get("n"); v.Exists() {
				if last++; v.Int() != last {
					t.Fatalf("request %d: n is %d, want %d", want, v.Int(), last)
				}
			}
		}
	}
}

func TestReadOnly(t *testing.T) {
	r := newRig(t, Options{ReadOnly: true})
	if err := r.AddRemote("punix:db.sock"); err != nil {
		t.Fatal(err)
	}
	c := r.connect("unix:db.sock")
	v := c.must("transact", `["things",{"op":"insert","table":"Thing","row":{}}]`)
	sameJSON(t, "insert", v.String(), `[{"error":"not allowed","details":"insert operation not allowed when database server is in read only mode"}]`)
	c.fails("lock", `["x"]`, `"lock and unlock methods not allowed, DB server is read only."`)
	r.dial().insert("trusted", 1)
	if n := c.count("Thing"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestReadOnlyRemote has one remote that may only look beside one that may do all, and a
// column that lists the first of them again.
func TestReadOnlyRemote(t *testing.T) {
	r := newRig(t, Options{})
	if err := r.AddReadOnlyRemote("punix:look.sock"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"punix:touch.sock", "db:things,Config,targets"} {
		if err := r.AddRemote(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.AddRemote("punix:look.sock"); !errors.Is(err, ErrRemoteExists) {
		t.Errorf("a second time: %v", err)
	}
	r.dial().transact(`{"op":"insert","table":"Config","row":{"targets":["set",["punix:look.sock"]]}}`)
	look, touch := r.connect("unix:look.sock"), r.connect("unix:touch.sock")
	touch.insert("x", 1)
	if n := look.count("Thing"); n != 1 {
		t.Errorf("%d rows", n)
	}
	for _, op := range []string{
		insertOp(1), `{"op":"delete","table":"Thing","where":[]}`, `{"op":"update","table":"Thing","where":[],"row":{"n":2}}`,
		`{"op":"mutate","table":"Thing","where":[],"mutations":[["n","+=",1]]}`,
	} {
		v := look.must("transact", `["things",`+op+`]`)
		if v.Index(0).Get("error").Str() != "not allowed" {
			t.Errorf("%s: %s", op, v)
		}
	}
	look.fails("lock", `["x"]`, `"lock and unlock methods not allowed, DB server is read only."`)
	look.fails("convert", `["things",`+testSchema+`]`,
		`{"error":"not allowed","details":"conversion is not allowed for read-only database things"}`)
	look.must("monitor", `["things","m",{"Thing":{}}]`)
	touch.insert("y", 2)
	look.next()
}

func TestLimits(t *testing.T) {
	r := newRig(t, Options{Limits: Limits{Message: 1000, Sessions: 2, Monitors: 1, Locks: 1}})
	c := r.dial()
	c.must("monitor", `["things",1,{}]`)
	c.fails("monitor", `["things",2,{}]`, `{"error":"resources exhausted","details":"session has reached its limit of 1 monitors"}`)
	c.must("lock", `["a"]`)
	c.fails("lock", `["b"]`, `{"error":"resources exhausted","details":"session has reached its limit of 1 locks"}`)
	other := r.dial()
	if _, err := r.Pipe(); err == nil {
		t.Error("a third session")
	}
	_, err := other.call("echo", `["`+strings.Repeat("x", 2000)+`"]`)
	if err == nil {
		t.Error("an overlong message was answered")
	}
	<-other.Done()
	c.must("echo", `[]`)
}

// TestGreedyPeer asks for much and takes nothing: it is not read any further.
func TestGreedyPeer(t *testing.T) {
	r := newRig(t, Options{Limits: Limits{Queue: 10_000}})
	w := r.dial()
	for i := range 100 {
		w.insert(strings.Repeat("x", 1000)+fmt.Sprint(i), i)
	}
	nc, err := r.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan int, 1)
	go func() {
		n := 0
		for ; n < 100_000; n++ {
			if _, err := nc.Write([]byte(`{"id":1,"method":"transact","params":["things",{"op":"select","table":"Thing","where":[]}]}`)); err != nil {
				break
			}
		}
		sent <- n
	}()
	last := 0
	testenv.Eventually(t, patience, func() error {
		before := last
		if last = r.Usage().Backlog; last == 0 || last != before {
			return fmt.Errorf("%d bytes, then %d", before, last)
		}
		return nil
	})
	w.must("echo", "[]")
	nc.Close()
	if n := <-sent; n > 2*pipeline {
		t.Errorf("%d requests were read", n)
	}
}

// TestBadInput sends what is no request, to one session each; the server outlives it.
func TestBadInput(t *testing.T) {
	r := newRig(t, Options{})
	for _, text := range []string{
		`x`, `[]`, `{}`, `{"method":1}`, `{"id":1,"result":2}`, `{"id":1,"method":"echo","params":{}}`,
		`{"id":1,"method":"echo","params":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
		`{"id":1,"method":"echo","params":[1e999]}`, "\x00", `{"id":"echo","result":1,"error":2}`,
	} {
		nc, err := r.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		// Whether it is answered or not, the session ends, unless it waits for more.
		go func() { _, _ = nc.Write([]byte(text + "\n")) }()
		buf := make([]byte, 1000)
		if n, err := nc.Read(buf); err == nil {
			t.Errorf("%.40q was answered: %s", text, buf[:n])
		}
		nc.Close()
	}
	r.dial().insert("alive", 1)
}

func TestConvert(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	c.must("set_db_change_aware", `[true]`)
	c.insert("x", 7)
	c.must("monitor", `["things","m",{"Thing":{}}]`)
	next := strings.Replace(strings.Replace(testSchema, `"n":{"type":"integer"}`, `"n":{"type":{"key":"integer","min":0,"max":"unlimited"}}`, 1), "1.0.0", "2.0.0", 1)
	sameJSON(t, "convert", c.must("convert", `["things",`+next+`]`).String(), `{}`)
	if n := c.next(); n.method != "monitor_canceled" {
		t.Errorf("got %v", n)
	}
	c.transact(`{"op":"mutate","table":"Thing","where":[],"mutations":[["n","insert",["set",[8,9]]]]}`)
	check := func(c *client) {
		t.Helper()
		v := c.transact(`{"op":"select","table":"Thing","where":[],"columns":["name","n"]}`)
		sameJSON(t, "rows", v.String(), `[{"rows":[{"name":"x","n":["set",[7,8,9]]}]}]`)
	}
	check(c)
	if v := c.must("transact", `["_Server",{"op":"select","table":"Database","where":[["name","==","things"]],"columns":["schema"]}]`); !strings.Contains(v.String(), "2.0.0") {
		t.Errorf("_Server has the old schema")
	}
	c.fails("convert", `["things",{"name":"other","tables":{}}]`,
		`{"error":"invalid parameters","details":"new schema name (other) does not match database name (things)"}`)
	// What was stored is the converted database.
	path := r.Path("things")
	if err := r.RemoveDatabase("things"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddDatabase(path); err != nil {
		t.Fatal(err)
	}
	check(r.dial())
}

func TestCompact(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	id := c.insert("x", 0)
	for range 50 {
		c.transact(`{"op":"mutate","table":"Thing","where":[["_uuid","==",["uuid","` + id + `"]]],"mutations":[["n","+=",1]]}`)
	}
	before := len(readFile(t, r.Path("things")))
	// While it is compacted the database goes on.
	done := make(chan error, 1)
	go func() { done <- r.Compact("things") }()
	for range 50 {
		c.transact(`{"op":"mutate","table":"Thing","where":[["_uuid","==",["uuid","` + id + `"]]],"mutations":[["n","+=",1]]}`)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := r.Compact("things"); err != nil {
		t.Fatal(err)
	}
	if after := len(readFile(t, r.Path("things"))); after >= before {
		t.Errorf("%d bytes before, %d after", before, after)
	}
	path := r.Path("things")
	if err := r.RemoveDatabase("things"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddDatabase(path); err != nil {
		t.Fatal(err)
	}
	v := r.dial().transact(`{"op":"select","table":"Thing","where":[],"columns":["n"]}`)
	sameJSON(t, "rows", v.String(), `[{"rows":[{"n":100}]}]`)
	if err := r.Compact("_Server"); err == nil {
		t.Error("compacted a database without a file")
	}
}

func TestCloseUnderLoad(t *testing.T) {
	r := newRig(t, Options{})
	for range 4 {
		c := r.dial()
		go func() {
			for {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				_, err := c.Call(ctx, "transact", []byte(`["things",{"op":"insert","table":"Config","row":{}},{"op":"abort"}]`))
				cancel()
				if err != nil {
					return
				}
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
}
