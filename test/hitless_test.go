package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// uuids gives the identities of all rows whose lives must be longer than the process's.
func (v view) uuids() []string {
	var all []string
	note := func(table string, id hwvtep.UUID, what string) {
		all = append(all, fmt.Sprintf("%s %v %s", table, id, what))
	}
	for r := range v.Globals() {
		note("Global", r.UUID, "")
	}
	for r := range v.PhysicalSwitches() {
		note("Physical_Switch", r.UUID, r.Name)
	}
	for r := range v.PhysicalPorts() {
		note("Physical_Port", r.UUID, r.Name)
	}
	for r := range v.LogicalSwitches() {
		note("Logical_Switch", r.UUID, r.Name)
	}
	for r := range v.UcastMACsLocal() {
		note("Ucast_Macs_Local", r.UUID, r.MAC)
	}
	for r := range v.McastMACsLocal() {
		note("Mcast_Macs_Local", r.UUID, r.MAC)
	}
	for r := range v.UcastMACsRemote() {
		note("Ucast_Macs_Remote", r.UUID, r.MAC)
	}
	for r := range v.Tunnels() {
		note("Tunnel", r.UUID, "")
	}
	for r := range v.PhysicalLocators() {
		note("Physical_Locator", r.UUID, r.DstIP)
	}
	slices.Sort(all)
	return all
}

// both makes the two networks and traffic in them; the MACs of all hosts are learned.
func (w *world) both() {
	w.t.Helper()
	w.start(usual...)
	w.howto(w.ours())
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host1, lab.Host2)
	w.reach(lab.Host2Tagged, lab.Host4)
	w.learned("ls0", lab.Host1.MAC.String(), lab.Host2.MAC.String())
	w.learned("ls1", lab.Host2Tagged.MAC.String())
}

// pings starts traffic on every way; the result ends it, and wants all replies.
func (w *world) pings() (stop func()) {
	w.t.Helper()
	stops := []func(){
		w.startPing(lab.H1, lab.Host3),
		w.startPing(lab.H2, lab.Host4),
		w.startPing(lab.H1, lab.Host2),
	}
	return func() {
		w.t.Helper()
		for _, stop := range stops {
			stop()
		}
	}
}

// TestKill kills the VTEP with -9 under traffic, 200 packets a second on each of three ways,
// and starts it again. No packet is lost; the new process adopts what it finds, so the maps
// and the rows are the same to the last bit; what was committed is there.
func TestKill(t *testing.T) {
	w := newWorld(t)
	w.both()
	v := w.now()
	rows := v.uuids()
	before := w.pinned()
	stop := w.pings()
	w.breathe(time.Second)

	for range 2 {
		w.closeReplica()
		w.ctl("set Logical_Switch ls0 description=survives")
		if status := w.signal(syscall.SIGKILL); status != -1 {
			t.Fatalf("status %d of a killed process", status)
		}
		w.breathe(time.Second)
		w.same(before, "after the kill")
		w.start(usual...)
		w.ctl("set Logical_Switch ls0 description=again") // the new process works
		w.breathe(time.Second)
		w.same(before, "after the restart")
		if now := w.now().uuids(); !slices.Equal(now, rows) {
			t.Errorf("the rows were\n%q\nare\n%q", rows, now)
		}
	}
	stop()

	// The new process learns, and obeys.
	w.h1().Send(frame(broadcast, station(0xb1), "hello"))
	w.learned("ls0", lab.Host1.MAC.String(), lab.Host2.MAC.String(), station(0xb1).String())
	w.ctl("set Logical_Switch ls0 tunnel_key=6000")
	w.floods(6000, lab.RemoteIP)
}

// TestKillWhileStarting kills VTEPs on their way up, at times from the first moment to after
// the last: whatever they have done by then, no packet is lost, and the next one finds its way.
func TestKillWhileStarting(t *testing.T) {
	w := newWorld(t)
	w.both()
	before := w.pinned()
	stop := w.pings()
	w.closeReplica()
	w.signal(syscall.SIGKILL)
	for delay := 10 * time.Millisecond; delay < 400*time.Millisecond; delay += 30 * time.Millisecond {
		w.vtep = w.launch(usual...)
		w.breathe(delay)
		w.signal(syscall.SIGKILL)
	}
	w.start(usual...)
	w.same(before, "at the end")
	stop()
	w.learned("ls0", lab.Host1.MAC.String(), lab.Host2.MAC.String())
	w.ctl(fmt.Sprintf("unbind-ls %s p1 %d -- bind-ls %[1]s p1 7 ls1", w.name, lab.VLAN))
	w.bound("p1", 7)
	w.ctl(fmt.Sprintf("unbind-ls %s p1 7 -- bind-ls %[1]s p1 %d ls1", w.name, lab.VLAN))
	w.reach(lab.Host2Tagged, lab.Host4)
}

