package lab_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
)

// newFabric builds a fabric for the test and checks at the end that nothing of it is left.
func newFabric(t *testing.T, o lab.Options) (f *lab.Fabric, program string) {
	t.Helper()
	testenv.Root(t)
	testenv.NoLeaks(t)
	program = filepath.Join(testenv.Binary(t), "vtep")
	f, err := lab.UpFabric(context.Background(), fmt.Sprintf("f%d", os.Getpid()), o, program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Down(); err != nil {
			t.Error(err)
		}
		if left, err := namespace.List(f.Name); err != nil || len(left) > 0 {
			t.Errorf("namespaces left: %q, %v", left, err)
		}
		if left := f.Pins(); len(left) > 0 {
			t.Errorf("pins left: %q", left)
		}
		if _, err := os.Stat(f.Dir()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("directory left: %v", err)
		}
	})
	return f, program
}

// reach waits until all pairs have replies.
func reach(t *testing.T, f *lab.Fabric, pairs int) {
	t.Helper()
	all, err := f.PingAll(context.Background(), 1, time.Millisecond)
	if err != nil || len(all) != pairs {
		t.Fatalf("%d pairs, not %d: %v", len(all), pairs, err)
	}
	for _, p := range all {
		testenv.Eventually(t, 60*time.Second, func() error {
			if p.Received > 0 {
				return nil
			}
			p.Replies, err = f.PingHost(context.Background(), p.From, p.To, 1, time.Millisecond)
			return fmt.Errorf("%s to %s: %+v, %w", p.From.Name, p.To.Name, p.Replies, err)
		})
	}
}

// TestFabric has all hosts of three VTEPs and a peer reach each other, moves one, and has them reach it there.
func TestFabric(t *testing.T) {
	f, program := newFabric(t, lab.Options{VTEPs: 3, Peers: 1, Hosts: 2, Switches: 1, Plane: "ebpf"})
	if _, err := lab.UpFabric(context.Background(), f.Name, f.Options, program); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("up twice: %v", err)
	}
	reach(t, f, 8*7)
	// Another process, which knows what is in the kernel and in the directory.
	again, err := lab.OpenFabric(f.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	h, err := again.Host("v1h1")
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"v1", "v9", "p1"} {
		if err := again.Move(context.Background(), program, h, to); err == nil {
			t.Errorf("moved from v1 to %s", to)
		}
	}
	if err := again.Move(context.Background(), program, h, "v3"); err != nil {
		t.Fatal(err)
	}
	reach(t, again, 8*7)
	s := again.State(context.Background())
	if text := again.Text(s); !strings.Contains(text, "[v1] 10.2.0.1 (ebpf)\n  │     └── v1h2") || !strings.Contains(text, "[v3] 10.2.0.3 (ebpf)\n  │     ├── v1h1") ||
		!strings.Contains(text, "ls1: VNI 5000, 8 MACs") || !strings.Contains(text, "└── [p1] 10.2.0.4 (kernel VXLAN)") {
		t.Errorf("the picture is\n%s", text)
	}
	picture := again.SVG(s)
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
		}
	}
	for _, want := range []string{">v1h1  198.18.0.2<", ">nvc<", ">p1  10.2.0.4<", "ls1: VNI 5000, 8 MACs"} {
		if !strings.Contains(picture, want) {
			t.Errorf("the picture has no %s", want)
		}
	}
	f.Hosts = again.Hosts
}

// TestFabricOVS has Open vSwitch forward, beside a peer.
func TestFabricOVS(t *testing.T) {
	testenv.Program(t, "ovs-vswitchd")
	t.Setenv("OVS_PKGDATADIR", filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/openvswitch"))
	f, program := newFabric(t, lab.Options{VTEPs: 2, Peers: 1, Hosts: 1, Switches: 1, Plane: "ovs"})
	reach(t, f, 3*2)
	h, err := f.Host("v1h1")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Move(context.Background(), program, h, "v2"); err != nil {
		t.Fatal(err)
	}
	reach(t, f, 3*2)
}

func TestFabricOptions(t *testing.T) {
	for want, o := range map[string]lab.Options{
		"--vteps=0: not 1 to 64":   {VTEPs: 0, Hosts: 1, Switches: 1, Plane: "memory"},
		"--peers=17: not 0 to 16":  {VTEPs: 1, Peers: 17, Hosts: 1, Switches: 1, Plane: "ebpf"},
		"--hosts=17: not 1 to 16":  {VTEPs: 1, Hosts: 17, Switches: 1, Plane: "memory"},
		"--switches=3: not 1 to 2": {VTEPs: 1, Hosts: 2, Switches: 3, Plane: "memory"},
		"--peers and --plane":      {VTEPs: 1, Peers: 1, Hosts: 2, Switches: 1, Plane: "memory"},
		"--plane=dpdk: not one of": {VTEPs: 1, Hosts: 2, Switches: 1, Plane: "dpdk"},
	} {
		if f, err := lab.UpFabric(context.Background(), "never", o, "/nonexistent"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, %v", o, f, err)
		}
	}
	// What can't be started leaves nothing.
	o := lab.Options{VTEPs: 2, Hosts: 1, Switches: 1, Plane: "memory"}
	name := fmt.Sprintf("n%d", os.Getpid())
	if _, err := lab.UpFabric(context.Background(), name, o, "/nonexistent"); err == nil {
		t.Error("a lab of a program that does not exist is up")
	}
	if _, err := lab.OpenFabric(name); !errors.Is(err, lab.ErrNotThere) {
		t.Errorf("of a lab that failed there is left: %v", err)
	}
}
