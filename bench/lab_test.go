package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

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
	lab    *lab.Lab
	env    *testenv.Env
	name   string
	pins   string
	socket string
	cmd    *exec.Cmd
	log    string
}

var gateways atomic.Int32 // numbers their names

// newGateway builds the picture. No VTEP runs yet.
func newGateway(b *testing.B) *gateway {
	b.Helper()
	testenv.Root(b)
	g := &gateway{b: b, env: testenv.OVS(b), name: fmt.Sprintf("b%dn%d", os.Getpid(), gateways.Add(1))}
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

// start starts the VTEP and returns when it says that it is ready.
func (g *gateway) start(args ...string) {
	g.b.Helper()
	all := append([]string{"run", g.name, "--rundir=" + g.env.RunDir, "--pin-dir=" + g.pins, "--db=" + g.database(),
		"--tunnel-ip=" + lab.TunnelIP.String(), "--port=p0", "--port=p1"}, args...)
	g.cmd = exec.Command(filepath.Join(testenv.Binary(g.b), "vtep"), all...)
	g.cmd.Env, g.cmd.Dir = g.env.Env, g.env.RunDir
	f, err := os.Create(g.log)
	if err != nil {
		g.b.Fatal(err)
	}
	defer f.Close()
	g.cmd.Stdout, g.cmd.Stderr = f, f
	if err := g.lab.Namespace(lab.VTEP).Start(g.cmd); err != nil {
		g.b.Fatal(err)
	}
	await(g.b, "the VTEP is ready", func() bool {
		out, err := os.ReadFile(g.log)
		if err != nil || g.cmd.Process.Signal(unix.Signal(0)) != nil {
			g.b.Fatalf("the VTEP ended: %v\n%s", err, out)
		}
		return strings.Contains(string(out), "|running")
	})
}

func (g *gateway) database() string { return filepath.Join(g.env.DBDir, "vtep.db") }

// exit ends the VTEP.
func (g *gateway) exit(args ...string) {
	g.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ctl := filepath.Join(g.env.RunDir, fmt.Sprintf("vtep.%d.ctl", g.cmd.Process.Pid))
	_, err := daemon.Call(ctx, ctl, "exit", args...)
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

// tables are maps that the plane has pinned.
type tables struct {
	b       *testing.B
	remotes *ebpf.Map
	again   func() *ebpf.Map // opens it anew: a map that is full is replaced
	domain  uint32           // number of the logical switch
}

// open opens the plane's table of remote MACs, and finds out by which number it knows the
// logical switch.
func (g *gateway) open(ls hwvtep.UUID) *tables {
	g.b.Helper()
	load := func(name string) *ebpf.Map {
		found, err := filepath.Glob(filepath.Join(g.pins, "v*", name))
		if err != nil || len(found) != 1 {
			g.b.Fatalf("pinned map %s: found %q, %v", name, found, err)
		}
		m, err := ebpf.LoadPinnedMap(found[0], nil)
		if err != nil {
			g.b.Fatal(err)
		}
		g.b.Cleanup(func() { m.Close() })
		return m
	}
	t := &tables{b: g.b, remotes: load("remotes"), again: func() *ebpf.Map { return load("remotes") }}
	switches := load("switches")
	await(g.b, "the logical switch is in the plane", func() bool { return switches.Lookup([16]byte(ls), &t.domain) == nil })
	return t
}

// awaitMAC looks until MAC i is there.
func (t *tables) awaitMAC(i int) {
	hw, err := net.ParseMAC(mac(i))
	if err != nil {
		t.b.Fatal(err)
	}
	// struct mac_key of the plane's maps/mac.h: bd, mac, kind.
	key := binary.NativeEndian.AppendUint32(nil, t.domain)
	key = append(append(key, hw...), 0, 0)
	value := make([]byte, t.remotes.ValueSize())
	for start := time.Now(); ; {
		err := t.remotes.Lookup(key, value)
		if err == nil {
			return
		}
		if !errors.Is(err, ebpf.ErrKeyNotExist) {
			t.b.Fatal(err)
		}
		// What is awaited may be waiting for this processor.
		switch waited := time.Since(start); {
		case waited > patience:
			t.b.Fatalf("MAC %d is not in the map after %v", i, patience)
		case waited > 50*time.Millisecond:
			t.remotes = t.again()
			time.Sleep(5 * time.Millisecond)
		case waited > 2*time.Millisecond:
			time.Sleep(50 * time.Microsecond)
		default:
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
}
