package server

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// stuckRequests are what a peer can ask for at once whose answers are long: kinds of request,
// each with its number in place of %d.
var stuckRequests = map[string]string{
	"select":       `{"id":%d,"method":"transact","params":["things",{"op":"select","table":"Thing","where":[]}]}`,
	"monitor":      `{"id":%[1]d,"method":"monitor","params":["things",%[1]d,{"Thing":{}}]}`,
	"monitor_cond": `{"id":%[1]d,"method":"monitor_cond","params":["things",%[1]d,{"Thing":[{"where":[["n","!=",-%[1]d]]}]}]}`,
	"wait": `{"id":%d,"method":"transact","params":["things",{"op":"wait","table":"Config","where":[],"columns":["targets"],` +
		`"until":"!=","rows":[]},{"op":"select","table":"Thing","where":[]}]}`,
}

// TestStuckPeer has a peer ask for much and read nothing: what the server holds for it stays
// near the limits, other clients are served meanwhile, and with the peer its requests go.
func TestStuckPeer(t *testing.T) {
	const requests, rows, queue = 400, 3000, 50_000
	for kind, request := range stuckRequests {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, Options{Durability: DurableOff, Limits: Limits{Queue: queue}})
			w := r.dial()
			w.must("transact", string(bulk(0, rows)))
			longest := len(w.must("transact", `["things",{"op":"select","table":"Thing","where":[]}]`).Raw())
			nc, err := r.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for i := range requests {
					if _, err := fmt.Fprintf(nc, request, i); err != nil {
						return // it was closed before all was read
					}
				}
			}()
			if kind == "wait" {
				<-sent
				testenv.Eventually(t, patience, func() error {
					if n := r.Usage().Triggers; n != requests {
						return fmt.Errorf("%d wait", n)
					}
					return nil
				})
				w.transact(`{"op":"insert","table":"Config","row":{"targets":"x"}}`) // all of them are met
			}
			// The first answers fill what the kernel takes, and leave more than the limit.
			testenv.Eventually(t, patience, func() error {
				if n := r.Usage().Backlog; n <= queue {
					return fmt.Errorf("%d bytes wait for the peer", n)
				}
				return nil
			})
			for i := range 20 {
				w.transact(fmt.Sprintf(`{"op":"insert","table":"Thing","row":{"name":"other %d","note":%q}}`, i, strings.Repeat("x", 1000)))
			}
			u := r.Usage()
			if n := u.Requests; n > 22+5 && kind != "wait" {
				t.Errorf("%d requests were executed, 22 of them the other client's", n)
			}
			if u.Backlog <= queue || u.Backlog > queue+2*longest+20*2000 {
				t.Errorf("%d bytes wait for the peer; one answer has %d", u.Backlog, longest)
			}
			if u.Held > pipelineBytes {
				t.Errorf("%d bytes are held back for it", u.Held)
			}
			nc.Close()
			<-sent
			testenv.Eventually(t, patience, func() error {
				if u := r.Usage(); u.Sessions != 1 || u.Monitors+u.Triggers+u.Backlog+u.Held+u.Queued != 0 {
					return fmt.Errorf("left: %+v", u)
				}
				return nil
			})
			if n := r.Usage().Requests - u.Requests; n != 0 {
				t.Errorf("%d requests were executed for a peer that has gone", n)
			}
		})
	}
}

// TestStuckPeerMemory puts the same attack to our server and to the C one. Another client is
// served meanwhile, and what ours needs for the peer is not much more than what the C server
// needs.
func TestStuckPeerMemory(t *testing.T) {
	rows, requests := 5000, 500
	if testenv.Effort(t) > 1 {
		rows = 20_000
	}
	for _, kind := range []string{"select", "monitor"} {
		attack := func(p *process) float64 {
			w := p.dial(t)
			w.must("transact", string(bulk(0, rows)))
			before := p.resident(t)
			nc, err := net.Dial("unix", p.socket)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			var text bytes.Buffer
			for i := range requests {
				fmt.Fprintf(&text, stuckRequests[kind], i)
			}
			go nc.Write(text.Bytes()) //nolint:errcheck // as much as is read
			for i := range 20 {
				w.transact(fmt.Sprintf(`{"op":"insert","table":"Thing","row":{"name":"other %d"}}`, i))
			}
			return p.resident(t) - before
		}
		theirs := attack(startC(t, createFile(t, testSchema)))
		ours := attack(startOurs(t, createFile(t, testSchema), "client"))
		t.Logf("%s: grown by %.0f kB, the C server by %.0f kB", kind, ours, theirs)
		if ours > 3*theirs+64<<10 {
			t.Errorf("%s: grown by %.0f kB, the C server by %.0f kB", kind, ours, theirs)
		}
	}
}

