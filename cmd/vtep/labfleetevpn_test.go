package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestFleetOfEVPN runs a small one, whose VTEPs know one another by a route reflector alone. It is a process of its own: each server of
// the library that speaks BGP writes variables of its package when it starts, which is a race by itself where there are many of them.
func TestFleetOfEVPN(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	out, err := exec.CommandContext(t.Context(), filepath.Join(testenv.Binary(t), "vtep"), "lab", "fleet", "--evpn", "--vteps=4", "--plane=memory").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, line := range []string{`4 VTEPs .*, a bridge of EVPN for each, one route reflector`, `full mesh from cold +\S+s, 12 rows`, `sessions +8, and 4 of BGP`,
		`a MAC move, on all +p50 \S+s, slowest of 2 \S+s`, `a tenth restarts at once +\S+s until all is in force, 1 hosts moved`,
		`  rows after it +0 lost, 0 stale, of 16 +none: reached`, `  of its bridge +[0-9]+[.][0-9]+ MiB for each VTEP`, `  of the reflector +[0-9]+[.][0-9]+ MiB for each VTEP`} {
		if !regexp.MustCompile("(?m)^" + line + "$").Match(out) {
			t.Errorf("it prints no %q:\n%s", line, out)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := labMain([]string{"up", "--evpn"}); err == nil || !strings.Contains(err.Error(), "--evpn is for a fleet") {
		t.Errorf("up --evpn: %v", err)
	}
}
