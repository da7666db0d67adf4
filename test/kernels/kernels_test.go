package kernels

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// modules are what the tests need and Debian's kernels don't have built in, each after those
// that it needs.
var modules = []string{"udp_tunnel", "ip6_udp_tunnel", "vxlan", "veth", "macvlan", "llc", "stp", "bridge", "sch_ingress", "cls_bpf", "xfrm_algo", "xfrm_user",
	"vrf", "tls", "bonding", "nfnetlink", "libcrc32c", "nf_tables", "x_tables", "ip_tables", "iptable_filter"}

// elsewhere are the tests that drive other programs or read the tree, neither of which is there.
const elsewhere = "^(TestDeviceOfOpenVSwitch|TestBFDWithOpenVSwitch|TestReasonsAreDocumented)$"

var tests = flag.String("tests", "", "run those that match, as with -run")

// quick is the choice of tests: what the verifier or the helpers of an older kernel may see
// otherwise, and some of the conformance suite, whose cases share one plane: to load the programs
// takes longest here. Each is a run of its own.
var quick = map[string][]string{
	oldest: {
		common,
		"^TestStages$/^(direct|vxlan_device)$", // with tc filters, as there are no others yet
		"^TestConformance$/^direct$/^(untagged|broadcast_to_all|learning|host_addresses|suppression|remote_unicast|from_a_tunnel|tagged|split_horizon|drops_by_place|members_of_groups|what_hosts_say_of_groups|drop_reasons)$/^IPv4$",
	},
	"6.12": {common, "^TestStages$/^direct$"},
}

const (
	oldest = "6.1"
	common = "^(TestBudget|TestCaptureBudget|TestFloodMany|TestBytes|TestPathMTU|TestBFD)$"
)

// TestKernels runs the tests of package plane/ebpf on each kernel.
func TestKernels(t *testing.T) {
	var runs []string
	switch {
	case *tests != "":
		runs = []string{*tests}
	case testenv.Effort(t) > 1:
		runs = []string{"."}
	}
	dir := t.TempDir()
	build(t, filepath.Join(dir, "init"), "build", "./test/kernels/guest")
	build(t, filepath.Join(dir, "test"), "test", "-c", "./internal/plane/ebpf")
	for _, version := range []string{oldest, "6.12"} {
		t.Run(version, func(t *testing.T) {
			runs := runs
			if runs == nil {
				runs = quick[version]
			}
			k := findKernel(t, version)
			initrd := filepath.Join(t.TempDir(), "initrd")
			k.pack(t, initrd, dir, runs)
			k.boot(t, initrd)
		})
	}
}

func build(t *testing.T, out string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{args[0], "-trimpath", "-o", out}, args[1:]...)...)
	cmd.Dir, cmd.Env = testenv.Tree(t), append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, b)
	}
}

// kernel is one that scripts/testkernels has unpacked.
type kernel struct{ image, modules string }

func findKernel(t *testing.T, version string) kernel {
	t.Helper()
	dir := filepath.Join(testenv.Tree(t), ".cache/kernels", version)
	images, _ := filepath.Glob(filepath.Join(dir, "boot/vmlinuz-*"))
	trees, _ := filepath.Glob(filepath.Join(dir, "lib/modules/*"))
	if len(images) != 1 || len(trees) != 1 {
		testenv.Skip(t, "needs a kernel %s: run scripts/testkernels", version)
	}
	return kernel{images[0], trees[0]}
}