// TestSlowPeer reads all of what TestStuckPeer does not, while others write: nothing is
// missing, and it comes in the order of the requests.
func TestSlowPeer(t *testing.T) {
	const requests, rows = 30, 300
	r := newRig(t, Options{Durability: DurableOff, Limits: Limits{Queue: 10_000}})
	w := r.dial()
	w.must("transact", string(bulk(0, rows)))
	nc, err := r.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	go func() {
		for i := range requests {
			for _, kind := range []string{"monitor", "select", "monitor_cond"} {
				if _, err := fmt.Fprintf(nc, stuckRequests[kind], map[string]int{"monitor": 0, "select": 1, "monitor_cond": 2}[kind]+10*i); err != nil {
					return
				}
			}
		}
	}()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				w.transact(fmt.Sprintf(`{"op":"update","table":"Thing","where":[["name","==","thing 0"]],"row":{"n":%d}}`, i))
			}
		}
	}()
	if err := nc.SetReadDeadline(time.Now().Add(10 * patience)); err != nil {
		t.Fatal(err)
	}
	reader := newMessages(nc)
	for i := range requests {
		for kind := range 3 {
			if got, want := reader.reply(t), 10*i+kind; got != want {
				t.Fatalf("answer %d, want %d", got, want)
			}
		}
	}
	close(stop)
	<-stopped
	// Every monitor ends with the last value.
	w.transact(`{"op":"update","table":"Thing","where":[["name","==","thing 0"]],"row":{"n":-1}}`)
	told := map[string]bool{}
	for len(told) < 2*requests {
		if m := reader.next(t); m.Method != "" && strings.Contains(string(m.Params.Raw()), `"n":-1`) {
			told[m.Params.Index(0).String()] = true
		}
	}
}

// messages reads what a server sends.
type messages struct{ *wire.Reader }

func newMessages(nc net.Conn) messages { return messages{wire.NewReader(nc, 1<<28)} }

func (r messages) next(t *testing.T) jsonrpc.Message {
	t.Helper()
	v, err := r.Value()
	if err != nil {
		t.Fatal(err)
	}
	m, err := jsonrpc.MessageOf(v)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// reply is the id of the next answer, after any updates.
func (r messages) reply(t *testing.T) int {
	t.Helper()
	for {
		switch m := r.next(t); m.Kind {
		case jsonrpc.Reply:
			return int(m.ID.Int())
		case jsonrpc.Error:
			t.Fatalf("error %s", m.Err)
		}
	}
}

// TestHalfClosedPeer asks for much, closes its side and then reads: it gets all answers.
// Another one does not read: it is not waited for.
func TestHalfClosedPeer(t *testing.T) {
	r := newRig(t, Options{Durability: DurableOff, Limits: Limits{Queue: 10_000}})
	if err := r.AddRemote("ptcp:0:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	r.dial().must("transact", string(bulk(0, 1000)))
	addr := fmt.Sprintf("127.0.0.1:%d", r.remotes.find("ptcp:0:127.0.0.1").boundPort())
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, stuckRequests["select"], i)
	}
	got := pipeThrough(t, addr, text.String())
	if n := strings.Count(got, `"id":`); n != 100 || !strings.Contains(got, `"id":99,`) {
		t.Errorf("%d answers", n)
	}
}

// The values of half a request count, not its text alone.
func TestIntakeCountsValues(t *testing.T) {
	r := newRig(t, Options{})
	if err := r.AddRemote("ptcp:0:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.remotes.find("ptcp:0:127.0.0.1").boundPort()))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const buffer = 1 << 20
	if _, err := nc.Write([]byte((`{"id":1,"method":"echo","params":[` + strings.Repeat(`"as long as a name",`, buffer))[:buffer*9/10])); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error {
		if n := r.Usage().Intake; n < buffer*3/2 {
			return fmt.Errorf("%d bytes are held", n)
		}
		return nil
	})
}

// TestIntake has many peers leave long messages half sent: together they are bounded, and it
// is the one with most that goes.
func TestIntake(t *testing.T) {
	r := newRig(t, Options{Limits: Limits{Intake: 6 << 20}})
	if err := r.AddRemote("ptcp:0:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", r.remotes.find("ptcp:0:127.0.0.1").boundPort())
	half := func(size int) net.Conn {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		if _, err := nc.Write([]byte(`{"id":1,"method":"echo","params":["` + strings.Repeat("x", size))); err != nil {
			t.Fatal(err)
		}
		return nc
	}
	holds := func(more int) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			if n := r.Usage().Intake; n < more || n > 6<<20 {
				return fmt.Errorf("%d bytes are held", n)
			}
			return nil
		})
	}
	small := half(100_000)
	holds(100_000)
	large := half(1_500_000)
	holds(1_600_000)
	larger := half(2_500_000)
	if err := larger.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := larger.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the peer with the longest message got %v", err)
	}
	for _, nc := range []net.Conn{small, large} {
		if _, err := nc.Write([]byte(`"]}`)); err != nil {
			t.Error(err)
		}
		if err := nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if m := newMessages(nc).next(t); m.Kind != jsonrpc.Reply {
			t.Errorf("got %+v", m)
		}
	}
	testenv.Eventually(t, patience, func() error {
		if n := r.Usage().Intake; n != 0 {
			return fmt.Errorf("%d bytes are held", n)
		}
		return nil
	})
	testenv.Eventually(t, patience, func() error { // by the session, after it has ended
		if !strings.Contains(r.log.String(), errIntake.Error()) {
			return errors.New("not logged")
		}
		return nil
	})
}
