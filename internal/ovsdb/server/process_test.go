package server

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/testenv"
)

// childVariable makes the test program a server instead: "DURABILITY DATABASE SOCKET".
const childVariable = "VTEP_TEST_OVSDB_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := runChild(os.Getenv(childVariable)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runChild(args string) error {
	var policy, path, socket string
	if _, err := fmt.Sscan(args, &policy, &path, &socket); err != nil {
		return err
	}
	opts := Options{}
	if policy == "client" {
		opts.Durability = DurableClient
	}
	s, err := New(opts)
	if err != nil {
		return err
	}
	if _, err := s.AddDatabase(path); err != nil {
		return err
	}
	if err := s.AddRemote("punix:" + socket); err != nil {
		return err
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
	return s.Close()
}

// process is a server in a process of its own, ours or the C one.
type process struct {
	cmd    *exec.Cmd
	socket string
	exited chan struct{}
	output bytes.Buffer // valid after exited
}

// startOurs serves the database at path with the durability policy named.
func startOurs(t testing.TB, path, policy string) *process {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "db.sock")
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", childVariable, policy, path, socket))
	return startProcess(t, cmd, socket)
}

// startC serves the database at path with the C server.
func startC(t testing.TB, path string) *process {
	t.Helper()
	env := testenv.OVS(t)
	socket := filepath.Join(env.RunDir, "db.sock")
	return startProcess(t, env.Command(testenv.Program(t, "ovsdb-server"), "--no-chdir", "--remote=punix:"+socket, "-vconsole:off", path), socket)
}

func startProcess(t testing.TB, cmd *exec.Cmd, socket string) *process {
	t.Helper()
	p := &process{cmd: cmd, socket: socket, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.kill)
	for begun := time.Now(); ; time.Sleep(time.Millisecond) { // benchmarks measure it
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			return p
		}
		if time.Since(begun) > patience {
			t.Fatalf("does not listen: %v", err)
		}
	}
}

// kill ends the process without a chance to tidy up.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

func (p *process) dial(t testing.TB) *client {
	t.Helper()
	nc, err := stream.Options{}.Dial(context.Background(), "unix:"+p.socket)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, more: make(chan struct{}, 1)}
	c.Client = newClientOn(nc, c)
	t.Cleanup(sync.OnceFunc(func() { c.Close() }))
	return c
}

// createFile makes a database file.
func createFile(t testing.TB, schema string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	log, err := storage.Create(path, parseSchema(t, schema).AppendJSON(nil), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// resident is the resident memory of the process in kB.
func (p *process) resident(t testing.TB) float64 {
	t.Helper()
	return float64(testenv.Memory(t, p.cmd.Process.Pid, "VmRSS"))
}
