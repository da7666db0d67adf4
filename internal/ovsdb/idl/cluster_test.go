package idl_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

// watched are the members of a cluster as a client is told of them: it notes what is dialled.
type watched struct {
	*testenv.Cluster
	attempts atomic.Int32

	mu   sync.Mutex
	last map[string]int // by target: connections that are open
}

func (w *watched) targets(t testing.TB) []client.Target {
	t.Helper()
	targets, _, err := idl.ParseTargets(w.Targets(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range targets {
		dial, name := targets[i].Dial, targets[i].Name
		targets[i].Dial = func(ctx context.Context) (net.Conn, error) {
			w.attempts.Add(1)
			nc, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			w.count(name, 1)
			return &counted{Conn: nc, close: func() { w.count(name, -1) }}, nil
		}
	}
	return targets
}

func (w *watched) count(name string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[name] += n
}

// connected lists the targets that there are connections to.
func (w *watched) connected() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for name, n := range w.last {
		for range n {
			all = append(all, name)
		}
	}
	return strings.Join(all, ",")
}

type counted struct {
	net.Conn
	once  sync.Once
	close func()
}

func (c *counted) Close() error {
	c.once.Do(c.close)
	return c.Conn.Close()
}

// addSwitch has the leader insert a logical switch, as soon as there is one: the C program tries each
// member once.
func (w *watched) addSwitch(t testing.TB, name string) {
	t.Helper()
	testenv.Eventually(t, deadline, func() error {
		out, err := w.Command("vtep-ctl", "--db="+w.Targets(), "--timeout=60", "--", "--may-exist", "add-ls", name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// uses waits until the client is in step by way of a member, and of no other.
func (w *watched) uses(t testing.TB, c *idl.Client, m *testenv.Member) {
	t.Helper()
	testenv.Eventually(t, deadline, func() error {
		if got := w.connected(); !c.Connected() || got != m.Remote {
			return fmt.Errorf("connected to %s, want %s (in step: %v, %v)", got, m.Remote, c.Connected(), c.LastError())
		}
		return nil
	})
}

// The client goes where the leader is: when another member becomes it, when its server dies, and
// when it has come back; without a majority it is nowhere, and tries no more than it must.
func TestFollowLeader(t *testing.T) {
	testenv.NoLeaks(t)
	w := &watched{Cluster: testenv.NewCluster(t, hwvtep.Database, hwvtep.SchemaText, 3), last: map[string]int{}}
	c := run(t, idl.Options{Targets: w.targets(t), LeaderOnly: true})
	leader := w.Leader(t)
	ready(t, c)
	w.uses(t, c, leader)
	w.addSwitch(t, "ls0")
	awaitSwitches(t, c, "ls0")
	c.Take()

	// Another one is made the leader.
	leader.Control(t, "cluster/failure-test", "transfer-leadership")
	testenv.Eventually(t, deadline, func() error {
		if w.Leader(t) == leader {
			return errors.New("the leader is the same as before")
		}
		return nil
	})
	leader = w.Leader(t)
	w.uses(t, c, leader)
	w.addSwitch(t, "ls1")
	awaitSwitches(t, c, "ls0", "ls1")
	if _, d := c.Take(); !d.Reset || len(d.Rows(hwvtep.TableLogicalSwitch)) != 1 {
		t.Errorf("delta over the change of the leader is %+v", d)
	}

	// The leader dies.
	leader.Kill(t)
	second := w.Leader(t)
	w.uses(t, c, second)
	w.addSwitch(t, "ls2")
	awaitSwitches(t, c, "ls0", "ls1", "ls2")

	// One more dies: there is no majority, and the one that lives is watched.
	second.Kill(t)
	survivor := w.Followers(second)[0]
	testenv.Eventually(t, deadline, func() error {
		if c.Connected() || w.connected() != survivor.Remote || c.LastError() == nil ||
			!strings.Contains(c.LastError().Error(), "disconnected from cluster") {
			return fmt.Errorf("in step: %v, connected to %s: %v", c.Connected(), w.connected(), c.LastError())
		}
		return nil
	})
	if _, err := c.Transact(context.Background(), nil); !errors.Is(err, idl.ErrNotConnected) {
		t.Errorf("Transact without a majority: %v", err)
	}
	if s := c.Snapshot(); len(switches(s)) != 3 {
		t.Errorf("the replica did not outlive the majority: %q", switches(s))
	}

	// It comes back.
	second.Start(t)
	w.uses(t, c, w.Leader(t))
	w.addSwitch(t, "ls3")
	awaitSwitches(t, c, "ls0", "ls1", "ls2", "ls3")
	leader.Start(t)

	// All of them die and come back.
	for _, m := range w.Members {
		m.Kill(t)
	}
	testenv.Eventually(t, deadline, func() error {
		if c.Connected() || w.connected() != "" {
			return errors.New("still connected")
		}
		return nil
	})
	for _, m := range w.Members {
		m.Start(t)
	}
	w.uses(t, c, w.Leader(t))
	c.Take()
	w.addSwitch(t, "ls4")
	awaitSwitches(t, c, "ls0", "ls1", "ls2", "ls3", "ls4")
}

// Members come and go, and the schema is converted: the client goes on with the cluster as it is
// then. One that takes any member stays where it is when the leader changes.
func TestClusterChanges(t *testing.T) {
	testenv.NoLeaks(t)
	w := &watched{Cluster: testenv.NewCluster(t, hwvtep.Database, hwvtep.SchemaText, 3), last: map[string]int{}}
	w.Join(t)
	leader := w.Leader(t)
	follower := w.Followers(leader)[0]
	loyal := run(t, idl.Options{Dial: idl.DialTarget(follower.Remote, nil)})
	ready(t, loyal)
	c := run(t, idl.Options{Targets: w.targets(t), LeaderOnly: true})
	w.uses(t, c, leader)

	other := w.Followers(leader)[1]
	other.Control(t, "cluster/kick", hwvtep.Database, leader.ID(t))
	testenv.Eventually(t, deadline, func() error {
		if got := w.connected(); !c.Connected() || strings.Contains(got, leader.Remote) {
			return fmt.Errorf("connected to %s, which has %s removed: %v", got, leader.Remote, c.LastError())
		}
		return nil
	})
	w.addSwitch(t, "ls0")
	awaitSwitches(t, c, "ls0")
	awaitSwitches(t, loyal, "ls0")

	text := strings.Replace(hwvtep.SchemaText, `"1.7.0"`, `"1.7.1"`, 1)
	path := filepath.Join(w.DBDir, "new.ovsschema")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	w.Output(t, "ovsdb-client", "convert", w.Targets(), path)
	for _, replica := range []*idl.Client{c, loyal} {
		testenv.Eventually(t, deadline, func() error {
			if v := replica.Snapshot().Schema().Version; v != "1.7.1" || !replica.Connected() {
				return fmt.Errorf("schema is %s, in step: %v (%v)", v, replica.Connected(), replica.LastError())
			}
			return nil
		})
	}
	w.addSwitch(t, "ls1")
	awaitSwitches(t, c, "ls0", "ls1")
	awaitSwitches(t, loyal, "ls0", "ls1")
}
