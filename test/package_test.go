package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// makePackages runs scripts/package, and returns the directory with what it made.
func makePackages(t *testing.T, environment ...string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(filepath.Join(testenv.Tree(t), "scripts", "package"), dir)
	cmd.Env = append(os.Environ(), environment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("scripts/package: %v\n%s", err, out)
	}
	return dir
}

// one finds the only file of a pattern.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %q, %v", pattern, dir, found, err)
	}
	return found[0]
}

// inPackages are files that each package must have.
var inPackages = []string{"/usr/bin/vtep", "/usr/lib/vtep/bin/vtep-ctl", "/usr/lib/vtep/bin/ovsdb-server", "/usr/lib/systemd/system/vtep@.service", "/usr/lib/systemd/system/vtep-evpn@.service",
	"/usr/share/man/man8/vtep.8.gz", "/usr/share/man/man5/vtep.yaml.5.gz", "/usr/share/bash-completion/completions/vtep",
	"/usr/share/fish/vendor_completions.d/vtep.fish", "/etc/vtep/br0.yaml", "/usr/share/doc/vtep/vtep.cdx.json"}

// system is this machine, as one that packages can be installed in: what is written to /usr, /etc, /var and /run,
// and pinned in the file system of BPF, is in a mount namespace that goes with the test.
type system struct {
	w    *world
	dir  string // what is written is below it, in the namespace
	path string // of the namespace
}

func newSystem(w *world) *system {
	w.t.Helper()
	s := &system{w: w, dir: w.t.TempDir()}
	script := fmt.Sprintf(`set -e
mount -t tmpfs tmpfs %[1]s
for d in usr etc var; do
  mkdir %[1]s/$d %[1]s/.$d
  mount -t overlay overlay -o lowerdir=/$d,upperdir=%[1]s/$d,workdir=%[1]s/.$d /$d
done
mount -t tmpfs tmpfs /run
mount -t bpf bpf /sys/fs/bpf
echo ready
exec cat`, s.dir)
	cmd := exec.Command(testenv.Program(w.t, "unshare"), "--mount", "sh", "-c", script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.atEnd(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("the holder of the namespace: %v\n%s", err, &stderr)
		}
	})
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		w.t.Fatalf("make a system: %v\n%s", err, &stderr)
	}
	s.path = fmt.Sprintf("/proc/%d/ns/mnt", cmd.Process.Pid)
	return s
}

// command is a command on the system.
func (s *system) command(args ...string) *exec.Cmd {
	cmd := exec.Command(testenv.Program(s.w.t, "nsenter"), append([]string{"--mount=" + s.path, "--"}, args...)...)
	cmd.Env, cmd.Dir = append(s.w.env.Env, "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"), s.w.env.RunDir
	return cmd
}

// must runs a command, on the system and in the network namespace of the VTEP.
func (s *system) must(args ...string) string {
	s.w.t.Helper()
	cmd := s.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := s.w.lab.Namespace(lab.VTEP).Run(cmd); err != nil {
		s.w.t.Fatalf("%q: %v\n%s", args, err, &out)
	}
	return out.String()
}

// written lists what is not as on the machine, but for what packages keep books in.
func (s *system) written() string {
	s.w.t.Helper()
	var all []string
	for line := range strings.Lines(s.must("find", s.dir+"/usr", s.dir+"/etc", s.dir+"/var", "/run", "/sys/fs/bpf", "-not", "-type", "d")) {
		path := strings.TrimPrefix(strings.TrimSpace(line), s.dir)
		if !strings.HasPrefix(path, "/var/lib/dpkg/") && !strings.HasPrefix(path, "/var/log/") && !strings.HasPrefix(path, "/var/cache/") ||
			strings.Contains(path, "vtep") || strings.Contains(path, "ovs") {
			all = append(all, path)
		}
	}
	return strings.Join(all, "\n")
}

// start starts the VTEP that is installed.
func (s *system) start() {
	s.w.t.Helper()
	s.w.args = usual
	s.w.vtep = s.w.launchIn(s.command(append([]string{"/usr/bin/vtep"}, s.w.vtepArgs(usual...)...)...))
	s.w.ready()
}

