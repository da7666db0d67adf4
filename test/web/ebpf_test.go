package web

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// The first thread of the process must not be one that enters a namespace: it would keep it.
func init() { runtime.LockOSThread() }

// pageAddress is where the VTEP of a lab serves its page, in its network namespace.
const pageAddress = "127.0.0.1:9480"

// newLabGateway is a VTEP that forwards, between the hosts of a lab.
func newLabGateway(t *testing.T) (*gateway, *lab.Lab) {
	t.Helper()
	testenv.Root(t)
	g := &gateway{t: t, env: testenv.OVS(t), bin: testenv.Binary(t)}
	l, err := lab.Up(fmt.Sprintf("w%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
	})
	g.url = "http://" + bridge(t, l)
	log := filepath.Join(g.env.LogDir, "vtep.log")
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := g.env.Command(filepath.Join(g.bin, "vtep"), "run", "br0", "--tunnel-ip="+lab.TunnelIP.String(), "--port=p0", "--port=p1", "--rundir="+g.env.RunDir,
		"--pin-dir="+testenv.Pins(t), "--db="+filepath.Join(g.env.DBDir, "vtep.db"), "--web="+pageAddress)
	cmd.Stdout, cmd.Stderr = out, out
	if err := l.Namespace(lab.VTEP).Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := g.vtep("appctl", "exit", "--cleanup"); err != nil {
			t.Errorf("%v: %s", err, out)
			_ = cmd.Process.Kill()
		}
		if err := cmd.Wait(); err != nil || t.Failed() {
			text, _ := os.ReadFile(log)
			t.Errorf("vtep run: %v\n%s", err, text)
		}
	})
	testenv.Eventually(t, patience, func() error {
		out, err := g.vtep("status")
		if err == nil && !strings.Contains(out, ": running, plane ebpf") {
			err = fmt.Errorf("it says %s", out)
		}
		return err
	})
	g.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", fmt.Sprintf("tunnel_key=%d", lab.VNIUntagged), "--", "bind-ls", "br0", "p0", "0", "ls0",
		"--", "bind-ls", "br0", "p1", "0", "ls0", "--", "add-mcast-remote", "ls0", "unknown-dst", lab.RemoteIP.String(), "--", "add-ucast-remote", "ls0", lab.Host3.MAC.String(), lab.RemoteIP.String())
	return g, l
}

// vtep runs a command about the VTEP, from outside of its network namespace.
func (g *gateway) vtep(command string, args ...string) (string, error) {
	out, err := exec.Command(filepath.Join(g.bin, "vtep"), append([]string{command, "--rundir=" + g.env.RunDir}, args...)...).CombinedOutput()
	return string(out), err
}

// bridge has what connects to an address of this machine be connected to the page in the lab.
func bridge(t *testing.T, l *lab.Lab) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			var far net.Conn
			if err := l.Namespace(lab.VTEP).Do(func() (err error) {
				far, err = net.Dial("tcp", pageAddress)
				return err
			}); err != nil {
				near.Close()
				continue
			}
			go func() { _, _ = io.Copy(far, near); far.Close() }()
			go func() { _, _ = io.Copy(near, far); near.Close() }()
		}
	}()
	return listener.Addr().String()
}

// TestForwarding looks at a VTEP that forwards, by the programs in the kernel: what it learns, counts, drops and captures is
// seen on the page, on all screens, and a trace is answered by the programs themselves.
func TestForwarding(t *testing.T) {
	g, l := newLabGateway(t)
	testenv.Eventually(t, patience, func() error {
		r, err := l.Ping(t.Context(), lab.H1, lab.Host3.IP.Addr(), 1, time.Millisecond)
		if err == nil && r.Received == 0 {
			err = fmt.Errorf("no reply")
		}
		return err
	})
	capture := exec.Command(filepath.Join(g.bin, "vtep"), "capture", "--rundir="+g.env.RunDir, "--filter=icmp or arp", "-w", filepath.Join(t.TempDir(), "x.pcapng"))
	if err := capture.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = capture.Process.Signal(syscall.SIGINT)
		if err := capture.Wait(); err != nil {
			t.Errorf("vtep capture: %v", err)
		}
	}()
	// Host 2 sends in a VLAN that nobody has bound.
	pinging, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for pinging.Err() == nil {
			_, _ = l.Ping(pinging, lab.H2, lab.Host4.IP.Addr(), 1, time.Millisecond)
			_, _ = l.Ping(pinging, lab.H1, lab.Host3.IP.Addr(), 20, 10*time.Millisecond)
		}
	}()
	defer func() { stop(); <-ended }()
	browser := newBrowser(t)
	for _, look := range []struct {
		name  string
		width int64
		dark  bool
	}{{"desk-light", 1280, false}, {"desk-dark", 1280, true}, {"hand-light", 390, false}, {"hand-dark", 390, true}} {
		b := newTab(t, browser, look.width, look.dark)
		for _, o := range []struct{ path, want string }{
			{"/", "unbound_vlan"}, {"/", "icmp or arp"}, {"/", "udp:*:4789"}, {"/ports", "kbit/s"}, {"/tunnels", "kbit/s"}, {"/macs", lab.Host1.MAC.String()}, {"/drops", "unbound_vlan"},
			{"/trace?port=p0&src=" + lab.Host1.MAC.String() + "&dst=" + lab.Host3.MAC.String(), "the program vtep_port says the same"},
		} {
			testenv.Eventually(t, patience, func() error {
				b.open(g.url + o.path)
				if text := b.text(); !strings.Contains(text, o.want) {
					return fmt.Errorf("%s lacks %q:\n%s", o.path, o.want, text)
				}
				return nil
			})
			b.faultless("ebpf-" + look.name + o.path)
		}
	}
}