// breathe lets traffic flow for a time: the only thing that a test here waits for blindly.
func (w *world) breathe(d time.Duration) { time.Sleep(d) }

// same checks that the pinned maps and links are what they were.
func (w *world) same(before map[string]string, when string) {
	w.t.Helper()
	for _, d := range differences(before, w.pinned()) {
		w.t.Errorf("%s: %s", when, d)
	}
}

// TestKillDuringCommits kills the VTEP while a controller commits: what was acknowledged is
// there after the restart, and reaches the dataplane.
func TestKillDuringCommits(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	for round := range 3 {
		acknowledged := make(chan int)
		go func() {
			n := 0
			defer func() { acknowledged <- n }()
			for ; n < 100; n++ {
				args := []string{"--db=unix:" + w.socket(), "-t", "60", "add-ucast-remote", "ls0", commitMAC(round, n), lab.RemoteIP.String()}
				if err := w.env.Command(w.ours().program, args...).Run(); err != nil {
					return
				}
			}
		}()
		w.await(func(v view) error {
			if v.Len("Ucast_Macs_Remote") < (round+1)*10 {
				return fmt.Errorf("%d rows of Ucast_Macs_Remote", v.Len("Ucast_Macs_Remote"))
			}
			return nil
		})
		w.closeReplica()
		w.signal(syscall.SIGKILL)
		n := <-acknowledged
		w.start(usual...)
		have := map[string]bool{}
		for m := range w.now().UcastMACsRemote() {
			have[m.MAC] = true
		}
		for i := range n {
			if !have[commitMAC(round, i)] {
				t.Errorf("round %d: the row of commit %d of %d is gone", round, i, n)
			}
		}
		mac := station(0)
		copy(mac[4:], []byte{0xc0 + byte(round), byte(n - 1)})
		f := frame(mac, lab.Host1.MAC, fmt.Sprintf("to the last one of round %d", round))
		stop := w.repeat(w.h1(), f)
		w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)
		stop()
	}
}

func commitMAC(round, n int) string {
	mac := station(0)
	copy(mac[4:], []byte{0xc0 + byte(round), byte(n)})
	return mac.String()
}

// TestChangesWhileDead changes what the VTEP depends on while none runs: another process
// writes its database, a device is replaced. The next process repairs what differs, and
// nothing else.
func TestChangesWhileDead(t *testing.T) {
	w := newWorld(t)
	w.both()
	behind := map[string]net.HardwareAddr{"p8": station(0xb5), "p9": station(0xb4)} // a link that will go down, and a device that will go
	for port, host := range behind {
		w.addPort(port)
		w.ctl(fmt.Sprintf("add-port %s %s -- bind-ls %[1]s %[2]s 0 ls0", w.name, port))
		w.bound(port, 0)
		heard := w.repeat(w.tap(lab.VTEP, port+"far"), frame(broadcast, host, "from behind "+port))
		w.await(func(v view) error {
			if !slices.Contains(v.locals("ls0"), host.String()) {
				return fmt.Errorf("the host behind %s has no row", port)
			}
			return nil
		})
		heard()
	}
	w.closeReplica()
	stop := w.startPing(lab.H1, lab.Host3)
	other := w.startPing(lab.H1, lab.Host2)
	w.signal(syscall.SIGKILL)

	// The C server serves the database meanwhile: it reads what ours wrote, and the reverse.
	server := launch(t, nil, w.env.Command(testenv.Program(t, "ovsdb-server"), "--remote=punix:"+w.socket(),
		"--unixctl="+w.env.RunDir+"/c.ctl", w.database()), w.env.LogDir+"/ovsdb-server.log")
	testenv.Eventually(t, patience, func() error {
		if !exists(w.socket()) {
			return fmt.Errorf("no %s", w.socket())
		}
		return w.env.Command(w.cs().program, "--db=unix:"+w.socket(), "show").Run()
	})
	w.cs().run("unbind-ls", w.name, "p1", fmt.Sprint(lab.VLAN), "--", "add-ucast-remote", "ls0", station(0xb2).String(), lab.RemoteIP.String())
	if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	server.wait(t)

	w.device(lab.VTEP, "p9", func(h *netlink.Handle, l netlink.Link) error { return h.LinkDel(l) })
	w.removed(lab.VTEP, "p9far")
	w.addPort("p9") // the same name, another device

	w.linkDown(lab.VTEP, "p8far")

	w.start(usual...)
	w.await(func(v view) error { // at once, not when it ages
		for port, host := range behind {
			if slices.Contains(v.locals("ls0"), host.String()) {
				return fmt.Errorf("the host that was behind %s has a row yet", port)
			}
		}
		return nil
	})
	f := frame(broadcast, station(0xb3), "from the replaced device")
	anew := w.repeat(w.tap(lab.VTEP, "p9far"), f)
	w.h1().Expect(f)
	anew()
	f = frame(station(0xb2), lab.Host1.MAC, "by a row of the dead time")
	again := w.repeat(w.h1(), f)
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)
	again()
	w.learned("ls1") // unbound
	if r := w.ping(lab.Host2Tagged, lab.Host4, 5, time.Millisecond); r.Received > 0 {
		t.Error("the binding that was taken away still forwards")
	}
	stop()
	other()
}

