package idl_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

// switches returns the names of the logical switches of a snapshot, sorted.
func switches(s *idl.Snapshot) []string {
	names := []string{}
	for ls := range hwvtep.NewView(s).LogicalSwitches() {
		names = append(names, ls.Name)
	}
	slices.Sort(names)
	return names
}

// awaitSwitches waits until the logical switches are those named.
func awaitSwitches(t *testing.T, c *idl.Client, want ...string) {
	t.Helper()
	testenv.Eventually(t, deadline, func() error {
		s := c.Snapshot()
		if s == nil {
			return errors.New("no snapshot")
		}
		if got := switches(s); !slices.Equal(got, want) {
			return fmt.Errorf("logical switches are %q, want %q", got, want)
		}
		return nil
	})
}

func TestFollow(t *testing.T) {
	testenv.NoLeaks(t)
	server := startCServer(t)
	server.ctl("add-ps", "ps0", "--", "add-port", "ps0", "p0", "--", "add-ls", "ls0", "--", "bind-ls", "ps0", "p0", "7", "ls0")

	if s, d := idl.New(idl.Options{}).Take(); s != nil || d != nil {
		t.Errorf("Take() before a connection = %v, %v", s, d)
	}
	c := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	ready(t, c)
	s, d := c.Take()
	view := hwvtep.NewView(s)
	if !d.Reset || len(d.Rows(hwvtep.TablePhysicalPort)) != 1 || !c.Connected() || c.LastError() != nil {
		t.Errorf("first delta is %+v", d)
	}
	for p := range view.PhysicalPorts() {
		if ls, ok := view.LogicalSwitch(p.VLANBindings[7]); !ok || p.Name != "p0" || ls.Name != "ls0" {
			t.Errorf("port %+v is bound to %+v", p, ls)
		}
	}

	server.ctl("add-ls", "ls1", "--", "set", "Logical_Switch", "ls0", "tunnel_key=5", "other_config:a=b", "--", "unbind-ls", "ps0", "p0", "7")
	awaitSwitches(t, c, "ls0", "ls1")
	next, d := c.Take()
	if d.Reset {
		t.Error("an update is no reset")
	}
	kinds := map[string]int{}
	for before, after := range hwvtep.NewChanges(view.Layout(), d).LogicalSwitches() {
		switch {
		case before == nil:
			kinds["new "+after.Name]++
		case before.TunnelKey == hwvtep.Optional[int64]{} && after.TunnelKey == hwvtep.Some[int64](5) && after.OtherConfig["a"] == "b":
			kinds["changed "+after.Name]++
		}
	}
	if len(kinds) != 2 || kinds["new ls1"] != 1 || kinds["changed ls0"] != 1 || len(d.Rows(hwvtep.TablePhysicalPort)) != 1 {
		t.Errorf("changes are %v, delta %+v", kinds, d)
	}
	if got := switches(s); !slices.Equal(got, []string{"ls0"}) {
		t.Errorf("the snapshot before shows %q", got)
	}
	if next.Schema() != s.Schema() {
		t.Error("the schema changed")
	}
	if _, d = c.Take(); !d.Empty() {
		t.Errorf("delta of nothing is %+v", d)
	}

	server.ctl("del-ls", "ls1", "--", "clear", "Logical_Switch", "ls0", "tunnel_key")
	awaitSwitches(t, c, "ls0")
	if _, d = c.Take(); len(d.Rows(hwvtep.TableLogicalSwitch)) != 2 {
		t.Errorf("delta is %+v", d)
	}
}

