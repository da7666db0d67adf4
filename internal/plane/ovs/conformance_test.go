package ovs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// Cases wait most of the time: several worlds have them side by side.
func TestConformance(t *testing.T) {
	const worlds = 2
	idle := make(chan *world, worlds)
	for i := range worlds {
		idle <- newWorldOf(t, strconv.Itoa(i))
	}
	planetest.Run(t, func(t *testing.T) planetest.Harness {
		t.Parallel()
		w := <-idle
		t.Cleanup(func() { idle <- w })
		w.reset(t)
		return w
	})
}

// newPlane opens a plane on the Open vSwitch of a world.
func (w *world) newPlane(t testing.TB) *Plane {
	p := New(Options{Name: "br0", RunDir: w.RunDir, Dial: idl.DialTarget("unix:"+w.Socket("db.sock"), nil), Control: daemon.Call,
		Routes: followRoutes, Logger: testenv.Logger(w.t)})
	w.t.Cleanup(func() { p.Close() })
	return p
}

func followRoutes(namespaceFile string, changed func()) (KernelRoutes, error) {
	r, err := namespace.FollowRoutes(namespaceFile, changed)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Open implements planetest.Harness.
func (w *world) Open(t testing.TB) plane.Plane {
	w.plane, w.stations = w.newPlane(t), nil
	return &patient{w.plane, w, t}
}

// patient waits until Open vSwitch forwards by the flows that it has: it answers a barrier
// before that. The first look at the datapath that ends may have begun before.
type patient struct {
	*Plane
	w *world
	t testing.TB
}

func (p *patient) Apply(ctx context.Context, next *intent.State, d *intent.Delta) (plane.Report, error) {
	r, err := p.Plane.Apply(ctx, next, d)
	p.w.settled(p.t)
	return r, err
}

func (p *patient) Forget(ctx context.Context, keys []intent.MACKey) error {
	err := p.Plane.Forget(ctx, keys)
	p.w.settled(p.t)
	return err
}

func (w *world) settled(t testing.TB) {
	t.Helper()
	for range 2 {
		w.call(t, "revalidator/wait")
	}
}

// call has ovs-vswitchd run a command, as Appctl does, but is no process: it is done for each change and each frame of each case.
func (w *world) call(t testing.TB, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	if _, err := daemon.Call(ctx, w.Socket(fmt.Sprintf("ovs-vswitchd.%d.ctl", w.DaemonProcess().Pid)), command); err != nil {
		t.Fatalf("ovs-vswitchd does not answer: %v", err)
	}
}

// taught waits until the plane has learned from all frames that Open vSwitch has forwarded: it hears of them by the connections
// by which it is answered, and has made flows of that when it can be asked again.
func (w *world) taught(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	now := map[intent.MACKey]intent.BindingKey{}
	err := w.plane.readBridges(ctx, false, func([]reading) {})
	if err == nil {
		err = w.plane.do(ctx, func() {
			for id, all := range w.plane.engine.stations.bySwitch {
				for mac, st := range all {
					now[intent.MACKey{Switch: id, MAC: mac}] = st.at
				}
			}
		})
	}
	switch {
	case errors.Is(err, errClosed): // nobody learns
	case err != nil:
		t.Fatal(err)
	case !maps.Equal(now, w.stations):
		w.stations = now
		w.settled(t)
	}
}

// Limits implements planetest.Limited. The table in docs/openvswitch.md has them.
func (w *world) Limits() planetest.Limits {
	return planetest.Limits{CountsTags: true, LearnsLate: true, OneTag: true, OneKindOfTag: true, RoughDrops: true, SeesHeaders: true, RoughHeaders: true, LeavesECT1: true}
}

func host(port string) string { return "h" + port[1:] }

// FromPort implements planetest.Harness.
func (w *world) FromPort(t testing.TB, port string, frame []byte) {
	t.Helper()
	w.send(t, host(port), frame)
}

// FromTunnel implements planetest.Harness.
func (w *world) FromTunnel(t testing.TB, from intent.Tunnel, tos uint8, inner []byte) {
	t.Helper()
	b := encapsulated(from, inner)
	testnet.SetTOS(b, tos)
	w.send(t, "r0", b)
}

// forwarded waits until Open vSwitch has forwarded what was sent before, however long it has to wait for a processor: its
// main thread looks for frames, and answers commands after that, so that between two answers it has looked for all.
func (w *world) forwarded(t testing.TB) {
	t.Helper()
	for range 2 {
		w.call(t, "version")
	}
	time.Sleep(10 * time.Millisecond) // for the kernel, which passes frames on between the ends of a veth pair
}

// Receive implements planetest.Harness.
func (w *world) Receive(t testing.TB, n int) []planetest.Out {
	t.Helper()
	var outs []planetest.Out
	mine := 0
	collect := func() {
		for _, o := range w.collect(t) {
			outs = append(outs, o)
			if planetest.Mine(o.Frame) {
				mine++
			}
		}
	}
	for end := time.Now().Add(longest); ; {
		collect()
		if mine >= n || time.Now().After(end) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	w.forwarded(t)
	if w.plane != nil {
		w.taught(t)
	}
	collect()
	return outs
}

// collect takes the frames that are there now.
func (w *world) collect(t testing.TB) []planetest.Out {
	t.Helper()
	var outs []planetest.Out
	for name, tap := range w.taps {
		for _, b := range tap.Drain() {
			if name != "r0" {
				outs = append(outs, planetest.Out{Port: "p" + name[1:], Frame: b})
				continue
			}
			o, ok := testnet.ParseOuter(b)
			if !ok {
				continue
			}
			if o.Src != planetest.TunnelIP || !slices.Contains(planetest.Peers, o.Dst) || o.Flags != 0x08 || o.TTL != 64 || !o.DF {
				t.Errorf("outer headers %+v", o)
			}
			outs = append(outs, planetest.Out{Tunnel: intent.Tunnel{Peer: o.Dst, VNI: o.VNI}, TOS: o.TOS, Frame: o.Inner})
		}
	}
	return outs
}

// AddDevice implements planetest.Harness: the device is new, and a port of the bridge again.
func (w *world) AddDevice(t testing.TB, port string) {
	t.Helper()
	w.veth(t, host(port), port)
	w.Vsctl(t, "--may-exist", "add-port", "br0", port)
}

// RemoveDevice implements planetest.Harness. Open vSwitch does not give up a port whose device
// is gone before it is told to.
func (w *world) RemoveDevice(t testing.TB, port string) {
	t.Helper()
	w.removeLink(t, host(port))
	w.Vsctl(t, "del-port", "br0", port)
}
