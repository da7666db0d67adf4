package test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// The first thread of the process must not be one that enters a namespace: it would keep it.
func init() { runtime.LockOSThread() }

// patience is how long anything may take to happen on a busy machine.
const patience = 60 * time.Second

// world is a lab, and the VTEP under test in it.
type world struct {
	t    *testing.T
	lab  *lab.Lab
	env  *testenv.Env // its RunDir is the VTEP's, its DBDir has the database
	bin  string       // directory of the binary and its links
	name string       // of the physical switch
	pins string

	vtep     *process // nil: not started, or ended
	args     []string // of the last start
	starts   int
	replica  *replica // nil: not opened
	taps     map[string]*testnet.Tap
	ends     []func()         // see atEnd
	external string           // socket of another server that has the database; empty: the VTEP serves it
	cluster  *testenv.Cluster // that has it instead; nil: none
}

var worlds atomic.Int32 // numbers their names

// newWorld builds the picture. No VTEP runs yet.
func newWorld(t *testing.T) *world {
	t.Helper()
	testenv.Root(t)
	testenv.NoLeaks(t)
	testenv.Program(t, "ovs-appctl") // the end needs it
	w := &world{t: t, env: testenv.OVS(t), bin: testenv.Binary(t), taps: map[string]*testnet.Tap{}}
	w.name = fmt.Sprintf("e%dn%d", os.Getpid(), worlds.Add(1))
	w.pins = testenv.Pins(t)
	l, err := lab.Up(w.name)
	if err != nil {
		t.Fatal(err)
	}
	w.lab = l
	t.Cleanup(w.endLab)
	t.Cleanup(w.endVTEP)
	for _, tap := range []func() *testnet.Tap{w.h1, w.h2, w.h3, w.h4, w.underlay} {
		tap() // they miss nothing from here on
	}
	return w
}

// endVTEP takes the VTEP down, with its forwarding, and looks for leftovers.
func (w *world) endVTEP() {
	w.closeReplica()
	if w.t.Failed() {
		w.showLogs()
	}
	if w.vtep == nil && exists(w.pins) {
		w.start(w.args...) // what a killed one left, only its successor takes down
	}
	if w.vtep != nil {
		w.audit()
		w.exit("--cleanup")
	}
	w.checkGone()
}

// audit compares what is in the dataplane with what must be, as the VTEP itself sees it.
func (w *world) audit() {
	w.t.Helper()
	cmd := w.env.Command(testenv.Program(w.t, "ovs-appctl"), "-t", w.control(), "vtep/audit")
	if out, err := cmd.CombinedOutput(); err != nil || len(strings.TrimSpace(string(out))) > 0 {
		w.t.Errorf("the dataplane differs from what it must be: %v\n%s", err, out)
	}
}

// endLab takes down what atEnd was told of, and the lab, and looks for leftovers.
func (w *world) endLab() {
	for _, end := range slices.Backward(w.ends) {
		end()
	}
	for _, node := range lab.Nodes { // Down would end them without a word
		if pids, err := w.lab.Namespace(node).Processes(); err != nil || len(pids) > 0 {
			w.t.Errorf("processes left in %s: %v, %v", node, pids, err)
		}
	}
	if err := w.lab.Down(); err != nil {
		w.t.Error(err)
	}
	if left, err := namespace.List(w.lab.Name); err != nil || len(left) > 0 {
		w.t.Errorf("namespaces left: %q, %v", left, err)
	}
	if exists(w.lab.Dir()) {
		w.t.Errorf("directory left: %s", w.lab.Dir())
	}
}

// atEnd has f called at the end, after that of the VTEP, which may need what f ends.
func (w *world) atEnd(f func()) { w.ends = append(w.ends, f) }

// checkGone checks that "exit --cleanup" has left nothing: no pins, no vxlan device, no
// program on a port, no socket, no pidfile.
func (w *world) checkGone() {
	w.t.Helper()
	if exists(w.pins) {
		w.t.Errorf("pins left in %s", w.pins)
	}
	for _, name := range w.devices(lab.VTEP) {
		if strings.HasPrefix(name, "vtep") {
			w.t.Errorf("device left: %s", name)
		}
	}
	for _, program := range w.programs() {
		w.t.Errorf("program left on %s", program)
	}
	for _, path := range w.leftovers() {
		w.t.Errorf("left in the run directory: %s", path)
	}
}

// leftovers lists the sockets and pidfiles in the run directory, of which an orderly end
// leaves none.
func (w *world) leftovers() []string {
	w.t.Helper()
	var all []string
	for _, pattern := range []string{"*.sock", "*.ctl", "*.pid"} {
		left, err := filepath.Glob(filepath.Join(w.env.RunDir, pattern))
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, left...)
	}
	if w.external != "" {
		all = slices.DeleteFunc(all, func(path string) bool { return path == w.socket() || filepath.Base(path) == "c.ctl" })
	}
	return all
}

// devices lists the network devices of a node.
func (w *world) devices(node lab.Node) []string {
	w.t.Helper()
	var names []string
	w.links(node, func(h *netlink.Handle) error {
		all, err := h.LinkList()
		for _, l := range all {
			names = append(names, l.Attrs().Name)
		}
		return err
	})
	return names
}

// links calls f with a netlink handle of a node.
func (w *world) links(node lab.Node, f func(*netlink.Handle) error) {
	w.t.Helper()
	n := w.lab.Namespace(node)
	if n == nil {
		return // the lab could not be built
	}
	if err := n.Links(f); err != nil {
		w.t.Fatalf("links of %s: %v", node, err)
	}
}

// address gives a device one more address.
func (w *world) address(node lab.Node, device, prefix string) {
	w.t.Helper()
	testnet.Address(w.t, w.lab.Namespace(node), device, prefix)
}

// reach pings until the first reply, since rows take effect a moment after their commit, and
// from there on no packet may be lost.
func (w *world) reach(from, to lab.Station) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		r := w.ping(from, to, 1, time.Millisecond)
		if r.Received == 0 {
			return fmt.Errorf("no reply from %s to %s", to.Node, from.Node)
		}
		return nil
	})
	if r := w.ping(from, to, 20, 5*time.Millisecond); r.Lost() > 0 {
		w.t.Fatalf("%s -> %s: %d of %d packets lost", from.Node, to.Node, r.Lost(), r.Sent)
	}
}

func (w *world) ping(from, to lab.Station, count int, interval time.Duration) lab.Replies {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	r, err := w.lab.Ping(ctx, from.Node, to.IP.Addr(), count, interval)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
