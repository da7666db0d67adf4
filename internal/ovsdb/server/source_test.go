package server

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// serve has the server listen on a socket in its run directory.
func (r *rig) serve() (target string) { return r.serveAs("s") }

func (r *rig) serveAs(name string) (target string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := r.AddRemote("punix:" + path); err != nil {
		r.t.Fatal(err)
	}
	return "unix:" + path
}

func newRelay(t testing.TB, targets string) *rig {
	t.Helper()
	r := newEmptyRig(t, Options{})
	if err := r.AddRelay("things", Source{Targets: targets}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) inStep() {
	r.t.Helper()
	testenv.Eventually(r.t, patience, func() error {
		if state, _ := r.SourceState("things"); state != SourceInStep {
			return fmt.Errorf("the state is %d", state)
		}
		return nil
	})
}

// has waits until the things are those named.
func (c *client) has(names ...string) {
	c.t.Helper()
	want := fmt.Sprintf("%q", names)
	testenv.Eventually(c.t, patience, func() error {
		var got []string
		for row := range c.transact(`{"op":"select","table":"Thing","where":[],"columns":["name"],"sort":["name"]}`).Index(0).Get("rows").Elems() {
			got = append(got, row.Get("name").Str())
		}
		slices.Sort(got)
		if text := fmt.Sprintf("%q", got); text != want {
			return fmt.Errorf("there is %s, want %s", text, want)
		}
		return nil
	})
}

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// TestRelay: what the source has is there, also by way of another relay, and what clients of the
// relay want changed the source changes.
func TestRelay(t *testing.T) {
	main := newRig(t, Options{})
	direct := main.dial()
	direct.insert("a", 1)
	first := newRelay(t, main.serve())
	first.inStep()
	second := newRelay(t, first.serve())
	second.inStep()
	c := second.dial()
	c.has("a")

	// Of the answer to a transaction the relay has the effects already.
	id := c.insert("b", 2)
	c.has("a", "b")
	direct.has("a", "b")
	if got := direct.transact(`{"op":"select","table":"Thing","where":[["name","==","b"]],"columns":["_uuid"]}`).Index(0).Get("rows").Index(0).Get("_uuid").Index(1).Str(); got != id {
		t.Errorf("the row is %s at the source, %s at the relay", got, id)
	}
	// One that fails is answered here or there, as from the source.
	for _, op := range []string{
		`{"op":"insert","table":"Thing","row":{"name":"b"}}`,
		`{"op":"insert","table":"Nothing","row":{}}`,
		`{"op":"update","table":"Thing","where":[],"row":{"name":"x"}},{"op":"abort"}`,
		`{"op":"assert","lock":"l"}`,
	} {
		params := `["things",` + op + `]`
		here, there := c.must("transact", params).String(), direct.must("transact", params).String()
		sameJSON(t, op, anyUUID.ReplaceAllString(here, "UUID"), anyUUID.ReplaceAllString(there, "UUID"))
	}
	// One that waits goes on when the source says so, and is forwarded then.
	waiting := make(chan error, 1)
	patient := second.dial()
	go func() {
		v, err := patient.call("transact", `["things",{"op":"wait","table":"Thing","where":[["name","==","c"]],"columns":["n"],"until":"==","rows":[{"n":3}]},`+
			`{"op":"insert","table":"Thing","row":{"name":"d"}}]`)
		if err == nil && !v.Index(1).Get("uuid").Exists() {
			err = errors.New(v.String())
		}
		waiting <- err
	}()
	direct.insert("c", 3)
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	c.has("a", "b", "c", "d")

	// Monitors of all of them tell the same transactions, by the same names.
	var notes []string
	watchers := []*client{main.dial(), first.dial(), second.dial()}
	for _, w := range watchers {
		v := w.must("monitor_cond_since", `["things","m",{"Thing":[{"columns":["name","n"]}]},"00000000-0000-0000-0000-000000000000"]`)
		notes = append(notes, v.Index(1).Str())
	}
	c.transact(`{"op":"update","table":"Thing","where":[["name","==","d"]],"row":{"n":7}}`)
	for i, w := range watchers {
		notes[i] += w.next().params
	}
	if notes[0] != notes[1] || notes[0] != notes[2] {
		t.Errorf("the monitors tell %q", notes)
	}
	// So a client goes on at the one where it left the other.
	last := notes[0][:36]
	if v := second.dial().must("monitor_cond_since", `["things","m",{"Thing":[{"columns":["name","n"]}]},"`+last+`"]`); !v.Index(0).Bool() || strings.Contains(v.String(), `"a"`) {
		t.Errorf("since %s: %s", last, v)
	}
	sameJSON(t, "_Server", c.must("transact", `["_Server",{"op":"select","table":"Database","where":[["name","==","things"]],"columns":["model","connected","leader"]}]`).String(),
		`[{"rows":[{"model":"relay","connected":true,"leader":false}]}]`)

	// The schema is converted at the source, and the relays follow.
	aware := second.dial()
	aware.must("set_db_change_aware", "[true]")
	aware.must("convert", `["things",`+strings.Replace(testSchema, `"1.0.0"`, `"1.0.1"`, 1)+`]`)
	for _, r := range []*rig{main, first, second} {
		testenv.Eventually(t, patience, func() error {
			v, err := r.dial().call("get_schema", `["things"]`) // a conversion ends the sessions of clients that are not aware of it
			if err == nil && v.Get("version").Str() != "1.0.1" {
				err = fmt.Errorf("the schema is of version %s", v.Get("version").Str())
			}
			return err
		})
	}
	second.inStep()
	second.dial().has("a", "b", "c", "d")
}

// TestRelayWithoutSource: before a relay has heard of its source it has no database; when it has lost
// it, it has what it had, and holds back what clients want changed until there is one again.
func TestRelayWithoutSource(t *testing.T) {
	main := newRig(t, Options{})
	path := filepath.Join(main.dir, "later")
	r := newRelay(t, "unix:"+path)
	c := r.dial()
	if v := c.must("list_dbs", "[]"); v.String() != `["_Server"]` {
		t.Errorf("the databases are %s", v)
	}
	if _, err := c.call("get_schema", `["things"]`); err == nil || !strings.Contains(err.Error(), "database not available") {
		t.Errorf("get_schema: %v", err)
	}
	if err := r.AddRemote("db:things,Config,targets"); err != nil {
		t.Errorf("a remote that the relay will know: %v", err)
	}
	sameJSON(t, "_Server", c.must("transact", `["_Server",{"op":"select","table":"Database","where":[["name","==","things"]],"columns":["model","connected","schema"]}]`).String(),
		`[{"rows":[{"model":"relay","connected":false,"schema":["set",[]]}]}]`)
	if err := main.AddRemote("punix:" + path); err != nil {
		t.Fatal(err)
	}
	r.inStep()
	listen := filepath.Join(r.dir, "named")
	c = r.dial()
	c.transact(`{"op":"insert","table":"Config","row":{"targets":"punix:` + listen + `"}}`)
	testenv.Eventually(t, patience, func() error {
		nc, err := net.Dial("unix", listen)
		if err == nil {
			nc.Close()
		}
		return err
	})
	c.insert("a", 1)

	if err := main.RemoveRemote("punix:" + path); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error {
		if state, _ := r.SourceState("things"); state != SourceConnecting {
			return fmt.Errorf("the state is %d", state)
		}
		return nil
	})
	c.has("a")
	// For a while it still says that it is connected.
	connected := func(want bool) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			v := c.must("transact", `["_Server",{"op":"select","table":"Database","where":[["name","==","things"]],"columns":["connected"]}]`)
			if got := v.Index(0).Get("rows").Index(0).Get("connected").Bool(); got != want {
				return fmt.Errorf("connected: %v", got)
			}
			return nil
		})
	}
	connected(true)
	d := r.find("things")
	d.do(d.source.Load().graceOver)
	connected(false)
	answered := make(chan error, 1)
	go func() {
		_, err := c.call("transact", `["things",{"op":"insert","table":"Thing","row":{"name":"b"}}]`)
		answered <- err
	}()
	// One who gives up is not waited for.
	hasty := r.dial()
	if err := hasty.Go("transact", []byte(`["things",{"op":"insert","table":"Thing","row":{"name":"c"}}]`), func(wire.Value, error) {}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error {
		if n := r.Usage().Triggers; n != 2 {
			return fmt.Errorf("%d transactions wait", n)
		}
		return nil
	})
	hasty.Close()
	testenv.Eventually(t, patience, func() error {
		if n := r.Usage().Triggers; n != 1 {
			return fmt.Errorf("%d transactions wait", n)
		}
		return nil
	})
	if err := main.AddRemote("punix:" + path); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	c.has("a", "b")
	main.dial().has("a", "b")
	connected(true)
	d.do(d.source.Load().graceOver) // too late
	connected(true)
}

