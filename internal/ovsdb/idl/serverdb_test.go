package idl_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// serverSchema and serverRow make a _Server database.
const serverSchema = `{"name":"_Server","version":"1.1.0","tables":{"Database":{"columns":{
	"name":{"type":"string"},"model":{"type":"string"},"connected":{"type":"boolean"},"leader":{"type":"boolean"}}}}}`

func serverRow(name, model string, connected, leader bool) string {
	return fmt.Sprintf(`{"Database":{"11111111-1111-1111-1111-111111111111":{"initial":
		{"name":%q,"model":%q,"connected":%v,"leader":%v}}}}`, name, model, connected, leader)
}

func TestUnfitServers(t *testing.T) {
	for _, tt := range []struct {
		name, row  string
		leaderOnly bool
		fit        bool
	}{
		{"standalone", serverRow("db", "standalone", true, false), true, true},
		{"leader", serverRow("db", "clustered", true, true), true, true},
		{"follower", serverRow("db", "clustered", true, false), true, false},
		{"follower will do", serverRow("db", "clustered", true, false), false, true},
		{"cut off", serverRow("db", "clustered", false, true), false, false},
		{"relay cut off", serverRow("db", "relay", false, true), false, false},
		{"relay", serverRow("db", "relay", true, false), false, true},
		{"relay is no leader", serverRow("db", "relay", true, false), true, false},
		{"other database", serverRow("other", "standalone", true, true), false, false},
		{"odd", `[]`, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serve := func(nc net.Conn) {
				honest().with("get_schema _Server", serverSchema).with("monitor_cond _Server", tt.row).serve(nc)
			}
			inBubble(t, idl.Options{Dial: dialer(serve), LeaderOnly: tt.leaderOnly}, func(c *idl.Client) {
				time.Sleep(10 * time.Second)
				if c.Connected() != tt.fit {
					t.Errorf("Connected() = %v: %v", c.Connected(), c.LastError())
				}
			})
		})
	}
}

// members are the servers of a cluster, as a script has them: what each says of itself, which may
// change; nothing: it cannot be reached.
type members struct {
	mu       sync.Mutex
	says     map[string]string // by target: the columns of the row
	open     map[string]net.Conn
	attempts map[string]int
}

const memberSchema = `{"name":"_Server","version":"1.2.0","tables":{"Database":{"columns":{
	"name":{"type":"string"},"model":{"type":"string"},"connected":{"type":"boolean"},"leader":{"type":"boolean"},
	"cid":{"type":{"key":"uuid","min":0}},"index":{"type":{"key":"integer","min":0}}}}}}`

func member(connected, leader bool, cluster string, index int) string {
	return fmt.Sprintf(`{"name":"db","model":"clustered","connected":%v,"leader":%v,"cid":["uuid",%q],"index":%d}`, connected, leader, cluster, index)
}

func (m *members) targets(names ...string) []client.Target {
	m.open, m.attempts = map[string]net.Conn{}, map[string]int{}
	var all []client.Target
	for _, name := range names {
		all = append(all, client.Target{Name: name, Dial: func(context.Context) (net.Conn, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.attempts[name]++
			if m.says[name] == "" {
				return nil, errors.New("refused")
			}
			here, there := net.Pipe()
			p := honest().with("get_schema _Server", memberSchema).
				with("monitor_cond _Server", `{"Database":{"11111111-1111-1111-1111-111111111111":{"initial":`+m.says[name]+`}}}`)
			m.open[name] = there
			go p.serve(there)
			return here, nil
		}})
	}
	return all
}

// change has a member say something else: on its connection, if there is one.
func (m *members) change(name, row string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.says[name] = row
	if nc := m.open[name]; nc != nil {
		_, _ = fmt.Fprintf(nc, `{"id":null,"method":"update2","params":["_Server",{"Database":{"11111111-1111-1111-1111-111111111111":{"modify":%s}}}]}`, row)
	}
}

// kill ends the connection to a member, which cannot be reached then.
func (m *members) kill(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.says[name] = ""
	m.open[name].Close()
	delete(m.open, name)
}

func (m *members) tries(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.attempts[name]
}

const (
	oneCluster   = "11111111-0000-0000-0000-000000000000"
	otherCluster = "22222222-0000-0000-0000-000000000000"
)

// A member that is behind what was seen is not used until it has caught up; one of a cluster that
// was made anew begins anew.
func TestStaleMember(t *testing.T) {
	m := &members{says: map[string]string{"a": member(true, true, oneCluster, 10), "b": member(true, false, oneCluster, 9)}}
	inBubble(t, idl.Options{Targets: m.targets("a", "b"), LeaderOnly: true}, func(c *idl.Client) {
		connected := func(want bool, when string) {
			t.Helper()
			time.Sleep(time.Minute)
			if c.Connected() != want {
				t.Errorf("%s: in step: %v (%v)", when, c.Connected(), c.LastError())
			}
		}
		connected(true, "with the leader")
		m.change("a", `{"index":12}`)
		m.change("b", member(true, true, oneCluster, 11)) // it does not know of the last one
		time.Sleep(time.Second)
		m.kill("a")
		connected(false, "with a leader that is behind")
		if err := c.LastError(); err == nil || !strings.Contains(err.Error(), "b: clustered database server has stale data") {
			t.Errorf("the reason is %v", err)
		}
		m.change("b", `{"index":12}`)
		connected(true, "with one that has caught up")
		m.kill("b")
		m.change("b", member(true, true, otherCluster, 1))
		connected(true, "with a cluster that was made anew")
	})
}

