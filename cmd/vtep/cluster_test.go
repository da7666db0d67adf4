package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// clusteredVTEP is a VTEP whose database is that of a cluster.
type clusteredVTEP struct {
	*testenv.Cluster
	t      *testing.T
	rundir string
	bin    string
	log    string
}

func newClusteredVTEP(t *testing.T, args ...string) *clusteredVTEP {
	t.Helper()
	c := &clusteredVTEP{t: t, Cluster: testenv.NewCluster(t, hwvtep.Database, hwvtep.SchemaText, 3), bin: filepath.Join(testenv.Binary(t), "vtep")}
	c.rundir = filepath.Join(c.RunDir, "vtep")
	c.log = filepath.Join(c.LogDir, "vtep.log")
	if err := os.Mkdir(c.rundir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := c.Command(c.bin, append([]string{"run", "br0", "--plane=memory", "--tunnel-ip=192.0.2.1", "--port=p0",
		"--rundir=" + c.rundir, "--connect=" + c.Targets(), "--log-file=" + c.log, "-vconsole:off"}, args...)...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("vtep run: %v\n%s", err, &output)
		}
		if t.Failed() {
			t.Logf("log:\n%s", readText(t, c.log))
		}
	})
	return c
}

func (c *clusteredVTEP) eventually(check func() error) {
	c.t.Helper()
	testenv.Eventually(c.t, 60*time.Second, check)
}

// ctl runs our vtep-ctl on the whole cluster until it succeeds: while a leader is elected there is
// nobody to ask.
func (c *clusteredVTEP) ctl(args ...string) string {
	c.t.Helper()
	var out []byte
	c.eventually(func() error {
		var err error
		cmd := c.Command(c.bin, append([]string{"ctl", "--db=" + c.Targets()}, args...)...)
		if out, err = cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	return string(out)
}

// tunnels waits until the VTEP has one Tunnel row for each of the peers, and no other.
func (c *clusteredVTEP) tunnels(peers ...string) {
	c.t.Helper()
	c.eventually(func() error {
		var got []string
		for _, line := range strings.Fields(c.ctl("list-tunnels", "br0")) {
			if strings.HasPrefix(line, "198.51.100.") {
				got = append(got, line)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, peers) {
			return fmt.Errorf("the tunnels are to %q, want %q", got, peers)
		}
		return nil
	})
}

func (c *clusteredVTEP) problems() string {
	out, err := c.Command(c.bin, "appctl", "--rundir", c.rundir, "vtep/problems").CombinedOutput()
	if err != nil {
		return err.Error() + ": " + string(out)
	}
	return string(out)
}

// TestCluster: a VTEP goes on with what is left of a cluster, and writes what it has to each row
// once, although the server that it writes to is killed while it does.
func TestCluster(t *testing.T) {
	c := newClusteredVTEP(t)
	c.eventually(func() error {
		if got := c.ctl("list-ports", "br0"); got != "p0\n" {
			return fmt.Errorf("ports are %q", got)
		}
		return nil
	})
	c.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33", "--", "bind-ls", "br0", "p0", "0", "ls0")
	var peers []string
	peer := func() {
		p := fmt.Sprintf("198.51.100.%d", 10+len(peers))
		peers = append(peers, p)
		c.ctl("add-ucast-remote", "ls0", fmt.Sprintf("00:00:5e:00:53:%02x", len(peers)), p)
	}
	for range 3 {
		peer()
		leader := c.Leader(t)
		leader.Kill(t) // while the VTEP writes the row of its tunnel, or before, or after
		c.tunnels(peers...)
		leader.Start(t)
	}
	if got := strings.TrimSpace(c.ctl("--bare", "--columns=name", "list", "Physical_Switch")); got != "br0" {
		t.Errorf("there are the physical switches %q", got)
	}

	leader := c.Leader(t)
	follower := c.Followers(leader)[0].Remote
	for _, tt := range []struct{ args, want string }{
		{"ctl --db=" + follower + " list-ls", "clustered database server is not cluster leader"},
		{"ctl --no-leader-only --db=" + follower + " list-ls", "ls0\n"},
		{"ctl --db=cid:00000000-0000-0000-0000-000000000001," + c.Targets() + " list-ls", "database is not of cluster"},
		{"ovsdb-client --no-leader-only dump " + follower + ",unix:/nonexistent " + hwvtep.Database + " Logical_Switch name", "ls0"},
		{"ovsdb-client dump " + follower + ",unix:/nonexistent " + hwvtep.Database + " Logical_Switch name", "no servers were available"},
		{"ovsdb-client dump " + c.Targets() + " " + hwvtep.Database + " Logical_Switch name", "ls0"},
	} {
		c.eventually(func() error { // the member was started a moment ago
			out, _ := c.Command(c.bin, strings.Fields(tt.args)...).CombinedOutput()
			if !strings.Contains(string(out), tt.want) {
				return fmt.Errorf("%s: %s", tt.args, out)
			}
			return nil
		})
	}
	gone := []*testenv.Member{leader, c.Followers(leader)[0]}
	for _, m := range gone {
		m.Kill(t)
	}
	c.eventually(func() error {
		if text := c.problems(); !strings.Contains(text, "no_database") || !strings.Contains(text, "disconnected from cluster") ||
			!strings.Contains(text, "majority") {
			return fmt.Errorf("the problems are %s", text)
		}
		return nil
	})
	for _, m := range gone {
		m.Start(t)
	}
	peer()
	c.tunnels(peers...)
	c.eventually(func() error {
		if text := c.problems(); strings.Contains(text, "no_database") {
			return fmt.Errorf("the problems are %s", text)
		}
		return nil
	})
}

// TestTunnelTwice: of two Tunnel rows to one peer, as there are when the answer to a transaction was lost and it was
// executed nevertheless, one goes: one that a controller has said nothing with.
func TestTunnelTwice(t *testing.T) {
	b := newVTEPBed(t)
	db := "unix:" + filepath.Join(b.env.RunDir, "db.sock")
	b.mustCtl(db, "add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33", "--", "bind-ls", "br0", "p0", "0", "ls0",
		"--", "add-ucast-remote", "ls0", "00:00:5e:00:53:01", "198.51.100.1")
	list := func() []string {
		t.Helper()
		out := b.run("vtep-ctl", "--db="+db, "--bare", "--columns=_uuid", "list", "Tunnel")
		ids := strings.Fields(out)
		slices.Sort(ids)
		return ids
	}
	var first string
	b.eventually(func() error {
		ids := list()
		if len(ids) != 1 {
			return fmt.Errorf("the rows are %q", ids)
		}
		first = ids[0]
		return nil
	})
	local, remote := strings.TrimSpace(b.run("vtep-ctl", "--db="+db, "get", "Tunnel", first, "local")),
		strings.TrimSpace(b.run("vtep-ctl", "--db="+db, "get", "Tunnel", first, "remote"))
	for _, params := range []string{"", "bfd_params:enable=false"} {
		args := []string{"--db=" + db, "--id=@t", "create", "Tunnel", "local=" + local, "remote=" + remote}
		if params != "" {
			args = append(args, params)
		}
		made := strings.TrimSpace(b.run("vtep-ctl", append(args, "--", "add", "Physical_Switch", "br0", "tunnels", "@t")...))
		b.eventually(func() error {
			ids := list()
			switch {
			case len(ids) != 1:
				return fmt.Errorf("the rows are %q", ids)
			case params != "" && ids[0] != made:
				return fmt.Errorf("the row of a controller has gone: %q, want %s", ids, made)
			}
			return nil
		})
	}
}