// TestRelayProtects: what a session may not write is not forwarded.
func TestRelayProtects(t *testing.T) {
	main := newRig(t, Options{})
	r := newEmptyRig(t, Options{Roles: func(role string, _ *db.Database, table *ovsdb.TableSchema, row *db.RowChange) error {
		if table.Name == "Config" {
			return ovsdb.PermissionError("not %s", table.Name)
		}
		return nil
	}})
	if err := r.AddRelay("things", Source{Targets: main.serve()}); err != nil {
		t.Fatal(err)
	}
	r.inStep()
	if err := r.AddRemote("ptcp:0:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	addr := r.remotes.find("ptcp:0:127.0.0.1").listener.Addr().String()
	got := pipeThrough(t, addr, `{"id":1,"method":"transact","params":["things",{"op":"insert","table":"Config","row":{}}]}`+
		`{"id":2,"method":"convert","params":["things",`+testSchema+`]}`+
		`{"id":3,"method":"transact","params":["things",{"op":"insert","table":"Thing","row":{"name":"a"}}]}`)
	if strings.Count(got, "permission error") != 2 {
		t.Errorf("answered with %s", got)
	}
	main.dial().has("a")
	if n := main.dial().count("Config"); n != 0 {
		t.Errorf("%d rows were inserted", n)
	}
}

// TestForwardedAndLost: the answer to a transaction that was sent and whose connection ended is not
// known, which its client is told.
func TestForwardedAndLost(t *testing.T) {
	main := newRig(t, Options{})
	r := newRelay(t, main.serve())
	r.inStep()
	c := r.dial()
	answered := make(chan error, 1)
	go func() {
		_, err := c.call("transact", `["things",{"op":"insert","table":"Thing","row":{"name":"b"}},`+
			`{"op":"wait","table":"Config","where":[],"columns":["targets"],"until":"!=","rows":[],"timeout":60000}]`)
		answered <- err
	}()
	// The wait is not met here either, so that it is the relay that holds it: met at the relay, not at
	// the source, is what can't be had. A batch of its own has the source wait.
	testenv.Eventually(t, patience, func() error {
		if r.Usage().Triggers != 1 {
			return errors.New("nothing waits")
		}
		return nil
	})
	d := r.find("things")
	d.do(func() { // as if it had been forwarded, and not answered
		tr := d.triggers[0]
		tr.wait = nil
		d.forward(tr)
	})
	testenv.Eventually(t, patience, func() error {
		if main.Usage().Triggers != 1 {
			return errors.New("nothing waits at the source")
		}
		return nil
	})
	main.Reconnect("test")
	if err := <-answered; err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("answered with %v", err)
	}
	r.inStep()
	c.insert("c", 1)
}

