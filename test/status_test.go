package test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// shown is what "vtep status --json" prints, as far as tests look at it.
type shown struct {
	PID   int
	State string
	Ports []struct {
		Name, State, Why string
		Bindings, MACs   int
		InPackets        uint64  `json:"in_packets"`
		Rate             float64 `json:"in_packets_per_second"`
	}
	Switches []struct {
		Name      string
		VNI       int
		LocalMACs int `json:"local_macs"`
	} `json:"logical_switches"`
	Tunnels     []struct{ Remote, State string }
	Controllers []struct{ Target, State, Why string }
	Listeners   []struct{ Address, For, Who string }
	Captures    []struct {
		Options        string
		Captured, Lost uint64
	}
	Drops []struct {
		Reason      string
		Total, Rose int
	}
}

// status runs "vtep status".
func (w *world) status(args ...string) string {
	w.t.Helper()
	out, code := w.run(append([]string{"vtep", "status", "--rundir=" + w.env.RunDir}, args...)...)
	if code != 0 {
		w.t.Fatalf("vtep status: %d: %s", code, out)
	}
	return out
}

func (w *world) statusData() (s shown) {
	w.t.Helper()
	out := w.status("--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	return s
}

// TestStatus looks at a VTEP that forwards, as an operator does who was called in the night: what works, what
// was dropped of late, who is connected, and what is listened on.
func TestStatus(t *testing.T) {
	w := newWorld(t)
	w.args = append(w.args, usual...)
	w.start(append(usual, "--remote=ptcp:0:127.0.0.1")...)
	w.howto(w.ours())
	w.ctl("set-manager tcp:127.0.0.1:1")
	w.reach(lab.Host1, lab.Host3)
	w.learned("ls0", lab.Host1.MAC.String())
	stop := w.startPing(lab.H1, lab.Host3)
	testenv.Eventually(t, patience, func() error {
		if s := w.statusData(); s.Ports[0].Rate <= 0 {
			return fmt.Errorf("port %s has no rate while a host pings", s.Ports[0].Name)
		}
		return nil
	})
	stop()
	w.h1().Send(frame(broadcast, lab.Host1.MAC, "in no VLAN of ours", 666))
	testenv.Eventually(t, patience, func() error {
		s := w.statusData()
		for _, d := range s.Drops {
			if d.Reason == "unbound_vlan" && d.Rose > 0 {
				return nil
			}
		}
		return fmt.Errorf("the drop is not told of: %+v", s.Drops)
	})
	s := w.statusData()
	if s.State != "running" || len(s.Ports) != 2 || s.Ports[0].Name != "p0" || s.Ports[0].State != "up" || s.Ports[0].MACs == 0 {
		t.Errorf("%+v", s)
	}
	if len(s.Tunnels) != 1 || s.Tunnels[0].State != "up" || s.Tunnels[0].Remote != lab.RemoteIP.String() {
		t.Errorf("tunnels: %+v", s.Tunnels)
	}
	if len(s.Controllers) != 2 || s.Controllers[1].Target != "tcp:127.0.0.1:1" || s.Controllers[1].State == "connected" {
		t.Errorf("controllers: %+v", s.Controllers)
	}
	w.logged("|state|", "controller changed name=tcp:127.0.0.1:1 before=absent after=disconnected")
	checkListeners(t, s)
	for _, l := range s.Listeners {
		if target, ok := strings.CutPrefix(l.Address, "ptcp:"); ok {
			if out, code := w.run("vtep-ctl", "--db=tcp:"+target, "list-ls"); code != 0 {
				t.Errorf("vtep-ctl over TCP: %d: %s", code, out)
			}
			w.logged("|vtep|INFO|controller changed name=tcp:127.0.0.1:", "before=absent after=connected")
			w.logged("|vtep|INFO|controller changed name=tcp:127.0.0.1:", "before=connected after=absent")
		}
	}

	w.linkDown(lab.H1, "eth0")
	w.logged("|state|INFO|port changed name=p0 before=up after=down why=")
	screen := w.status()
	for _, want := range []string{"switch " + w.name + ": running, plane ebpf", "p0    down (", "PROBLEMS\n", "what to do: ip link set p0 up", "LISTENS ON", "ls0"} {
		if !strings.Contains(screen, want) {
			t.Errorf("%q is not on the screen:\n%s", want, screen)
		}
	}
	if n := strings.Count(screen, "\n"); n > 50 {
		t.Errorf("the screen has %d lines:\n%s", n, screen)
	}
	w.linkUp(lab.H1, "eth0")
	w.logged("|state|INFO|port changed name=p0 before=down after=up")
	w.signal(unix.SIGTERM)
	if out, code := w.run("vtep", "status", "--rundir="+w.env.RunDir); code != 1 || !strings.Contains(out, "no vtep runs") {
		t.Errorf("without a VTEP: %d: %s", code, out)
	}
	w.start(usual...)
}

// checkListeners wants every socket that the process listens on to be named.
func checkListeners(t *testing.T, s shown) {
	t.Helper()
	named := map[string]bool{}
	for _, l := range s.Listeners {
		if l.For == "" || l.Who == "" {
			t.Errorf("listener %+v is not explained", l)
		}
		_, address, _ := strings.Cut(l.Address, ":")
		address = strings.TrimPrefix(address, "//")
		named[address] = true
	}
	found := listening(t, s.PID)
	if len(found) < 3 {
		t.Fatalf("listening are %q only", found)
	}
	for _, address := range found {
		if !named[address] {
			t.Errorf("%s is listened on, and status does not name it: %+v", address, s.Listeners)
		}
	}
	if len(named) != len(found) {
		t.Errorf("named are %v, listening %q", named, found)
	}
}

// listening lists the addresses that a process listens on: TCP and unix stream sockets; and UDP ports of its network
// namespace that take packets from anybody, as that of tunnels, which the kernel itself has.
func listening(t *testing.T, pid int) (all []string) {
	t.Helper()
	inodes := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			if inode, ok := strings.CutPrefix(to, "socket:["); ok {
				inodes[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	for _, file := range []string{"tcp", "tcp6", "udp", "unix"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			switch {
			case file == "unix" && len(f) == 8 && f[3] == "00010000" && inodes[f[6]]: // it accepts
				all = append(all, f[7])
			case file == "udp" && len(f) > 9 && strings.HasPrefix(f[1], "00000000:") && f[2] == "00000000:0000":
				_, port, _ := strings.Cut(socketAddress(t, f[1]), ":")
				all = append(all, "*:"+port)
			case strings.HasPrefix(file, "tcp") && len(f) > 9 && f[3] == "0A" && inodes[f[9]]:
				all = append(all, socketAddress(t, f[1]))
			}
		}
	}
	return all
}

// socketAddress reads an address as /proc/net/tcp has it.
func socketAddress(t *testing.T, text string) string {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	var ip []byte
	for i := 0; i+8 <= len(host); i += 8 {
		var word uint32
		if _, err := fmt.Sscanf(host[i:i+8], "%x", &word); err != nil {
			t.Fatal(err)
		}
		ip = append(ip, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	var n int
	if _, err := fmt.Sscanf(port, "%x", &n); err != nil {
		t.Fatal(err)
	}
	return (&net.TCPAddr{IP: ip, Port: n}).String()
}