// TestPackages makes the packages twice, with the same bytes, looks into them, and lives through what a machine does
// with one: it is installed, upgraded and removed under traffic, of which no packet is lost; the purge takes
// forwarding down and leaves nothing.
func TestPackages(t *testing.T) {
	w := newWorld(t)
	dpkg := testenv.Program(t, "dpkg")
	first := makePackages(t, "VERSION=1.0.0")
	again := makePackages(t, "VERSION=1.0.0", "TZ=Asia/Tokyo", "LC_ALL=C", "HOME="+t.TempDir(), "GOPATH="+goEnv(t, "GOPATH"), "GOCACHE="+goEnv(t, "GOCACHE"))
	for _, pattern := range []string{"*.deb", "*.rpm", "*.cdx.json"} {
		a, err := os.ReadFile(one(t, first, pattern))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(one(t, again, pattern))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("two builds of %s differ", pattern)
		}
	}
	out, err := exec.Command(testenv.Program(t, "rpm"), "-qlp", one(t, first, "*.rpm")).Output()
	if err != nil {
		t.Errorf("rpm: %v", err)
	}
	for _, path := range inPackages {
		if !strings.Contains(string(out), path+"\n") {
			t.Errorf("the rpm has no %s:\n%s", path, out)
		}
	}
	checkBill(t, one(t, first, "*.cdx.json"))

	s := newSystem(w)
	w.pins = "/sys/fs/bpf/vtep/" + w.name + "-0" // as the default, where a purge looks
	before := s.written()
	install := func(deb string) { s.must(dpkg, "--no-triggers", "-i", deb) }
	install(one(t, first, "*.deb"))
	for _, path := range inPackages {
		s.must("test", "-e", path)
	}
	for _, name := range []string{"vtep-ctl", "ovs-vtep", "ovsdb-server", "ovsdb-tool", "ovsdb-client"} {
		s.must("/usr/bin/"+name, "--version")
	}
	s.must("/usr/bin/vtep", "config", "check", "/etc/vtep/br0.yaml")
	if v := s.must("/usr/bin/vtep", "version"); !strings.HasPrefix(v, "vtep 1.0.0\n") {
		t.Errorf("installed is %s", v)
	}
	s.start()
	w.howto(w.ours())
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host1, lab.Host2)
	w.reach(lab.Host2Tagged, lab.Host4)

	stop := w.pings()
	install(one(t, makePackages(t, "VERSION=1.1.0", "FORMATS=deb"), "*.deb"))
	if v := s.must("/usr/bin/vtep", "version"); !strings.HasPrefix(v, "vtep 1.1.0\n") {
		t.Errorf("after the upgrade there is %s", v)
	}
	w.closeReplica()
	w.exit() // as systemd restarts it
	s.start()
	w.breathe(time.Second)
	w.exit()
	if out := s.must(dpkg, "--no-triggers", "-r", "vtep"); !strings.Contains(out, "forwarding goes on") {
		t.Errorf("removed without a word: %s", out)
	}
	w.breathe(time.Second)
	stop()
	s.must("test", "-e", "/etc/vtep/br0.yaml")
	s.must(dpkg, "--no-triggers", "-P", "vtep")
	if after := s.written(); after != before {
		t.Errorf("left behind:\n%s\nbefore there was:\n%s", after, before)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// checkBill wants every module that go.mod requires of the program to be in the bill of materials.
func checkBill(t *testing.T, path string) {
	t.Helper()
	var bill struct {
		Format     string `json:"bomFormat"`
		Components []struct{ Name, Version, PURL string }
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &bill)
	}
	if err == nil && (bill.Format != "CycloneDX" || len(bill.Components) < 5) {
		err = errors.New("it is no bill")
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	names := map[string]bool{}
	for _, c := range bill.Components {
		if c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("a component is called %s", c.PURL)
		}
		names[c.Name] = true
	}
	for _, name := range []string{"std", "github.com/cilium/ebpf", "golang.org/x/sys", "github.com/vishvananda/netlink", "github.com/prometheus/client_golang"} {
		if !names[name] {
			t.Errorf("the bill lacks %s", name)
		}
	}
}
