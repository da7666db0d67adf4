package ebpf

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testnet"
)

// flow is a stream of numbered frames from one device, each of which is to arrive once at
// one of some others.
type flow struct {
	w       *world
	sent    atomic.Uint32
	dropped uint64 // what the machine had dropped when it began

	stop   chan struct{} // ends the sender
	sender sync.WaitGroup
	end    chan struct{} // ends the receivers, when nothing is there any more
	wg     sync.WaitGroup

	mu  sync.Mutex     // guards what follows
	got map[uint32]int // how often each frame arrived, by its number
}

const flowFrame = "flow frame"

func (w *world) flow(from string, src, dst intent.MAC, to ...string) *flow {
	f := &flow{w: w, stop: make(chan struct{}), end: make(chan struct{}), got: map[uint32]int{}, dropped: testnet.Dropped(w.t)}
	in := w.taps[from]
	f.sender.Go(func() {
		for {
			select {
			case <-f.stop:
				return
			default:
			}
			for range 5 {
				b := frame(dst, src, flowFrame)
				binary.BigEndian.PutUint32(b[40:], f.sent.Add(1))
				if err := in.TrySend(b); err != nil {
					w.t.Errorf("send at %s: %v", from, err)
					return
				}
			}
			time.Sleep(200 * time.Microsecond)
		}
	})
	for _, dev := range to {
		f.wg.Go(func() { f.collect(w.taps[dev]) })
	}
	return f
}

func (f *flow) collect(out *testnet.Tap) {
	for {
		b := out.Receive(time.Now().Add(20 * time.Millisecond))
		if len(b) >= 44 && strings.HasPrefix(string(b[14:]), flowFrame) {
			f.mu.Lock()
			f.got[binary.BigEndian.Uint32(b[40:])]++
			f.mu.Unlock()
		}
		select {
		case <-f.end:
			if b == nil {
				return
			}
		default:
		}
	}
}

// mustBeWhole stops the flow. No frame of it may be missing or there twice.
func (f *flow) mustBeWhole(name string) {
	f.w.t.Helper()
	close(f.stop)
	f.sender.Wait()
	f.w.barrier()
	close(f.end)
	f.wg.Wait()
	// All processes of the machine share the queues of its CPUs: who floods one makes others lose frames.
	excused := testnet.Dropped(f.w.t) - f.dropped
	sent, missing, wrong := f.sent.Load(), uint64(0), 0
	for n := uint32(1); n <= sent; n++ {
		if f.got[n] == 0 {
			missing++
		}
		if f.got[n] == 1 || f.got[n] == 0 && missing <= excused {
			continue
		}
		if wrong++; wrong < 5 {
			f.w.t.Errorf("%s: frame %d of %d arrived %d times", name, n, sent, f.got[n])
		}
	}
	f.w.t.Logf("%s: %d frames, %d missing, %d not right; the machine has dropped %d", name, sent, missing, wrong, excused)
}

// bigBuffers keeps the counting sockets from dropping what the plane delivered.
func (w *world) bigBuffers(devs ...string) {
	for _, dev := range devs {
		w.taps[dev].Buffer(64 << 20)
	}
}

// TestRestart hands the dataplane from plane to plane, and from mode to mode, under traffic:
// none of it may be lost.
func TestRestart(t *testing.T) {
	t.Run("tcx", func(t *testing.T) {
		testRestart(t, "direct", "direct", "vxlan device", "direct")
	})
	// To add or remove the qdisc, as between these and the others, loses frames.
	t.Run("tc filter", func(t *testing.T) { testRestart(t, "tc filter", "tc filter", "tc filter") })
}

func testRestart(t *testing.T, first string, then ...string) {
	w := newWorld(t)
	w.bigBuffers("h0", "vx10")
	p := w.plane(modes[first])
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.send("h1", frame(bcast, macB, "here is B"))
	w.seen(p, plane.Seen{Key: intent.MACKey{Switch: ls1, MAC: macB}, At: intent.BindingKey{Port: "p1"}})

	out := w.flow("h0", macA, macR, "vx10")
	in := w.flow("vx10", macR, macA, "h0")
	for i, mode := range then {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if i > 0 { // or it would go on with the same programs
			if err := os.RemoveAll(p.pins.Programs()); err != nil {
				t.Fatal(err)
			}
		}
		p = w.plane(modes[mode])
		w.apply(p, basic(), nil)
		w.audit(p)
	}
	in.mustBeWhole("from the peer")
	out.mustBeWhole("to the peer")
}

// TestMain is also the program that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("VTEP_TEST_PINS"); dir != "" {
		o := Options{Name: "ps1", PinDir: dir}
		if os.Getenv("VTEP_TEST_XDP") != "" {
			o.XDP, o.wired = XDPRequire, true
		}
		p, err := New(o)
		if err == nil {
			_, err = p.Apply(context.Background(), basic(), nil)
		}
		if err == nil && os.Getenv("VTEP_TEST_CAPTURE") != "" {
			_, err = p.StartCapture(context.Background(), plane.CaptureFilter{VLAN: -1, Inside: true, Bytes: 64}, func(*plane.Captured) {})
		}
		fmt.Println("ready", err)
		select {}
	}
	os.Exit(m.Run())
}

// child has a process of its own apply the basic State.
func (w *world) child(env ...string) *exec.Cmd {
	w.t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(append(os.Environ(), "VTEP_TEST_PINS="+w.pins), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := w.vtep.Start(cmd); err != nil {
		w.t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "ready <nil>\n" {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		w.t.Fatalf("the process said %q", line)
	}
	return cmd
}

// TestKill ends the process with SIGKILL, again and again, each time with a new one.
func TestKill(t *testing.T) {
	w := newWorld(t)
	w.bigBuffers("h0", "vx10")
	cmd := w.child()
	w.send("h0", frame(bcast, macA, "here is A"))
	out := w.flow("h0", macA, macR, "vx10")
	in := w.flow("vx10", macR, macA, "h0")
	for range 3 {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		cmd = w.child()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	in.mustBeWhole("from the peer")
	out.mustBeWhole("to the peer")

	// What was learned meanwhile is found again.
	w.send("h1", frame(bcast, macB, "here is B"))
	w.barrier()
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	seen, err := p.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[intent.MAC]string{macA: "p0", macB: "p1"}
	for _, s := range seen {
		if want[s.Key.MAC] == s.At.Port {
			delete(want, s.Key.MAC)
		}
	}
	if len(want) > 0 {
		t.Errorf("sweep gives %+v, without %v", seen, want)
	}
	w.audit(p)
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}
