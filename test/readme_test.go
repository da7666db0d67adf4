package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// readmeCommand is a command in a code block: its first word is one of these.
var readmeCommand = regexp.MustCompile(`^(?:sudo |make |bin/|ovs-|vtep)`)

// readme returns the commands of README.md's code blocks, without the remarks behind them.
func readme(t *testing.T) (commands []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testenv.Tree(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		// Code is indented by four, or by three more than the text of its list.
		code, ok := strings.CutPrefix(line, "    ")
		code, _, _ = strings.Cut(strings.TrimSpace(code), "  #")
		code = strings.TrimSpace(code)
		if ok && readmeCommand.MatchString(code) {
			commands = append(commands, code)
		}
	}
	return commands
}

// TestReadme does what README.md says, word for word, in a lab. Only places differ: the run
// directory and the database are where the environment says, and the pins where the test can
// see that they go.
func TestReadme(t *testing.T) {
	w := newWorld(t)
	w.name = "br0" // as the text has it
	if err := os.Symlink(w.bin, filepath.Join(w.env.RunDir, "bin")); err != nil {
		t.Fatal(err)
	}
	commands := readme(t)
	done := map[string]bool{}
	for _, c := range commands {
		words := strings.Fields(strings.TrimPrefix(c, "sudo "))
		switch {
		case c == "make demo": // TestDemo
		case c == "make test": // is being run
		case c == "make build": // testenv.Binary
		case words[0] == "bin/vtep" && words[1] == "run":
			w.args = append(words[3:], "--pin-dir="+w.pins)
			cmd := exec.Command(filepath.Join(w.bin, "vtep"), append(words[1:], "--pin-dir="+w.pins)...)
			cmd.Env, cmd.Dir = w.env.Env, w.env.RunDir
			w.vtep = w.launchIn(cmd)
			w.ready()
		case words[0] == "bin/vtep-ctl":
			out, err := w.env.Command("sh", "-c", c).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", c, err, out)
			}
			if words[1] == "list-local-macs" {
				w.checkReadme()
			}
			if words[1] == "list" || words[1] == "show" {
				if len(out) == 0 {
					t.Errorf("%s prints nothing", c)
				}
			}
			done[words[1]] = true
		case words[0] == "bin/vtep" && words[1] == "status":
			if out := w.status(words[2:]...); !strings.Contains(out, "switch br0: running") {
				t.Errorf("%s prints\n%s", c, out)
			}
			done["status"] = true
		case words[0] == "bin/vtep" && words[1] == "appctl":
			out, err := w.env.Command("sh", "-c", strings.TrimPrefix(c, "sudo ")).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", c, err, out)
			}
			if status := w.vtep.wait(t); status != 0 {
				t.Errorf("the VTEP ended with status %d", status)
			}
			w.vtep = nil
			done[strings.Join(words[2:], " ")] = true
		default:
			t.Errorf("README.md has a command that this test does not know: %s", c)
		}
	}
	for _, verb := range []string{"add-ls", "set", "bind-ls", "add-mcast-remote", "set-replication-mode", "add-ucast-remote",
		"list-local-macs", "list", "show", "status", "set-manager", "exit --cleanup"} {
		if !done[verb] {
			t.Errorf("README.md does not show %s", verb)
		}
	}
}

// checkReadme looks whether the network of README.md works: VNI 33, one peer, one MAC.
func (w *world) checkReadme() {
	w.t.Helper()
	const vni = 33
	f := frame(broadcast, lab.Host1.MAC, "to all")
	stop := w.repeat(w.h1(), f)
	w.expectTunnelled(lab.RemoteIP, vni, f)
	stop()
	f = frame(net.HardwareAddr{0x00, 0x11, 0x22, 0x33, 0x44, 0x55}, lab.Host1.MAC, "to the known MAC")
	stop = w.repeat(w.h1(), f)
	w.expectTunnelled(lab.RemoteIP, vni, f)
	stop()
	w.learned("ls0", lab.Host1.MAC.String())
}

// TestDemo is "make demo": it ends well and leaves nothing.
func TestDemo(t *testing.T) {
	testenv.Root(t)
	bin := filepath.Join(testenv.Binary(t), "vtep")
	name := fmt.Sprintf("d%d", os.Getpid())
	out, err := exec.Command(bin, "lab", "demo", "--name", name).CombinedOutput()
	if err != nil {
		t.Errorf("vtep lab demo: %v\n%s", err, out)
	}
	if left := leftoversOfLabs(t); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

// leftoversOfLabs lists what the labs of this test, whose names begin with d and our process id, have
// left.
func leftoversOfLabs(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"/run/netns/", "/run/vtep-lab/", "/sys/fs/bpf/vtep/"} {
		found, err := filepath.Glob(fmt.Sprintf("%sd%d*", pattern, os.Getpid()))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			fmt.Fprintln(&all, path)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range processes {
		b, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(b), fmt.Sprintf("\x00d%d", os.Getpid())) {
			fmt.Fprintf(&all, "%s %q\n", path, b)
		}
	}
	return all.String()
}

// TestLabCommands has the lab that a person can look around in.
func TestLabCommands(t *testing.T) {
	testenv.Root(t)
	bin := filepath.Join(testenv.Binary(t), "vtep")
	name := fmt.Sprintf("d%dx", os.Getpid())
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(bin, append([]string{"lab"}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("vtep lab %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("up", "--name", name)
	t.Cleanup(func() { // if the test ends early
		if exists("/run/vtep-lab/" + name) {
			_ = exec.Command(bin, "lab", "down", "--name", name).Run()
		}
	})
	if _, stderr := fails(t, exec.Command(bin, "lab", "up", "--name", name)); !strings.Contains(stderr, name) {
		t.Errorf("a second lab of that name: %s", stderr)
	}
	status := run("status", "--name", name)
	if !strings.Contains(status, "VTEP runs") {
		t.Errorf("status: %s", status)
	}
	commands := 0 // work as they are printed, but for the ping: nothing is bound yet
	for line := range strings.Lines(status) {
		command := strings.TrimSpace(line)
		if !strings.HasPrefix(command, bin+" ") || strings.Contains(command, " lab ping ") {
			continue
		}
		commands++
		out, err := exec.Command("/bin/sh", "-c", command).CombinedOutput()
		if err != nil || !strings.Contains(string(out), name) {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if commands < 2 {
		t.Errorf("status has %d commands: %s", commands, status)
	}
	ctl := func(args ...string) string {
		t.Helper()
		return run(append([]string{"exec", "--name", name, "vtep", "vtep-ctl"}, args...)...)
	}
	ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", fmt.Sprintf("tunnel_key=%d", lab.VNIUntagged),
		"--", "bind-ls", name, "p0", "0", "ls0", "--", "add-mcast-remote", "ls0", "unknown-dst", lab.RemoteIP.String())
	if out := ctl("list-ls"); out != "ls0\n" {
		t.Errorf("list-ls: %q", out)
	}
	testenv.Eventually(t, patience, func() error {
		return exec.Command(bin, "lab", "ping", "--name", name, "h1", lab.Host3.IP.Addr().String()).Run()
	})
	run("down", "--name", name)
	if left := leftoversOfLabs(t); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}
