package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

const nobody = 65534

// TestLabDocs does, as a user without privileges, what docs/lab.md shows, command by command, and wants what
// it shows; "..." stands for anything.
func TestLabDocs(t *testing.T) {
	testenv.Root(t)                      // to become nobody
	dir, err := os.MkdirTemp("", "vtep") // short names: sockets are in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// The tree may be where only root can read.
	copyFile(t, filepath.Join(testenv.Binary(t), "vtep"), filepath.Join(dir, "vtep"))
	home := filepath.Join(dir, "home")
	for _, err := range []error{os.Symlink("vtep", filepath.Join(dir, "vtep-ctl")), os.Mkdir(home, 0o700), os.Chown(home, nobody, nobody)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(command string) string {
		cmd := exec.Command("/bin/sh", "-c", command)
		cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "XDG_RUNTIME_DIR=" + home, "LAB=" + filepath.Join(home, "vtep-lab")}
		cmd.Dir = home
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", command, err)
		}
		return string(out)
	}
	t.Cleanup(func() { // after a failure half way
		if _, err := os.Stat(filepath.Join(home, "vtep-lab/ci")); err == nil {
			run("vtep lab down --name ci")
		}
	})
	text := readText(t, filepath.Join(testenv.Tree(t), "docs/lab.md"))
	commands := 0
	for _, block := range regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for _, step := range strings.Split("\n"+block[1], "\n$ ")[1:] {
			command, want, _ := strings.Cut(step, "\n")
			commands++
			got := run(command)
			pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSuffix(want, "\n")), `\.\.\.`, ".*")
			if !regexp.MustCompile("(?s)^"+strings.TrimSuffix(pattern, ".*")+".*$").MatchString(strings.TrimSuffix(got, "\n")) || want == "" && got != "" {
				t.Errorf("%s prints\n%s, not\n%s", command, got, want)
			}
		}
	}
	if commands < 8 {
		t.Errorf("%d commands", commands)
	}
	// Who is nobody has no other labs.
	if out := run("vtep lab up || true; vtep lab up --vteps 1 || true; vtep lab status || true; vtep lab graph --svg || true"); strings.Count(out, "needs root") != 2 ||
		strings.Count(out, "no such lab: lab") != 2 {
		t.Errorf("without privileges: %s", out)
	}
	for option := range strings.FieldsSeq("--vteps --peers --hosts --switches --plane --no-nvc --first-vni --peer --station --udp-tunnels") {
		if !strings.Contains(text, "`"+option) {
			t.Errorf("%s is not described", option)
		}
	}
}

// TestFleet runs a small one, and wants figures, of whatever size, and nothing left.
func TestFleet(t *testing.T) {
	testenv.NoLeaks(t)
	t.Setenv("TMPDIR", t.TempDir())
	var out strings.Builder
	if err := runFleet(t.Context(), fleetOptions{vteps: 4}, &out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`4 VTEPs .*`, `start +\S+s`, `full mesh from cold +\S+s, 12 rows`, `  CPU time of it +\S+s`, `sessions +8`,
		`a MAC move, on a VTEP +p50 \S+s, p99 \S+s +p99 100ms: (reached|missed)`, `a MAC move, on all +p50 \S+s, slowest of 2 \S+s`,
		`a tenth moves at once +\S+s, \d+ rows and \d+ transactions a second`,
		`a tenth restarts at once +\S+s until all is in force, 1 hosts moved`, `  rows after it +0 lost, 0 stale, of 16 +none: reached`,
		`memory of a VTEP +\S+ MiB +2 MiB: reached`} {
		if !regexp.MustCompile("(?m)^" + line + "$").MatchString(out.String()) {
			t.Errorf("it prints no %q:\n%s", line, out.String())
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := runFleet(t.Context(), fleetOptions{vteps: 1}, &out); err == nil {
		t.Error("a fleet of one VTEP")
	}
	for _, args := range [][]string{{"fleet", "--plane=ebpf"}, {"fleet", "--hosts=2"}} {
		if _, err := labMain(args); err == nil || !strings.Contains(err.Error(), "is not for a fleet") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err == nil {
		_, err = io.Copy(out, in)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
