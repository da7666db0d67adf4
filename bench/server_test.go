package bench

import (
	"bytes"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/testenv"
)

// patience is how long anything may take on a busy machine.
const patience = 5 * time.Minute

// The contenders. The C server syncs the file only for transactions that ask for it, which
// "client" does too, so these two are alike; "always", the default of this project, syncs for
// each answer.
const (
	always    = "always"
	onRequest = "client"
	cServer   = "C"
)

// contenders are these and, where there is one, the older build, which does what onRequest does.
func contenders(b *testing.B, names ...string) []string {
	if _, ok := olderBuild(b); ok {
		names = append(slices.Clone(names), before)
	}
	return names
}

// server is a running ovsdb-server.
type server struct {
	b      *testing.B
	name   string // of the contender
	env    *testenv.Env
	socket string
	db     string
	cmd    *exec.Cmd
	args   []string
	path   string
	out    bytes.Buffer
}

// newServer prepares a server with an empty database.
func newServer(b *testing.B, name string) *server {
	b.Helper()
	s := &server{b: b, name: name, env: testenv.OVS(b)}
	s.socket, s.db = filepath.Join(s.env.RunDir, "db.sock"), filepath.Join(s.env.DBDir, "vtep.db")
	l, err := storage.Create(s.db, hwvtep.Schema().AppendJSON(nil), storage.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	s.args = []string{"--remote=punix:" + s.socket, "--unixctl=" + filepath.Join(s.env.RunDir, "ctl"), "-vconsole:warn", "--no-chdir"}
	switch name {
	case cServer:
		s.path = testenv.Program(b, "ovsdb-server")
	case before:
		older, _ := olderBuild(b)
		s.path = older.program("ovsdb-server")
		s.args = append(s.args, "--durability="+onRequest)
	default:
		s.path = thisBuild(b).program("ovsdb-server")
		s.args = append(s.args, "--durability="+name)
	}
	s.args = append(s.args, s.db)
	b.Cleanup(s.stop)
	return s
}

// startServers starts one of each.
func startServers(b *testing.B, names ...string) []*server {
	b.Helper()
	var all []*server
	for _, name := range names {
		s := newServer(b, name)
		s.start()
		all = append(all, s)
	}
	return all
}

// start returns when the server answers from its database.
func (s *server) start() {
	s.b.Helper()
	s.cmd = s.env.Command(s.path, s.args...)
	s.cmd.Stderr = &s.out
	if err := s.cmd.Start(); err != nil {
		s.b.Fatal(err)
	}
	await(s.b, s.name+" listens", func() bool {
		nc, err := net.Dial("unix", s.socket)
		if err != nil {
			return false
		}
		nc.Close()
		return true
	})
	c := dial(s.b, s.socket)
	defer c.close()
	c.send(request("transact", []byte(`["hardware_vtep",{"op":"select","table":"Global","where":[]}]`)))
	c.committed()
}

func (s *server) pid() int { return s.cmd.Process.Pid }

func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(unix.SIGTERM)
	_ = s.cmd.Wait() // the C server ends by the signal
	s.cmd = nil
	if s.b.Failed() && s.out.Len() > 0 {
		s.b.Logf("%s: %s", s.name, s.out.String())
	}
}

// resident is the memory of a process, in MiB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	return float64(testenv.Memory(b, pid, "VmRSS")) / 1024
}

// await calls ready until it is true: often, but no more often than the answer can tell in what takes long.
func await(b *testing.B, what string, ready func() bool) {
	b.Helper()
	for start := time.Now(); !ready(); {
		waited := time.Since(start)
		if waited > patience {
			b.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(min(200*time.Microsecond+waited/100, 5*time.Millisecond))
	}
}
