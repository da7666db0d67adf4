package idl_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

// deadline is for what must happen, but may take its time on a loaded machine.
const deadline = 90 * time.Second

// cServer is the ovsdb-server of Open vSwitch with a hardware_vtep database.
type cServer struct {
	t      testing.TB
	env    *testenv.Env
	db     string
	target string
	cmd    *exec.Cmd // nil: not running
}

// startCServer starts one. It is stopped when the test ends.
func startCServer(t testing.TB) *cServer {
	t.Helper()
	return startServer(t, "create")
}

// startCCluster starts one that is a cluster of one member: such a server remembers
// transactions.
func startCCluster(t testing.TB) *cServer {
	t.Helper()
	return startServer(t, "create-cluster")
}

func startServer(t testing.TB, create string) *cServer {
	t.Helper()
	testenv.Program(t, "ovsdb-server")
	env := testenv.OVS(t)
	s := &cServer{t: t, env: env, db: filepath.Join(env.DBDir, "vtep.db"), target: "unix:" + filepath.Join(env.RunDir, "db.sock")}
	schema := filepath.Join(env.DBDir, "vtep.ovsschema")
	if err := os.WriteFile(schema, []byte(hwvtep.SchemaText), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{create, s.db, schema}
	if create == "create-cluster" {
		args = append(args, "unix:"+filepath.Join(env.RunDir, "raft"))
	}
	env.Output(t, "ovsdb-tool", args...)
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *cServer) start() {
	s.t.Helper()
	s.cmd = s.env.Command("ovsdb-server", "--remote=p"+s.target, "--unixctl="+filepath.Join(s.env.RunDir, "ctl"), s.db)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	testenv.Eventually(s.t, deadline, func() error {
		nc, err := idl.DialTarget(s.target, nil)(context.Background())
		if err == nil {
			nc.Close()
		}
		return err
	})
}

func (s *cServer) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait() // it ends by the signal
	s.cmd = nil
}

// ctl runs vtep-ctl and returns what it prints.
func (s *cServer) ctl(args ...string) string {
	s.t.Helper()
	return s.env.Output(s.t, "vtep-ctl", append([]string{"--db=" + s.target}, args...)...)
}

// run runs a client until the test ends.
func run(t testing.TB, opts idl.Options) *idl.Client {
	t.Helper()
	if opts.Database == "" {
		opts.Database = hwvtep.Database
	}
	c := idl.New(opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) && !opts.Once {
			t.Errorf("Run returned %v", err)
		}
	})
	return c
}

// ready waits until c is in step.
func ready(t testing.TB, c *idl.Client) *idl.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	s, err := c.WaitReady(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// transact executes tx, which must succeed.
func transact(t testing.TB, c *idl.Client, tx *hwvtep.Txn) []idl.OpResult {
	t.Helper()
	results, err := c.Transact(context.Background(), tx.Ops())
	if err != nil {
		t.Fatal(err)
	}
	return results
}