// pack makes the initial RAM file system of what is in dir.
func (k kernel) pack(t *testing.T, file, dir string, runs []string) {
	t.Helper()
	var a archive
	a.add("dev", fs.ModeDir|0o755, nil)
	a.add("modules", fs.ModeDir|0o755, nil)
	a.add("skip", 0o644, []byte(elsewhere))
	a.add("runs", 0o644, []byte(strings.Join(runs, "\n")))
	for _, name := range []string{"init", "test"} {
		if err := a.addFile(name, 0o755, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	builtin, err := os.ReadFile(filepath.Join(k.modules, "modules.builtin"))
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range modules {
		if strings.Contains(string(builtin), "/"+name+".ko") {
			continue
		}
		path := k.module(t, name)
		if err := a.addFile(fmt.Sprintf("modules/%02d-%s", n, filepath.Base(path)), 0o644, path); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(file)
	if err == nil {
		err = errors.Join(a.writeTo(f), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (k kernel) module(t *testing.T, name string) (path string) {
	t.Helper()
	err := filepath.WalkDir(k.modules, func(p string, d fs.DirEntry, err error) error {
		if base, _, _ := strings.Cut(filepath.Base(p), "."); base == name {
			path = p
		}
		return err
	})
	if err != nil || path == "" {
		t.Fatalf("%s has no module %s (%v)", k.modules, name, err)
	}
	return path
}

// boot runs the machine to its end and reports the tests that it ran as subtests.
func (k kernel) boot(t *testing.T, initrd string) {
	t.Helper()
	console := filepath.Join(t.TempDir(), "console")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
	defer cancel()
	// An old processor: what later ones have is emulated, too, and takes a third of the time.
	cmd := qemu(ctx, t, "-M", "q35", "-accel", "tcg", "-cpu", "Nehalem", "-smp", "1", "-m", "1024", "-nodefaults", "-no-user-config",
		"-display", "none", "-no-reboot", "-kernel", k.image, "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1 mitigations=off",
		"-serial", "file:"+console, "-serial", "stdio")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := results{t: t}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r.line(lines.Text())
	}
	err = cmd.Wait()
	if r.status != "0" {
		said, _ := os.ReadFile(console)
		t.Errorf("the tests ended with status %q, QEMU with %v; the console says:\n%s", r.status, err, said)
	}
	if r.passed == 0 {
		t.Error("no test passed")
	}
	if t.Failed() {
		t.Logf("the tests say:\n%s", strings.Join(r.said[max(0, len(r.said)-500):], "\n"))
	}
	t.Logf("%d passed", r.passed)
}

// qemu is the one that scripts/testkernels has unpacked, or the machine's.
func qemu(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	const program = "qemu-system-x86_64"
	root := filepath.Join(testenv.Tree(t), ".cache/kernels/qemu")
	unpacked := filepath.Join(root, "usr/bin", program)
	if _, err := os.Stat(unpacked); err == nil {
		var libs []string
		for _, pattern := range []string{"usr/lib/*-linux-gnu", "lib/*-linux-gnu"} {
			dirs, _ := filepath.Glob(filepath.Join(root, pattern))
			libs = append(libs, dirs...)
		}
		var data []string
		for _, dir := range []string{"usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"} {
			data = append(data, "-L", filepath.Join(root, dir))
		}
		cmd := exec.CommandContext(ctx, unpacked, append(data, args...)...)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libs, ":"))
		return cmd
	}
	path, err := exec.LookPath(program)
	if err != nil {
		testenv.Skip(t, "needs %s: run scripts/testkernels", program)
	}
	return exec.CommandContext(ctx, path, args...)
}

// results reads what a test binary says with -test.v.
type results struct {
	t      *testing.T
	passed int
	status string   // "": the machine did not say
	said   []string // what the tests say themselves
}

func (r *results) line(s string) {
	r.t.Helper()
	word := strings.TrimLeft(s, " ")
	switch {
	case strings.HasPrefix(s, exitStatus):
		r.status = strings.TrimSpace(strings.TrimPrefix(s, exitStatus))
	case strings.HasPrefix(word, "--- PASS"):
		r.passed++
	case strings.HasPrefix(word, "--- FAIL"):
		r.t.Errorf("%s", s)
	case strings.HasPrefix(word, "--- SKIP"): // for the version of the kernel: with CI=true no other one is let pass
		r.t.Log(s)
	case !strings.HasPrefix(word, "=== "):
		r.said = append(r.said, s)
	}
}

const exitStatus = "guest: exit status" // as the guest writes it