// Without a majority the members that live are connected to and not asked again, and the others
// are tried ever more rarely; what a member says has the others tried at once.
func TestWatchMembers(t *testing.T) {
	m := &members{says: map[string]string{"a": member(false, false, oneCluster, 7)}}
	inBubble(t, idl.Options{Targets: m.targets("a", "b", "c"), LeaderOnly: true}, func(c *idl.Client) {
		time.Sleep(time.Hour)
		if n := m.tries("a"); n != 1 {
			t.Errorf("%d attempts to connect to the one that lives", n)
		}
		if n := m.tries("b"); n < 3600/9 || n > 3600/7 {
			t.Errorf("%d attempts in an hour to connect to one that is dead", n)
		}
		m.change("b", member(true, true, oneCluster, 8)) // it is started, just after it was tried, and elected
		m.change("a", `{"connected":true}`)
		time.Sleep(10 * time.Millisecond)
		if !c.Connected() {
			t.Errorf("the new leader is not used at once: %v", c.LastError())
		}
		m.change("a", member(true, true, oneCluster, 8)) // it says so to whoever connects
		m.change("b", `{"leader":false}`)
		time.Sleep(10 * time.Millisecond)
		if !c.Connected() {
			t.Errorf("the other leader is not used at once: %v", c.LastError())
		}
	})
}

// One that is not the leader is used as soon as it is, on the connection that there is.
func TestElected(t *testing.T) {
	m := &members{says: map[string]string{"a": member(true, false, oneCluster, 7)}}
	inBubble(t, idl.Options{Targets: m.targets("a"), LeaderOnly: true}, func(c *idl.Client) {
		time.Sleep(time.Hour)
		m.change("a", `{"leader":true}`)
		time.Sleep(time.Millisecond)
		if n := m.tries("a"); n != 1 || !c.Connected() {
			t.Errorf("%d attempts, in step: %v", n, c.Connected())
		}
	})
}

// Only a database of the cluster that was asked for will do.
func TestClusterID(t *testing.T) {
	m := &members{says: map[string]string{"a": member(true, true, otherCluster, 7), "b": member(true, true, oneCluster, 7)}}
	inBubble(t, idl.Options{Targets: m.targets("a", "b"), Cluster: oneCluster}, func(c *idl.Client) {
		time.Sleep(time.Second)
		if !c.Connected() {
			t.Errorf("not in step: %v", c.LastError())
		}
		m.kill("b")
		time.Sleep(time.Minute)
		if err := c.LastError(); c.Connected() || err == nil || !strings.Contains(err.Error(), "a: server has no database of cluster "+oneCluster) {
			t.Errorf("in step: %v (%v)", c.Connected(), err)
		}
	})
}

func TestParseTargets(t *testing.T) {
	targets, cluster, err := idl.ParseTargets("tcp:192.0.2.1:6640, cid:"+oneCluster+",unix:/a,b,ptcp:6641", nil)
	if err != nil || len(targets) != 3 || cluster != oneCluster || targets[1].Name != "unix:/a,b" || !targets[2].Passive {
		t.Errorf("%+v, %s, %v", targets, cluster, err)
	}
	for _, list := range []string{"", "cid:" + oneCluster, "cid:x,tcp:192.0.2.1", "tcp:192.0.2.1,tcp:", "file:/x"} {
		if _, _, err := idl.ParseTargets(list, nil); err == nil {
			t.Errorf("%q is accepted", list)
		}
	}
}

// A server that adds and removes other databases does not disturb a client of one; when that one goes, it is
// missed at once and used again as soon as it is back.
func TestOtherDatabases(t *testing.T) {
	s, err := server.New(server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.AddMemory(hwvtep.Schema()); err != nil {
		t.Fatal(err)
	}
	var dials atomic.Int32
	c := run(t, idl.Options{Dial: func(context.Context) (net.Conn, error) { dials.Add(1); return s.Pipe() }})
	ready(t, c)
	other, err := wire.ParseString(peerSchema)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := ovsdb.ParseSchema(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.AddMemory(schema), s.RemoveDatabase("db")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Transact(context.Background(), []byte(`{"op":"insert","table":"Logical_Switch","row":{"name":"ls0"}}`)); err != nil || dials.Load() != 1 {
		t.Errorf("%v, %d connections", err, dials.Load())
	}
	if err := s.RemoveDatabase(hwvtep.Database); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, deadline, func() error { // the client hears of it, and dials to see whether it is back
		if err := c.LastError(); c.Connected() || err == nil || !strings.Contains(err.Error(), "does not have database") || dials.Load() == 1 {
			return fmt.Errorf("in step: %v (%v), %d connections", c.Connected(), err, dials.Load())
		}
		return nil
	})
	before := dials.Load()
	if err := s.AddMemory(hwvtep.Schema()); err != nil {
		t.Fatal(err)
	}
	ready(t, c)
	awaitSwitches(t, c)
	if n := dials.Load(); n != before {
		t.Errorf("%d connections more", n-before)
	}
}
