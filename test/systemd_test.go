package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// unit is what a unit file of systemd says of [Service], by key.
func unit(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Tree(t), "packaging", "systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	_, service, _ := strings.Cut(string(text), "\n[Service]\n")
	service, _, _ = strings.Cut(service, "\n[")
	for line := range strings.Lines(service) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			all[key] = value
		}
	}
	return all
}

// manager hears what a service tells systemd.
type manager struct {
	socket *net.UnixConn
	mu     sync.Mutex
	said   []string
}

func listenAsManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{socket: socket}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := socket.Read(b)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, string(b[:n]))
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { socket.Close(); <-done })
	return m
}

// hears waits until something was said that begins so, after the first n messages.
func (m *manager) hears(t *testing.T, n int, want string) (at int) {
	t.Helper()
	testenv.Eventually(t, patience, func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := n; i < len(m.said); i++ {
			if strings.HasPrefix(m.said[i], want) {
				at = i + 1
				return nil
			}
		}
		return fmt.Errorf("%q is not said: %q", want, m.said)
	})
	return at
}

// TestEVPNUnit starts EVPN by the command line of its unit, beside a file that is wrong: no more is wrong than that.
func TestEVPNUnit(t *testing.T) {
	config := filepath.Join(t.TempDir(), "vtep.yaml")
	if err := os.WriteFile(config, []byte("switch: br0\nevpn:\n  as: none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := unit(t, "vtep-evpn@.service")
	command := strings.NewReplacer("/usr/bin/vtep", filepath.Join(testenv.Binary(t), "vtep"), "/etc/vtep/%i.yaml", config, "%%", "%", "%i", "br0")
	words := strings.Fields(command.Replace(u["ExecStart"]))
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if want := "vtep evpn: " + config + ":3:7: as: a number"; err == nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
	if u["Type"] != "notify" || u["RuntimeDirectory"] != "vtep-evpn/%i" || u["CapabilityBoundingSet"] != "CAP_NET_BIND_SERVICE" {
		t.Errorf("the unit says %v", u)
	}
}

// TestSystemd runs a VTEP as its unit has it, as far as that is possible without systemd: by the command line of
// the unit, with no other capabilities than those of it, and with somebody who listens as systemd does. It
// forwards; a stop, a reload, and a start anew lose no packet.
func TestSystemd(t *testing.T) {
	w := newWorld(t)
	u := unit(t, "vtep@.service")
	if u["Type"] != "notify" || u["NoNewPrivileges"] != "yes" || u["ProtectSystem"] != "strict" || u["WatchdogSec"] == "" {
		t.Errorf("the unit says %v", u)
	}
	config := filepath.Join(w.env.DBDir, "vtep.yaml")
	text := "tunnel-ip: " + lab.TunnelIP.String() + "\nport: [p0, p1]\npin-dir: " + w.pins + "\n"
	if err := os.WriteFile(config, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	caps := []string{"-all"}
	for name := range strings.FieldsSeq(u["CapabilityBoundingSet"]) {
		caps = append(caps, "+"+strings.ToLower(strings.TrimPrefix(name, "CAP_")))
	}
	command := strings.NewReplacer("/usr/bin/vtep", filepath.Join(w.bin, "vtep"), "/etc/vtep/%i.yaml", config, "/run/vtep/%i", w.env.RunDir, "%%", "%", "%i", w.name)
	m := listenAsManager(t)
	start := func() {
		t.Helper()
		words := append([]string{"--bounding-set=" + strings.Join(caps, ","), "--no-new-privs", "--"}, strings.Fields(command.Replace(u["ExecStart"]))...)
		cmd := exec.Command(testenv.Program(t, "setpriv"), words...)
		cmd.Env, cmd.Dir = append(w.env.Env, "NOTIFY_SOCKET="+m.socket.LocalAddr().String(), "WATCHDOG_USEC=600000"), w.env.RunDir
		w.args = usual
		w.vtep = w.launchIn(cmd)
		w.ready()
	}
	start()
	n := m.hears(t, 0, "READY=1")
	n = m.hears(t, n, "STATUS=running: 2 ports, ")
	n = m.hears(t, n, "WATCHDOG=1\nSTATUS=running: 2 ports, ")
	w.howto(w.ours())
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host1, lab.Host2)
	w.reach(lab.Host2Tagged, lab.Host4)
	w.logged("INFO|state|tunnel changed")
	stop := w.pings()
	if out, status := w.run(strings.Fields(command.Replace(strings.ReplaceAll(u["ExecReload"], "/usr/bin/", "")))...); status != 0 || !strings.Contains(out, "nothing has changed") {
		t.Errorf("ExecReload: %d: %s", status, out)
	}
	if err := w.vtep.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	n = m.hears(t, n, "RELOADING=1\nMONOTONIC_USEC=")
	n = m.hears(t, n, "READY=1")
	w.closeReplica()
	if status := w.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("it ends with status %d", status)
	}
	n = m.hears(t, n, "STOPPING=1")
	start()
	m.hears(t, n, "READY=1")
	w.breathe(0)
	stop()
	w.reach(lab.Host1, lab.Host3)
}
