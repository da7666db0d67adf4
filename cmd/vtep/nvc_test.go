package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestNVCOptions has what can't work refused before anything is connected to.
func TestNVCOptions(t *testing.T) {
	b := newOVSDBBed(t)
	for args, want := range map[string]string{
		"":                                "no database is named",
		"tcp:127.0.0.1:1 tcp:127.0.0.1:1": "named twice",
		"nonsense":                        "nonsense",
		"unix:/x --peer=here":             "--peer=here: not an IP address",
		"unix:/x --first-vni=16777216":    "--first-vni=16777216: not a VNI",
		"unix:/x --station=ls0,01:00:00:00:00:01,10.0.0.1":   "not the MAC of a host",
		"unix:/x --station=ls0":                              "not SWITCH,MAC,PEER[,IP]",
		"unix:/x --station=ls0,02:00:00:00:00:01,10.0.0.1,x": "x is not an IP address",
		"ssl:127.0.0.1:1 --private-key=/nonexistent":         "certificate",
	} {
		cmd := b.env.Command(filepath.Join(filepath.Dir(b.server), "vtep"), append([]string{"nvc"}, strings.Fields(args)...)...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %s", args, err, out)
		}
	}
}

// TestNVC runs the program: it says what it does, and takes it back at the end.
func TestNVC(t *testing.T) {
	b := newOVSDBBed(t)
	programs := filepath.Dir(b.server)
	program, ctl := filepath.Join(programs, "vtep"), filepath.Join(programs, "vtep-ctl")
	control, file := filepath.Join(b.env.RunDir, "nvc.ctl"), filepath.Join(b.env.DBDir, "vtep.db")
	target := "unix:" + filepath.Join(b.env.RunDir, "db.sock")
	b.run("ovsdb-tool", "create", file, filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema"))
	b.start("--remote=punix:db.sock", file)
	b.run(ctl, "--db="+target, "add-ls", "ls0")
	b.run(program, "nvc", target, "--rundir="+b.env.RunDir, "--unixctl="+control, "--detach", "--no-chdir", "--peer=192.0.2.9", "--first-vni=42")
	t.Cleanup(func() { _ = b.env.Command(program, "appctl", "-t", control, "exit").Run() })
	becomes := func(want string, args ...string) {
		t.Helper()
		b.eventually(func() error {
			if out, err := b.env.Command(args[0], args[1:]...).CombinedOutput(); err != nil || !strings.HasSuffix(string(out), want) {
				return fmt.Errorf("%w, %s", err, out)
			}
			return nil
		})
	}
	becomes("switch ls0: VNI 42, 0 MACs, 0 groups, members 192.0.2.9\n", program, "appctl", "-t", control, "nvc/status")
	becomes("  unknown-dst -> vxlan_over_ipv4/192.0.2.9\n\n", program, "ctl", "--db="+target, "list-remote-macs", "ls0")
	if out := b.run(program, "appctl", "-t", control, "-f", "json", "nvc/status"); !strings.Contains(out, `"vni":42`) {
		t.Error(out)
	}
	b.run(program, "appctl", "-t", control, "exit", "--cleanup")
	becomes("[]\n{}\n", ctl, "--db="+target, "get", "Logical_Switch", "ls0", "tunnel_key", "other_config")
}
