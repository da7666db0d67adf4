package vtepctl_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/testenv"
)

// database is a server with an empty database of its own.
type database struct {
	env    *testenv.Env
	remote string

	observer *jsonrpc.Client // see dump; nil: not connected yet
	canon    canon           // of the last dump
}

// newDatabase starts a server; program is the path of an ovsdb-server.
func newDatabase(t *testing.T, program string) *database {
	t.Helper()
	return newDatabaseOf(t, program, hwvtep.SchemaText)
}

// newDatabaseOf is newDatabase with a schema of its own. More options for the server may follow.
func newDatabaseOf(t *testing.T, program, text string, options ...string) *database {
	t.Helper()
	env := testenv.OVS(t)
	schema := filepath.Join(env.DBDir, "vtep.ovsschema")
	if err := os.WriteFile(schema, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(env.DBDir, "vtep.db")
	env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", file, schema)
	socket := filepath.Join(env.RunDir, "db.sock")
	cmd := env.Command(program, append([]string{"-vconsole:off", "--remote=punix:" + socket, file}, options...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			break
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", program, stderr.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %s", program, stderr.String())
		}
	}
	return &database{env: env, remote: "unix:" + socket}
}

// result is what a run of a tool left.
type result struct {
	stdout, stderr string
	status         int
}

// ours returns the command that runs the tool of this package.
func (d *database) ours(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := d.env.Command(self, args...)
	cmd.Args[0] = programName
	return cmd
}

// theirs returns the command that runs the C tool.
func (d *database) theirs(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := d.env.Command(testenv.Program(t, "vtep-ctl"), args...)
	cmd.Args[0] = programName
	return cmd
}

// run runs a command to its end.
func run(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v", cmd.Args, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must runs our tool, which must succeed, and returns its output.
func (d *database) must(t *testing.T, args ...string) string {
	t.Helper()
	r := d.tool(t, args...)
	if r.status != 0 || r.stderr != "" {
		t.Fatalf("vtep-ctl %q: status %d\n%s", args, r.status, r.stderr)
	}
	return r.stdout
}
