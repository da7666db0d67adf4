package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// TestWithdrawLocals deletes logical switches for which Local rows are there. Each case begins
// with the same database, and is taken back at its end.
func TestWithdrawLocals(t *testing.T) {
	ref := func(n int) string { return `['uuid','` + id(n) + `']` }
	row := func(n int) string { return `'where':[['_uuid','==',['uuid','` + id(n) + `']]]` }
	remove := func(table string, n int) string { return `{'op':'delete','table':'` + table + `',` + row(n) + `}` }
	insert := func(n int, table, row string) string {
		return `{'op':'insert','table':'` + table + `','uuid':'` + id(n) + `','row':{` + row + `}}`
	}
	unbind := `{'op':'update','table':'Physical_Port','where':[],'row':{'vlan_bindings':['map',[]],'vlan_stats':['map',[]]}}`
	const (
		rowOther = 100 + iota
		rowOtherMAC
		rowOtherSet
		rowOtherMcast
		rowNew
		rowKeyed
		rowKeyedMAC
	)
	// A row of another switch of the same database, and one of a set of both.
	otherMAC := insert(rowOtherMAC, "Ucast_Macs_Local", `'MAC':'02:00:00:00:00:02','logical_switch':`+ref(rowLS)+`,'locator':`+ref(rowPeerLocator))
	shared := []string{
		insert(rowOtherSet, "Physical_Locator_Set", `'locators':['set',[`+ref(rowOwnLocator)+`,`+ref(rowPeerLocator)+`]]`),
		insert(rowOtherMcast, "Mcast_Macs_Local", `'MAC':'unknown-dst','logical_switch':`+ref(rowLS)+`,'locator_set':`+ref(rowOtherSet)),
	}
	keyed := []string{
		insert(rowKeyed, "Physical_Locator", `'dst_ip':'192.0.2.1','encapsulation_type':'vxlan_over_ipv4','tunnel_key':33`),
		insert(rowKeyedMAC, "Ucast_Macs_Local", `'MAC':'02:00:00:00:00:03','logical_switch':`+ref(rowLS)+`,'locator':`+ref(rowKeyed)),
	}
	// An address of IPv6 has many texts.
	written := []string{
		`{'op':'mutate','table':'Physical_Switch','where':[],'mutations':[['tunnel_ips','insert','2001:DB8:0::1']]}`,
		insert(rowKeyed, "Physical_Locator", `'dst_ip':'2001:db8::1','encapsulation_type':'vxlan_over_ipv4'`),
		insert(rowKeyedMAC, "Ucast_Macs_Local", `'MAC':'02:00:00:00:00:03','logical_switch':`+ref(rowLS)+`,'locator':`+ref(rowKeyed)),
	}
	env := db.Env{Cascade: withdrawLocals("br0")}
	for _, c := range []struct {
		name   string
		before []string
		ops    []string
		want   string         // of the error; empty: it is done
		left   map[string]int // rows of tables
	}{
		{"after the bindings", []string{unbind}, []string{remove("Logical_Switch", rowLS)}, "",
			map[string]int{"Ucast_Macs_Local": 0, "Mcast_Macs_Local": 0, "Logical_Switch": 0, "Physical_Locator_Set": 0}},
		{"with the bindings", nil, []string{unbind, remove("Logical_Switch", rowLS)}, "",
			map[string]int{"Ucast_Macs_Local": 0, "Mcast_Macs_Local": 0, "Logical_Switch": 0}},
		{"before the bindings", nil, []string{remove("Logical_Switch", rowLS), unbind}, "", map[string]int{"Logical_Switch": 0}},
		{"all switches", []string{unbind, insert(rowOther, "Logical_Switch", `'name':'ls1'`)}, []string{`{'op':'delete','table':'Logical_Switch','where':[]}`}, "",
			map[string]int{"Ucast_Macs_Local": 0, "Logical_Switch": 0}},
		{"by its name, and another of that name", []string{unbind}, []string{`{'op':'delete','table':'Logical_Switch','where':[['name','==','ls0']]}`,
			insert(rowNew, "Logical_Switch", `'name':'ls0','tunnel_key':34`)}, "", map[string]int{"Ucast_Macs_Local": 0, "Logical_Switch": 1}},
		{"after its rows were changed", []string{unbind}, []string{
			`{'op':'update','table':'Ucast_Macs_Local','where':[],'row':{'ipaddr':'203.0.113.9'}}`, remove("Logical_Switch", rowLS)}, "", map[string]int{"Ucast_Macs_Local": 0}},
		{"after its rows were deleted", []string{unbind}, []string{remove("Ucast_Macs_Local", rowUcastLocal), remove("Mcast_Macs_Local", rowMcastLocal),
			remove("Logical_Switch", rowLS)}, "", map[string]int{"Logical_Switch": 0}},
		{"of another switch", []string{unbind, insert(rowOther, "Logical_Switch", `'name':'ls1'`)}, []string{remove("Logical_Switch", rowOther)}, "",
			map[string]int{"Ucast_Macs_Local": 1, "Mcast_Macs_Local": 1, "Logical_Switch": 1}},
		{"own locators with a key", append([]string{unbind}, keyed...), []string{remove("Logical_Switch", rowLS)}, "", map[string]int{"Ucast_Macs_Local": 0}},
		{"own locators with another text", append([]string{unbind}, written...), []string{remove("Logical_Switch", rowLS)}, "", map[string]int{"Ucast_Macs_Local": 0}},

		{"bound", nil, []string{remove("Logical_Switch", rowLS)}, "1 remaining reference",
			map[string]int{"Ucast_Macs_Local": 1, "Mcast_Macs_Local": 1, "Logical_Switch": 1}},
		{"another switch's row", []string{unbind, otherMAC}, []string{remove("Logical_Switch", rowLS)}, "1 remaining reference",
			map[string]int{"Ucast_Macs_Local": 2, "Mcast_Macs_Local": 1, "Logical_Switch": 1}},
		{"a row of two switches", append([]string{unbind}, shared...), []string{remove("Logical_Switch", rowLS)}, "1 remaining reference",
			map[string]int{"Ucast_Macs_Local": 1, "Mcast_Macs_Local": 2}},
		{"a Remote row", []string{unbind, insert(rowOther, "Ucast_Macs_Remote", `'MAC':'02:00:00:00:00:09','logical_switch':`+ref(rowLS)+`,'locator':`+ref(rowPeerLocator))},
			[]string{remove("Logical_Switch", rowLS)}, "1 remaining reference", map[string]int{"Ucast_Macs_Local": 1}},
		{"no switch of that name", []string{unbind, `{'op':'update','table':'Physical_Switch','where':[],'row':{'name':'br1'}}`},
			[]string{remove("Logical_Switch", rowLS)}, "2 remaining reference", map[string]int{"Ucast_Macs_Local": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := vtepDatabase(t)
			if len(c.before) > 0 {
				write(t, d, db.Env{}, c.before...)
			}
			v, err := wire.ParseString(strings.ReplaceAll(`['hardware_vtep',`+strings.Join(c.ops, ",")+`]`, "'", `"`))
			if err != nil {
				t.Fatal(err)
			}
			rows := func() map[string]int {
				n := map[string]int{}
				for _, table := range d.Tables() {
					n[table.Schema().Name] = table.Len()
				}
				return n
			}
			before := rows()
			out := d.Transact(v, &env)
			if reply := string(out.Reply); c.want == "" && strings.Contains(reply, "error") || !strings.Contains(reply, c.want) {
				t.Errorf("%s; want %s", reply, c.want)
			}
			for table, n := range c.left {
				if got := d.Table(table).Len(); got != n {
					t.Errorf("%d rows of %s are left, want %d", got, table, n)
				}
			}
			if err := d.Check(); err != nil {
				t.Error(err)
			}
			if out.Changes == nil {
				return
			}
			d.Undo(out.Changes)
			if err := d.Check(); err != nil || fmt.Sprint(rows()) != fmt.Sprint(before) {
				t.Errorf("taken back: %v, want %v; %v", rows(), before, err)
			}
		})
	}
}

