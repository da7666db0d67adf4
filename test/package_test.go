package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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

// TestPackages makes the packages twice, with the same bytes, looks into them, and lives through what a machine does
// with one, under the real systemd: it is installed, upgraded and removed under traffic, of which no packet is lost; the
// purge takes forwarding down and leaves nothing. Then the same with the other form of package.
func TestPackages(t *testing.T) {
	w := newWorld(t)
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
	checkBill(t, one(t, first, "*.cdx.json"))
	next := makePackages(t, "VERSION=1.1.0")

	s := newSystem(w)
	before := s.written()
	dpkg := testenv.Program(t, "dpkg")
	s.live(packaging{
		install: func() { s.must(dpkg, "--no-triggers", "-i", one(t, first, "*.deb")) },
		upgrade: func() { s.must(dpkg, "--no-triggers", "-i", one(t, next, "*.deb")) },
		remove:  func() string { return s.must(dpkg, "--no-triggers", "-r", "vtep") },
	})
	s.must("test", "-e", "/etc/vtep/br0.yaml")
	s.must(dpkg, "--no-triggers", "-P", "vtep")
	s.left(before, "the purge")
	w.checkGone()

	rpm := testenv.Program(t, "rpm")
	s.live(packaging{
		install: func() { s.must(rpm, "--force-debian", "--nodeps", "-i", one(t, first, "*.rpm")) },
		upgrade: func() { s.must(rpm, "--force-debian", "--nodeps", "-U", one(t, next, "*.rpm")) },
		remove: func() string {
			s.must("cp", "/usr/bin/vtep", "/run/vtep.saved")
			return s.must(rpm, "--force-debian", "-e", "vtep")
		},
	})
	// What docs/install.md has left to do.
	s.must("/run/vtep.saved", "cleanup", w.name)
	s.must("rm", "-rf", "/etc/vtep", "/var/lib/vtep", "/var/log/vtep", "/run/vtep.saved", "/var/lib/rpm")
	s.left(before, "the rpm")
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
