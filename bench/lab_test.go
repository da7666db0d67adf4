package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// The first thread of the process must not be one that enters a namespace: it would keep it.
func init() { runtime.LockOSThread() }

// gateway is "vtep run" with the eBPF plane in the picture of package lab.
type gateway struct {
	b      *testing.B
	build  build
	lab    *lab.Lab
	env    *testenv.Env
	name   string
	pins   string
	socket string
	cmd    *exec.Cmd
	log    string
}

var gateways atomic.Int32 // numbers their names

// newGateway builds the picture for the VTEP of that build. None runs yet.
func newGateway(b *testing.B, p build) *gateway {
	b.Helper()
	testenv.Root(b)
	g := &gateway{b: b, build: p, env: testenv.OVS(b), name: fmt.Sprintf("b%dn%d", os.Getpid(), gateways.Add(1))}
	g.pins, g.log = testenv.Pins(b), filepath.Join(g.env.LogDir, "vtep.log")
	g.socket = filepath.Join(g.env.RunDir, "db.sock")
	var err error
	if g.lab, err = lab.Up(g.name); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := g.lab.Down(); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() {
		if g.cmd != nil {
			g.exit("--cleanup")
		}
	})
	return g
}

// start starts the VTEP, and returns when it is ready.
func (g *gateway) start(args ...string) {
	g.b.Helper()
	g.launch(args...)
	g.ready()
}

// launch starts the VTEP.
func (g *gateway) launch(args ...string) {
	g.b.Helper()
	all := append([]string{"run", g.name, "--rundir=" + g.env.RunDir, "--pin-dir=" + g.pins, "--db=" + g.database(),
		"--tunnel-ip=" + lab.TunnelIP.String(), "--port=p0", "--port=p1"}, args...)
	g.cmd = exec.Command(g.build.program("vtep"), all...)
	g.cmd.Env, g.cmd.Dir = g.env.Env, g.env.RunDir
	f, err := os.Create(g.log)
	if err != nil {
		g.b.Fatal(err)
	}
	defer f.Close()
	g.cmd.Stdout, g.cmd.Stderr = f, f
	if err := g.lab.Namespace(lab.VTEP).Start(g.cmd); err != nil {
		g.cmd = nil
		g.b.Fatal(err)
	}
}

// ready waits until the VTEP says that forwarding is what the rows say.
func (g *gateway) ready() {
	g.b.Helper()
	await(g.b, "the VTEP is ready", func() bool {
		out, err := os.ReadFile(g.log)
		if err != nil || ended(g.cmd.Process.Pid) {
			g.b.Fatalf("the VTEP ended: %v\n%s", err, out)
		}
		return strings.Contains(string(out), "|running")
	})
}

func (g *gateway) database() string { return filepath.Join(g.env.DBDir, "vtep.db") }

// ended says whether a process has ended that nobody has waited for.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(state, "Z")
}

// control gives the VTEP a command, which it must accept.
func (g *gateway) control(command string, args ...string) string {
	g.b.Helper()
	text, err := g.call(command, args...)
	if err != nil {
		g.b.Fatalf("%s: %v", command, err)
	}
	return text
}

func (g *gateway) call(command string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return daemon.Call(ctx, filepath.Join(g.env.RunDir, fmt.Sprintf("vtep.%d.ctl", g.cmd.Process.Pid)), command, args...)
}

// exit ends the VTEP.
func (g *gateway) exit(args ...string) {
	g.b.Helper()
	_, err := g.call("exit", args...)
	if err == nil {
		err = g.cmd.Wait()
	}
	if err != nil {
		_ = g.cmd.Process.Kill()
		out, _ := os.ReadFile(g.log)
		g.b.Errorf("end the VTEP: %v\n%s", err, out)
	}
	g.cmd = nil
}

// bind gives p0 a logical switch for each of the VLANs [from, to), with a remote MAC each,
// and returns them.
func (g *gateway) bind(c *client, from, to int) []network {
	g.b.Helper()
	return c.bind(lab.RemoteIP.String(), hwvtep.UUID{}, from, to)
}