// TestDeleteLogicalSwitch has controllers delete logical switches that the VTEP has reported
// for: it succeeds at once, and monitors see all of it in one update.
func TestDeleteLogicalSwitch(t *testing.T) {
	b := newVTEPBed(t)
	ctl := func(words string) string {
		t.Helper()
		return b.run(testenv.Program(t, "vtep-ctl"), append([]string{"--db=unix:db.sock"}, strings.Fields(words)...)...)
	}
	reported := func(n int) {
		t.Helper()
		b.eventually(func() error {
			rows := b.run("ovsdb-client", "transact", "unix:db.sock", `["hardware_vtep",{"op":"select","table":"Mcast_Macs_Local","where":[]}]`)
			if got := strings.Count(rows, "unknown-dst"); got != n {
				return fmt.Errorf("%d rows: %s", got, rows)
			}
			return nil
		})
	}
	bind := func() {
		t.Helper()
		ctl("add-ls ls0 -- set Logical_Switch ls0 tunnel_key=33 -- bind-ls br0 p0 0 ls0")
		reported(1)
	}
	b.eventually(func() error { return b.env.Command("vtep-ctl", "--db=unix:db.sock", "list-ports", "br0").Run() })
	bind()
	nc, err := stream.Options{}.Dial(context.Background(), "unix:"+filepath.Join(b.env.RunDir, "db.sock"))
	if err != nil {
		t.Fatal(err)
	}
	updates := make(chan string, 100)
	c := jsonrpc.NewClient(nc, jsonrpc.Options{}, func(m jsonrpc.Message) { updates <- m.Params.String() })
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	call := func(method, params string) string {
		t.Helper()
		v, err := c.Call(ctx, method, []byte(params))
		if err != nil {
			t.Fatal(err)
		}
		return v.String()
	}
	call("monitor", `["hardware_vtep",0,{"Logical_Switch":{"columns":["name"]},"Mcast_Macs_Local":{"columns":["MAC"]},"Physical_Port":{"columns":["vlan_bindings"]}}]`)
	got := call("transact", `["hardware_vtep",{"op":"update","table":"Physical_Port","where":[["name","==","p0"]],"row":{"vlan_bindings":["map",[]]}},
		{"op":"delete","table":"Logical_Switch","where":[["name","==","ls0"]]}]`)
	if got != `[{"count":1},{"count":1}]` {
		t.Fatalf("answered %s", got)
	}
	update := <-updates
	for _, want := range []string{`"old":{"name":"ls0"}`, `"old":{"MAC":"unknown-dst"}`, `"old":{"vlan_bindings"`} {
		if !strings.Contains(update, want) {
			t.Errorf("update %s has not got %s", update, want)
		}
	}
	reported(0)
	for range 3 {
		bind()
		ctl("unbind-ls br0 p0 0 -- del-ls ls0")
		reported(0)
	}
}
