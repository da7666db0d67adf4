package ovn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// The network of the management, and where the southbound database is in it.
const (
	centralIP = "10.3.3.1"
	managedIP = "10.3.3.2" // of the hypervisor
	sbPort    = "6642"
)

// cloud is OVN but for its hypervisor: the databases, and ovn-northd.
type cloud struct {
	*testenv.Env
	t       *testing.T
	ns      *namespace.Namespace
	bin     string // directory of our programs
	ovn     string // directory of OVN's; empty: those of testenv.Program
	version version
	trusted *testenv.Authority
}

// version of OVN.
type version struct{ year, month int }

func (v version) String() string { return fmt.Sprintf("%d.%02d", v.year, v.month) }

// tellsMACs says whether everybody gets to know what a VTEP has learned.
func (v version) tellsMACs() bool { return v.year > 26 || v.year == 26 && v.month >= 9 }

// newCloud starts one in a namespace of its own.
func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{Env: testenv.OVS(t), t: t, bin: testenv.Binary(t), ns: testnet.Quiet(t, "central"), trusted: testenv.NewAuthority(t, "cloud")}
	schemas := filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/ovn")
	if own := filepath.Join(testenv.Tree(t), ".cache/ovn"); exists(filepath.Join(own, ".complete")) {
		c.ovn, schemas = filepath.Join(own, "bin"), filepath.Join(own, "usr/share/ovn")
	}
	text := c.Output(t, c.program("ovn-northd"), "--version")
	if _, err := fmt.Sscanf(text, "ovn-northd %d.%d", &c.version.year, &c.version.month); err != nil {
		t.Fatalf("version %q: %v", text, err)
	}

	server := filepath.Join(c.bin, "ovsdb-server")
	for _, db := range []string{"nb", "sb"} {
		schema := filepath.Join(schemas, "ovn-"+db+".ovsschema")
		if !exists(schema) {
			testenv.Skip(t, "needs %s of OVN: run scripts/testdeps", schema)
		}
		c.Output(t, filepath.Join(c.bin, "ovsdb-tool"), "create", c.file(db+".db"), schema)
	}
	id := c.trusted.Issue("central")
	c.daemon(c.ns, c.Env, server, "--remote=punix:"+c.socket(), "--remote=db:OVN_Southbound,SB_Global,connections",
		"--private-key="+id.Key, "--certificate="+id.Cert, "--ca-cert="+c.trusted.File, c.file("nb.db"), c.file("sb.db"))
	testenv.Eventually(t, patience, func() error { return listens("unix", c.socket()) })
	c.daemon(c.ns, c.Env, c.program("ovn-northd"), "--ovnnb-db=unix:"+c.socket(), "--ovnsb-db=unix:"+c.socket())
	return c
}

// serve lets hypervisors come to the southbound database by TLS, each as itself.
func (c *cloud) serve() {
	c.t.Helper()
	c.sbctl("--id=@c", "create", "Connection", fmt.Sprintf(`target="pssl:%s:%s"`, sbPort, centralIP), "role=ovn-controller",
		"--", "set", "SB_Global", ".", "connections=@c")
}

func (c *cloud) file(name string) string { return filepath.Join(c.DBDir, name) }

// socket serves both databases.
func (c *cloud) socket() string { return filepath.Join(c.RunDir, "ovn.sock") }

// program returns the path of a program of OVN.
func (c *cloud) program(name string) string {
	c.t.Helper()
	if c.ovn == "" {
		return testenv.Program(c.t, name)
	}
	return filepath.Join(c.ovn, name)
}

// nbctl says what the tenant wants.
func (c *cloud) nbctl(args ...string) string {
	c.t.Helper()
	return c.Output(c.t, c.program("ovn-nbctl"), append([]string{"--db=unix:" + c.socket(), "--timeout=60"}, args...)...)
}

func (c *cloud) sbctl(args ...string) string {
	c.t.Helper()
	return strings.TrimSpace(c.Output(c.t, c.program("ovn-sbctl"), append([]string{"--db=unix:" + c.socket(), "--timeout=60"}, args...)...))
}

// fdb waits until the southbound database has the MAC of a host as a learned one.
func (c *cloud) fdb(h host) {
	c.t.Helper()
	testenv.Eventually(c.t, patience, func() error {
		if all := c.sbctl("--bare", "--columns=mac", "list", "FDB"); !strings.Contains(all, h.mac) {
			return fmt.Errorf("%s is not in the FDB of the southbound database:\n%s", h.mac, all)
		}
		return nil
	})
}

// process is a program in the foreground.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan error // gets what Wait returns
	over bool
}

// daemon starts a program in the foreground, in the namespace if there is one, and ends it with the
// test, in the reverse order of starts, or before. Its output is in the log directory of e, and
// shown when the test fails.
func (c *cloud) daemon(n *namespace.Namespace, e *testenv.Env, program string, args ...string) *process {
	t := c.t
	t.Helper()
	name := filepath.Base(program)
	p := &process{t: t, cmd: e.Command(program, args...), done: make(chan error, 1)}
	p.cmd.Env = append(p.cmd.Env, "OVN_RUNDIR="+e.RunDir, "OVN_LOGDIR="+e.LogDir)
	log, err := os.Create(filepath.Join(e.LogDir, name+".out"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	start := p.cmd.Start
	if n != nil {
		start = func() error { return n.Start(p.cmd) }
	}
	if err := start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		if !p.over {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			p.wait()
		}
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("---- %s %q\n%s", name, args, b[max(0, len(b)-6000):])
		}
	})
	return p
}

// wait waits for the end of the process, which must be a good one.
func (p *process) wait() {
	p.t.Helper()
	p.over = true
	select {
	case err := <-p.done:
		exit := (*exec.ExitError)(nil)
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
			err = nil // the programs of others don't catch it
		}
		if err != nil {
			p.t.Errorf("the end of %s: %v", filepath.Base(p.cmd.Path), err)
		}
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
		p.t.Errorf("%s does not end by itself", filepath.Base(p.cmd.Path))
	}
}

func listens(network, address string) error {
	conn, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