func newBackup(t testing.TB, cfg Source) *rig {
	t.Helper()
	r := newRig(t, Options{})
	if err := r.Backup("things", cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBackup: a backup has what the active server has, and nothing else; it goes on from there
// when it is made the active one, and the other becomes its backup with what is different.
func TestBackup(t *testing.T) {
	active := newRig(t, Options{})
	ac := active.dial()
	ac.insert("a", 1)
	ac.transact(`{"op":"insert","table":"Config","row":{"targets":["set",["x"]]}}`)
	b := newBackup(t, Source{Targets: active.serve()})
	b.inStep()
	bc := b.dial()
	bc.has("a")
	const insert = `["things",{"op":"insert","table":"Thing","row":{"name":"no"}}]`
	sameJSON(t, "write", bc.must("transact", insert).String(),
		`[{"error":"not allowed","details":"insert operation not allowed when database server is in read only mode"}]`)
	bc.fails("convert", `["things",`+testSchema+`]`, `{"error":"not allowed","details":"conversion is not allowed for read-only database things"}`)
	watcher := b.dial()
	watcher.must("monitor", `["things","m",{"Thing":[{"columns":["name"]}]}]`)

	// It was away, and gets what is different: nothing is taken away and given again.
	if err := b.Activate("things"); err != nil {
		t.Fatal(err)
	}
	ac.insert("b", 2)
	size := b.find("things").file.Size()
	if err := b.Backup("things", Source{Targets: active.serveAs("second")}); err != nil {
		t.Fatal(err)
	}
	b.inStep()
	bc.has("a", "b")
	if n := watcher.next(); strings.Contains(n.params, `"a"`) || !strings.Contains(n.params, `"b"`) {
		t.Errorf("the monitor of the backup tells %s", n.params)
	}
	if grown := b.find("things").file.Size() - size; grown > 500 {
		t.Errorf("the file has grown by %d bytes for one row", grown)
	}

	// The roles change.
	if err := b.Activate("things"); err != nil {
		t.Fatal(err)
	}
	bc.insert("c", 3)
	bc.transact(`{"op":"delete","table":"Thing","where":[["name","==","a"]]}`)
	if err := active.Backup("things", Source{Targets: b.serve()}); err != nil {
		t.Fatal(err)
	}
	active.inStep()
	ac.has("b", "c")
	// What it has outlives it.
	if err := active.Close(); err != nil {
		t.Fatal(err)
	}
	again := newEmptyRig(t, Options{})
	if _, err := again.AddDatabase(filepath.Join(active.dir, "things.db")); err != nil {
		t.Fatal(err)
	}
	again.dial().has("b", "c")
}

// TestBackupExcludes: tables that are excluded stay as they are.
func TestBackupExcludes(t *testing.T) {
	active := newRig(t, Options{})
	ac := active.dial()
	ac.insert("a", 1)
	ac.transact(`{"op":"insert","table":"Config","row":{"targets":"x"}}`)
	b := newRig(t, Options{})
	bc := b.dial()
	bc.transact(`{"op":"insert","table":"Config","row":{"targets":"own"}}`)
	if err := b.Backup("things", Source{Targets: active.serve(), Exclude: []string{"Config"}}); err != nil {
		t.Fatal(err)
	}
	b.inStep()
	ac.transact(`{"op":"update","table":"Config","where":[],"row":{"targets":"y"}}`)
	ac.insert("b", 1)
	bc.has("a", "b")
	sameJSON(t, "Config", bc.transact(`{"op":"select","table":"Config","where":[],"columns":["targets"]}`).String(), `[{"rows":[{"targets":"own"}]}]`)
}

// TestBackupFails: a backup of itself, one with another schema, and one that can't have what it is told end
// being one, and say so.
func TestBackupFails(t *testing.T) {
	other := newEmptyRig(t, Options{})
	if _, err := other.AddDatabase(other.create("more.db", strings.Replace(testSchema, `"n":{`, `"more":{"type":"integer"},"n":{`, 1))); err != nil {
		t.Fatal(err)
	}
	active := newRig(t, Options{})
	active.dial().transact(`{"op":"insert","table":"Manager","uuid-name":"m","row":{"target":"tcp:192.0.2.1"}}`,
		`{"op":"insert","table":"Config","row":{"managers":["named-uuid","m"]}}`)
	r := newRig(t, Options{})
	for _, tt := range []struct {
		cfg  Source
		want string
	}{
		{Source{Targets: r.serve()}, "the source is this server itself"},
		{Source{Targets: other.serve()}, "Column more not present in the local db schema table Thing."},
		{Source{Targets: active.serve(), Exclude: []string{"Manager"}}, "referential integrity violation"},
	} {
		failed := make(chan error, 1)
		tt.cfg.Failed = func(err error) { failed <- err }
		if err := r.Backup("things", tt.cfg); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-failed:
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("failed with %v, want %s", err, tt.want)
			}
		case <-time.After(patience):
			t.Fatal("it goes on")
		}
		if state, _ := r.SourceState("things"); state != SourceFailed {
			t.Errorf("the state is %d", state)
		}
		if err := r.Activate("things"); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(r.log.String(), "Self replicating is not allowed") {
		t.Error("not logged as the C server does")
	}
	r.dial().insert("a", 1)
	if err := r.Backup("things", Source{Targets: "tcp:"}); err == nil {
		t.Error("a source that is none is taken")
	}
	// A schema that has more than that of the source will do.
	if err := other.Backup("things", Source{Targets: active.serveAs("second")}); err != nil {
		t.Fatal(err)
	}
	other.inStep()
	if n := other.dial().count("Manager"); n != 1 {
		t.Errorf("there are %d managers", n)
	}
	if err := other.Activate("things"); err != nil {
		t.Error(err)
	}
}