func TestServerRestart(t *testing.T) {
	server := startCServer(t)
	server.ctl("add-ls", "stays", "--", "add-ls", "goes")
	c := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	before := ready(t, c)
	c.Take()

	server.stop()
	testenv.Eventually(t, deadline, func() error {
		if c.Connected() || c.LastError() == nil {
			return errors.New("still connected")
		}
		return nil
	})
	if _, err := c.Transact(context.Background(), nil); !errors.Is(err, idl.ErrNotConnected) {
		t.Errorf("Transact without a connection: %v", err)
	}
	if s, d := c.Take(); s == nil || !d.Empty() {
		t.Errorf("the replica did not outlive the connection: %v, %+v", s, d)
	}
	server.env.Output(t, "ovsdb-tool", "transact", server.db,
		`["hardware_vtep",{"op":"delete","table":"Logical_Switch","where":[["name","==","goes"]]},
		 {"op":"insert","table":"Logical_Switch","row":{"name":"comes"}}]`)
	server.start()

	after := ready(t, c)
	s, d := c.Take()
	changes := []string{}
	for old, now := range hwvtep.NewChanges(hwvtep.NewLayout(s.Schema()), d).LogicalSwitches() {
		if old != nil {
			changes = append(changes, "-"+old.Name)
		}
		if now != nil {
			changes = append(changes, "+"+now.Name)
		}
	}
	slices.Sort(changes)
	if !d.Reset || !slices.Equal(changes, []string{"+comes", "-goes"}) {
		t.Errorf("changes are %q, reset %v", changes, d.Reset)
	}
	// What stayed is the same in memory too.
	for row := range before.Table(hwvtep.TableLogicalSwitch).All() {
		if now := after.Table(hwvtep.TableLogicalSwitch).Get(row.UUID); now != nil && now != row {
			t.Errorf("row %v was replaced by an equal one", row.UUID)
		}
	}
	if before.Schema() != after.Schema() {
		t.Error("an equal schema is another pointer")
	}
}

// When the schema of the database changes, the client goes on with the new one.
func TestConvert(t *testing.T) {
	server := startCServer(t)
	server.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=5")
	c := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	old := ready(t, c).Schema()
	c.Take()

	text := strings.Replace(hwvtep.SchemaText, `"1.7.0"`, `"1.7.1"`, 1)
	text = strings.Replace(text, `"tunnel_key"`, `"a_new_column": {"type": "string"}, "tunnel_key"`, 1)
	path := filepath.Join(server.env.DBDir, "new.ovsschema")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	server.env.Output(t, "ovsdb-client", "convert", server.target, path)
	testenv.Eventually(t, deadline, func() error {
		if v := c.Snapshot().Schema().Version; v != "1.7.1" || !c.Connected() {
			return fmt.Errorf("schema is %s", v)
		}
		return nil
	})
	s, d := c.Take()
	if s.Schema() == old || !d.Reset || d.Len() != 0 {
		t.Errorf("delta of the same rows in another schema is %+v", d)
	}
	for ls := range hwvtep.NewView(s).LogicalSwitches() {
		if ls.Name != "ls0" || ls.TunnelKey != hwvtep.Some[int64](5) {
			t.Errorf("row is %+v", ls)
		}
	}
	server.ctl("set", "Logical_Switch", "ls0", "tunnel_key=6")
	testenv.Eventually(t, deadline, func() error {
		_, d := c.Take()
		for before, after := range hwvtep.NewChanges(hwvtep.NewLayout(s.Schema()), d).LogicalSwitches() {
			if before.TunnelKey == hwvtep.Some[int64](5) && after.TunnelKey == hwvtep.Some[int64](6) {
				return nil
			}
		}
		return fmt.Errorf("delta is %+v", d)
	})
}

func TestOnce(t *testing.T) {
	c := run(t, idl.Options{Once: true, Dial: idl.DialTarget("unix:/nonexistent/socket", nil)})
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if _, err := c.WaitReady(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("WaitReady() = %v", err)
	}
}

func TestPassive(t *testing.T) {
	server := startCServer(t)
	target := "punix:" + server.env.RunDir + "/passive"
	c := run(t, idl.Options{Passive: true, Dial: idl.DialTarget(target, nil)})
	testenv.Eventually(t, deadline, func() error {
		return server.env.Command("ovs-appctl", "-t", server.env.RunDir+"/ctl", "ovsdb-server/add-remote", target[1:]).Run()
	})
	server.ctl("add-ls", "ls0")
	ready(t, c)
	awaitSwitches(t, c, "ls0")
}
