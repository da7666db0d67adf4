package ovs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
)

// Names that no kernel device could have, and such as would be words of a command line: a bridge
// of 23 bytes, a port that ends like a patch port, and what NVCs may call a switch.
func TestNames(t *testing.T) {
	w := newWorld(t)
	const bridge = "a-long-bridge1"
	w.Vsctl(t, "del-port", "br0", "p0")
	w.Bridge(t, bridge, "p0")
	w.veth(t, "h9", "q0-p")
	w.Vsctl(t, "add-port", bridge, "q0-p")
	p := New(Options{Name: bridge, RunDir: w.RunDir, Dial: idl.DialTarget("unix:"+w.Socket("db.sock"), nil), Logger: testenv.Logger(t)})
	t.Cleanup(func() { p.Close() })
	names := []string{"ls with space", "-- del-br br0", "o'brien", "new\nline", `q"uote`, "$(reboot)", "ünïcode", ""}
	s := intent.NewState()
	s.TunnelIP = planetest.TunnelIP
	s.Ports["p0"], s.Ports["q0-p"] = intent.Port{}, intent.Port{}
	for i, name := range names {
		id := intent.SwitchID{9, byte(i)}
		s.Switches[id] = intent.Switch{Name: name, VNI: uint32(9000 + i)}
		s.Bindings[at("p0", uint16(100+i))] = intent.Binding{Switch: id}
		s.Bindings[at("q0-p", uint16(200+i))] = intent.Binding{Switch: id}
	}
	if r := w.apply(p, s, nil); len(r.Ports)+len(r.Bindings) > 0 {
		t.Fatalf("report %+v", r)
	}
	w.Appctl(t, "revalidator/wait")
	for i, name := range names {
		w.places(t)
		f := frameFrom(1, all, uint16(100+i))
		w.send(t, "h0", f.Bytes())
		testenv.Eventually(t, longest, func() error { return w.cameOut("h9", f, uint16(200+i)) })
		if got := strings.TrimSpace(w.Vsctl(t, "br-get-external-id", p.engine.names.of[intent.SwitchID{9, byte(i)}], markName)); name != "new\nline" && got != name {
			t.Errorf("the switch called %q is %q", name, got)
		}
	}
	ports, ok := p.ManagedPorts(context.Background())
	if want := []string{"p0", "q0-p"}; !ok || !slices.Equal(ports, want) {
		t.Errorf("ports %q, want %q", ports, want)
	}
	if !strings.Contains(w.Vsctl(t, "list-br"), "br0\n") {
		t.Error("a name was executed")
	}
}

// cameOut wants a frame at a host, with another tag.
func (w *world) cameOut(dev string, f planetest.Frame, vid uint16) error {
	f.Tags = []uint16{vid}
	for _, b := range w.taps[dev].Drain() {
		if string(b) == string(f.Bytes()) {
			return nil
		}
	}
	return fmt.Errorf("%v did not come out of %s", f, dev)
}

var bugRow = regexp.MustCompile(`^\| B-(\d+) \| [^|]+ \| (.+) \|$`)

// TestBugList wants every bug of the emulator in docs/openvswitch.md, each with tests that exist.
func TestBugList(t *testing.T) {
	tree := testenv.Tree(t)
	b, err := os.ReadFile(filepath.Join(tree, "docs/openvswitch.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	source := func(dir string) string {
		if text, ok := sources[dir]; ok {
			return text
		}
		files, _ := filepath.Glob(filepath.Join(tree, dir, "*.go"))
		var all strings.Builder
		for _, f := range files {
			if text, err := os.ReadFile(f); err == nil {
				all.Write(text)
			}
		}
		sources[dir] = all.String()
		return all.String()
	}
	seen := 0
	for line := range strings.Lines(string(b)) {
		m := bugRow.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		seen++
		for _, ref := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[2], -1) {
			dir, name, ok := strings.Cut(ref[1], " ")
			switch test, rest, _ := strings.Cut(name, "/"); {
			case !ok:
				t.Errorf("B-%s: %q is not a package and a test", m[1], ref[1])
			case test == "TestConformance":
				if !strings.Contains(source("internal/plane/planetest"), `{"`+rest+`", `) {
					t.Errorf("B-%s: the suite has no case %q", m[1], rest)
				}
			case rest != "" && test == "TestGolden":
				if _, err := os.Stat(filepath.Join(tree, "internal", dir, "testdata", rest+".txt")); err != nil {
					t.Errorf("B-%s: %v", m[1], err)
				}
			default:
				path := "internal/" + dir
				if dir == "test" {
					path = dir
				}
				if !strings.Contains(source(path), "func "+test+"(") {
					t.Errorf("B-%s: %s has no %s", m[1], path, test)
				}
			}
		}
	}
	if seen != 45 {
		t.Errorf("%d bugs are listed, want 45", seen)
	}
}

// The plane starts no process: what is in names, addresses and MACs is never part of a command.
func TestNoSubprocess(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(f, "_test.go") && (strings.Contains(string(b), `"os/exec"`) || strings.Contains(string(b), "StartProcess")) {
			t.Errorf("%s starts processes", f)
		}
	}
}

// Idle is no flow changed, no transaction, no event.
func TestIdle(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	w.apply(p, twoTenants(), nil)
	w.tenants(t)
	testenv.Eventually(t, longest, func() error { return drifts(p) })
	received := func() string { return w.Appctl(t, "coverage/read-counter", "ofproto_recv_openflow") }
	before := w.ages(t)
	next := w.Vsctl(t, "get", "Open_vSwitch", ".", "next_cfg")
	for len(p.Events()) > 0 {
		<-p.Events()
	}
	count := received()
	time.Sleep(time.Second)
	if now := received(); now != count {
		t.Errorf("ovs-vswitchd has had messages while nothing happened: %s, then %s", count, now)
	}
	if n := len(p.Events()); n > 0 {
		t.Errorf("%d events while nothing happened", n)
	}
	w.younger(t, before)
	// ovs-vsctl itself asks for nothing new.
	if now := w.Vsctl(t, "get", "Open_vSwitch", ".", "next_cfg"); now != next {
		t.Errorf("next_cfg went from %s to %s", next, now)
	}
}