// TestExit ends the VTEP in the ways that leave forwarding: "exit", and the signals. Frames
// go on, and the next one takes over.
func TestExit(t *testing.T) {
	w := newWorld(t)
	w.both()
	stop := w.pings()
	before := w.pinned()
	for _, end := range []struct {
		name string
		do   func()
	}{
		{"exit", func() { w.exit() }},
		{"SIGTERM", func() {
			// As the daemons of the family do, it dies of the signal, but in order.
			if status := w.signal(syscall.SIGTERM); status != 0 && status != -1 {
				t.Errorf("status %d after SIGTERM", status)
			}
		}},
		{"SIGINT", func() { w.signal(syscall.SIGINT) }},
	} {
		w.closeReplica()
		end.do()
		if left := w.leftovers(); len(left) > 0 {
			t.Errorf("after %s there are %q", end.name, left)
		}
		w.breathe(300 * time.Millisecond)
		w.same(before, "after "+end.name)
		w.start(usual...)
	}
	stop()
}

// TestCleanup ends the VTEP with "exit --cleanup": checkGone looks at what is left, and the
// ports are free. The database stays; a new start has all of it.
func TestCleanup(t *testing.T) {
	w := newWorld(t)
	w.both()
	w.closeReplica()
	w.exit("--cleanup")
	w.checkGone()
	if r := w.ping(lab.Host1, lab.Host3, 3, time.Millisecond); r.Received > 0 {
		t.Error("there is forwarding after the clean-up")
	}
	w.start(usual...)
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host2Tagged, lab.Host4)
}

// TestMonitorOption kills a VTEP that runs under --monitor: it is started again by itself.
func TestMonitorOption(t *testing.T) {
	w := newWorld(t)
	pidfile := filepath.Join(w.env.RunDir, "vtep.pid")
	args := append([]string{"--detach", "--no-chdir", "--monitor", "--pidfile", "--log-file=" + filepath.Join(w.env.LogDir, "vtep.log"),
		"--unixctl=" + filepath.Join(w.env.RunDir, "vtep.ctl")}, usual...)
	starter := w.launch(args...)
	if status := starter.wait(t); status != 0 {
		t.Fatalf("status %d: %s", status, starter.output(t))
	}
	w.howto(w.ours()) // it is ready when the starter ends
	w.reach(lab.Host1, lab.Host3)
	stop := w.pings()
	pid := func() int {
		b, err := os.ReadFile(pidfile)
		if err != nil {
			return 0
		}
		n, _ := strconv.Atoi(strings.TrimSpace(string(b))) // half of a number is not the one that answers
		return n
	}
	first := pid()
	if err := syscall.Kill(first, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error {
		if now := pid(); now == first || now == 0 {
			return fmt.Errorf("process %d", now)
		}
		return w.env.Command(w.ours().program, "--db=unix:"+w.socket(), "-t", "60", "list-ls").Run()
	})
	stop()
	w.env.Output(t, testenv.Program(t, "ovs-appctl"), "-t", filepath.Join(w.env.RunDir, "vtep.ctl"), "exit", "--cleanup")
	testenv.Eventually(t, patience, func() error {
		if pids, err := w.lab.Namespace(lab.VTEP).Processes(); err != nil || len(pids) > 0 {
			return fmt.Errorf("processes %v, %v", pids, err)
		}
		return nil
	})
}
