package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// clusterPatience is for what a cluster must do, but may take its time for on a loaded machine.
const clusterPatience = 120 * time.Second

// Cluster is a RAFT cluster of Open vSwitch's ovsdb-servers for one database.
type Cluster struct {
	*Env
	Database string
	Members  []*Member
	schema   string // its file
}

// Member is one of the servers, which may run or not.
type Member struct {
	Remote  string // where it serves the database
	cluster *Cluster
	file    string
	raft    string
	control string
	cmd     *exec.Cmd // nil: it does not run
}

// NewCluster makes a cluster of n members, which run until the test ends.
func NewCluster(t testing.TB, database, schema string, n int) *Cluster {
	t.Helper()
	Program(t, "ovsdb-server")
	c := &Cluster{Env: OVS(t), Database: database}
	c.schema = filepath.Join(c.DBDir, "schema")
	if err := os.WriteFile(c.schema, []byte(schema), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, m := range c.Members {
			m.Kill(t)
		}
	})
	for range n {
		c.Join(t)
	}
	return c
}

// Join adds a member and starts it.
func (c *Cluster) Join(t testing.TB) *Member {
	t.Helper()
	name := fmt.Sprintf("m%d", len(c.Members)+1)
	m := &Member{
		Remote: "unix:" + filepath.Join(c.RunDir, name+".sock"), cluster: c, file: filepath.Join(c.DBDir, name+".db"),
		raft: "unix:" + filepath.Join(c.RunDir, name+".raft"), control: filepath.Join(c.RunDir, name+".ctl"),
	}
	if len(c.Members) == 0 {
		c.Output(t, "ovsdb-tool", "create-cluster", m.file, c.schema, m.raft)
	} else {
		c.Output(t, "ovsdb-tool", "join-cluster", m.file, c.Database, m.raft, c.Members[0].raft)
	}
	c.Members = append(c.Members, m)
	m.Start(t)
	Eventually(t, clusterPatience, func() error {
		if status := m.Status(); !strings.Contains(status, "Status: cluster member") {
			return errors.New(name + " has not joined: " + status)
		}
		return nil
	})
	return m
}

// Targets lists the members with commas between them.
func (c *Cluster) Targets() string {
	all := make([]string, len(c.Members))
	for i, m := range c.Members {
		all[i] = m.Remote
	}
	return strings.Join(all, ",")
}

// Leader waits until the members that run have a leader, and returns it.
func (c *Cluster) Leader(t testing.TB) *Member {
	t.Helper()
	var leader *Member
	Eventually(t, clusterPatience, func() error {
		for _, m := range c.Members {
			if m.Running() && strings.Contains(m.Status(), "Role: leader") {
				leader = m
				return nil
			}
		}
		return errors.New("the cluster has no leader")
	})
	return leader
}

// Followers are the members that run and are not m.
func (c *Cluster) Followers(m *Member) []*Member {
	var all []*Member
	for _, other := range c.Members {
		if other != m && other.Running() {
			all = append(all, other)
		}
	}
	return all
}

// Running says whether the member was started.
func (m *Member) Running() bool { return m.cmd != nil }

// Start starts the member, and waits until it answers.
func (m *Member) Start(t testing.TB) {
	t.Helper()
	cmd := m.cluster.Command("ovsdb-server", "-vconsole:off", "--log-file="+m.file+".log", "--remote=p"+m.Remote, "--unixctl="+m.control, m.file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.cmd = cmd
	Eventually(t, clusterPatience, func() error {
		return m.cluster.Command("ovs-appctl", "-t", m.control, "version").Run()
	})
}

// Kill ends the member with SIGKILL, if it runs.
func (m *Member) Kill(t testing.TB) {
	t.Helper()
	if m.cmd == nil {
		return
	}
	if err := m.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = m.cmd.Wait() // it ends by the signal
	m.cmd = nil
	os.Remove(m.control)
}

// Status is what the member says of the cluster, with the errors if it says nothing.
func (m *Member) Status() string {
	out, err := m.cluster.Command("ovs-appctl", "-t", m.control, "cluster/status", m.cluster.Database).CombinedOutput()
	if err != nil {
		return err.Error() + ": " + string(out)
	}
	return string(out)
}

var serverID = regexp.MustCompile(`(?m)^Server ID: ([0-9a-f]{4})`)

// ID is what the commands about the cluster call the member.
func (m *Member) ID(t testing.TB) string {
	t.Helper()
	found := serverID.FindStringSubmatch(m.Status())
	if found == nil {
		t.Fatalf("the member has no ID: %s", m.Status())
	}
	return found[1]
}

// Control gives the member a control command, which it must accept.
func (m *Member) Control(t testing.TB, args ...string) {
	t.Helper()
	m.cluster.Output(t, "ovs-appctl", append([]string{"-t", m.control}, args...)...)
}
