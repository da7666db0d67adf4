package ovs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
)

// abuse is something that happens to Open vSwitch while the plane makes a change.
type abuse struct {
	name string
	do   func(t *testing.T, w *world)
}

var abuses = []abuse{
	{"del-flows of the physical switch", func(t *testing.T, w *world) { w.Ofctl(t, "del-flows", "br0") }},
	{"del-flows of a logical switch", func(t *testing.T, w *world) { w.Ofctl(t, "del-flows", "br0_vtep_ls1") }},
	{"a logical switch's bridge deleted", func(t *testing.T, w *world) { w.Vsctl(t, "--no-wait", "--if-exists", "del-br", "br0_vtep_ls2") }},
	{"the bridges beside deleted", func(t *testing.T, w *world) {
		w.Vsctl(t, "--no-wait", "--if-exists", "del-br", "br0_vtep_strays", "--", "--if-exists", "del-br", "vtep_bfd")
	}},
	{"the physical switch's bridge made again", func(t *testing.T, w *world) {
		w.Vsctl(t, "del-br", "br0")
		w.Bridge(t, "br0", planetest.Ports...)
	}},
	{"a port made again", func(t *testing.T, w *world) {
		w.Vsctl(t, "del-port", "br0", "p1", "--", "add-port", "br0", "p1")
	}},
	{"a port taken out and put in", func(t *testing.T, w *world) {
		w.Vsctl(t, "--no-wait", "del-port", "br0", "p2")
		w.Vsctl(t, "add-port", "br0", "p2")
	}},
	{"a patch port deleted", func(t *testing.T, w *world) { w.Vsctl(t, "--no-wait", "--if-exists", "del-port", "0000-p0-l") }},
	{"ports with other numbers", func(t *testing.T, w *world) {
		w.Vsctl(t, "set", "Interface", "p0", "ofport_request=77", "--", "set", "Interface", "p1", "ofport_request=78")
	}},
	{"fail_mode", func(t *testing.T, w *world) {
		w.Vsctl(t, "--no-wait", "set-fail-mode", "br0", "standalone", "--", "--if-exists", "set", "Bridge", "br0_vtep_ls1", "fail_mode=standalone")
	}},
	{"ovs-vswitchd dies", func(t *testing.T, w *world) {
		w.KillDaemon(t)
		w.revive(t)
	}},
	{"ovsdb-server dies", func(t *testing.T, w *world) {
		w.KillServer(t)
		w.StartServer(t)
	}},
	{"both die, ovsdb-server first", func(t *testing.T, w *world) {
		w.KillServer(t)
		w.KillDaemon(t)
		w.StartServer(t)
		w.revive(t)
	}},
	{"both die, ovs-vswitchd first", func(t *testing.T, w *world) {
		w.KillDaemon(t)
		w.KillServer(t)
		w.StartServer(t)
		w.revive(t)
	}},
	{"ovs-vswitchd hangs", func(t *testing.T, w *world) {
		hang := time.Second
		if testenv.Effort(t) > 1 {
			hang = 30 * time.Second
		}
		signal := func(s syscall.Signal) {
			if err := w.DaemonProcess().Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		signal(syscall.SIGSTOP)
		time.Sleep(hang)
		signal(syscall.SIGCONT)
	}},
}

// revive starts ovs-vswitchd, and gives it what it keeps in memory alone.
func (w *world) revive(t *testing.T) {
	t.Helper()
	w.StartDaemon(t)
	w.address(t, w.Namespace, "br-ex", planetest.TunnelIP.String()+"/24")
	for _, ip := range planetest.Peers {
		w.Appctl(t, "tnl/neigh/set", "br-ex", ip.String(), peerMAC)
	}
}

// Whatever is done to Open vSwitch while something changes, all is right soon after, and nothing
// has crossed tenants. Each is done to a plane that goes on, and every other time the plane is
// another one meanwhile. A random order comes after the given one, as effort allows.
func TestAbuse(t *testing.T) {
	w := newWorld(t)
	small := twoTenants()
	large := small.Clone()
	large.Unicast.Set(intent.MACKey{Switch: red, MAC: intent.MAC{2, 0x21}}, intent.Tunnel{Peer: planetest.Peers[0], VNI: 5000})
	for n := range uint16(5) {
		id := intent.SwitchID{7, byte(n)}
		large.Switches[id] = intent.Switch{Name: fmt.Sprint("green", n), VNI: uint32(7000 + n)}
		large.Bindings[at("p2", 200+n)] = intent.Binding{Switch: id}
		tunnel := intent.Tunnel{Peer: planetest.Peers[2], VNI: uint32(7000 + n)}
		large.Floods[intent.FloodKey{Switch: id}] = intent.FloodSet{tunnel}
		large.Decap.Set(tunnel, id)
	}
	p := w.newPlane(t)
	w.apply(p, small, nil)
	w.tenants(t)
	states := []*intent.State{small, large}
	now := 0
	round := func(a abuse, another bool) {
		t.Log(a.name, another)
		before, next := states[now], states[1-now]
		now = 1 - now
		done := make(chan struct{})
		if another {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			p = w.newPlane(t)
			before = nil
		}
		go func() {
			defer close(done)
			d := (*intent.Delta)(nil)
			if before != nil {
				d = intent.Diff(before, next)
			}
			if _, err := p.Apply(context.Background(), next, d); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
		a.do(t, w)
		<-done
		testenv.Eventually(t, longest, func() error {
			r, err := p.Apply(context.Background(), next, &intent.Delta{})
			if err == nil && (len(r.Ports)+len(r.Bindings) > 0 || r.Tunnels != nil) {
				err = fmt.Errorf("report %+v", r)
			}
			return err
		})
		testenv.Eventually(t, longest, func() error { return drifts(p) })
		w.tenants(t)
	}
	for i, a := range abuses {
		round(a, i%2 == 1)
	}
	for range 10 * (testenv.Effort(t) - 1) {
		round(abuses[rand.IntN(len(abuses))], rand.IntN(2) == 1)
	}
}
