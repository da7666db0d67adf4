package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/nvc"
)

// world is all that is simulated, under one scheduler: in each step it draws what happens, and waits until all
// goroutines have come to rest.
type world struct {
	seed     uint64
	sabotage sabotage
	steps    uint64
	r        *rand.Rand // of what happens in this step
	net      *network
	machines []*machine
	people   *process // the operators
	ops      []*operator
	control  *process // the controller; nil: it is down
	hosts    []*host
	underlay []packet
	removals int // of switches, by operators, so far

	mu         sync.Mutex // guards what follows
	trace      []string
	violations []string
}

const controllerNode = "controller"

// sabotage is what is broken on purpose, to see that it is found.
type sabotage int

const (
	nothing       sabotage = iota
	lostSyncs              // disks sync nothing, and nobody knows
	staleBindings          // a port stays in the switch that it is taken out of
	missedResync           // an agent does not look at what it missed when it connects again
)

// newWorld makes VTEPs, hosts, an operator for each database and the controller. All but the network is up.
func newWorld(seed uint64, s sabotage) *world {
	w := &world{seed: seed, sabotage: s, r: rand.New(rand.NewPCG(seed, 0)), net: newNetwork(), people: newProcess(operatorNode)}
	for i := range 2 + w.r.IntN(5)/4 {
		m := &machine{w: w, name: fmt.Sprintf("v%d", i+1), ip: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}),
			external: w.r.IntN(3) == 0, disk: newDisk(s == lostSyncs), truth: newTruth()}
		m.newFabric()
		w.machines = append(w.machines, m)
		w.ops = append(w.ops, newOperator(w, m))
		for range 2 {
			n := len(w.hosts) + 1
			h := &host{name: fmt.Sprintf("h%d", n), mac: intent.MAC{2, 0, 0, 0, 0, byte(n)}, m: m}
			w.hosts = append(w.hosts, h)
			w.wander(h, m)
		}
		m.start()
		w.log("%v", m)
	}
	w.startController()
	return w
}

// draw begins a sequence of random numbers for a part of the step. Each part has its own, so that what goes on
// within the programs, of which Go has the last word, changes as little as can be of what else happens.
func (w *world) draw(part uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.seed, w.steps<<8|part))
}

// wander has a host go to a port of a VTEP.
func (w *world) wander(h *host, m *machine) {
	h.m = m
	h.at = intent.BindingKey{Port: devices[w.r.IntN(len(devices))], VLAN: uint16(vlans[w.r.IntN(len(vlans))])}
}

func (w *world) startController() {
	p := newProcess(controllerNode)
	w.control = p
	var targets []string
	names := map[string]string{}
	for _, m := range w.machines {
		target := "tcp:" + m.ip.String() + ":6640"
		targets = append(targets, target)
		names[target] = m.name
	}
	c := nvc.New(nvc.Options{Dial: func(ctx context.Context, target string) (net.Conn, error) { return w.net.dial(ctx, p, names[target]) }})
	p.background(func(ctx context.Context) error { return c.Run(ctx, targets) })
}

func (w *world) stopController(silent bool) {
	w.net.kill(w.control, silent)
	w.end(w.control)
	w.control = nil
}

// end waits for the end of a process that has been killed.
func (w *world) end(p *process) {
	if p == nil || p.over.Load() {
		return
	}
	p.dead.Store(true)
	p.cancel()
	go func() {
		p.ended.Wait()
		p.over.Store(true)
	}()
	for range 30 { // what is patient with a peer takes its time
		if synctest.Wait(); p.over.Load() {
			return
		}
		time.Sleep(time.Second)
	}
	w.violated("a process of %s does not end", p.node)
}

func (w *world) log(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

// violated notes that an invariant does not hold.
func (w *world) violated(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	w.violations = append(w.violations, text)
	w.trace = append(w.trace, "VIOLATED: "+text)
}

// failure is what went wrong, and how it came to that; "": nothing did.
func (w *world) failure() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.violations) == 0 {
		return ""
	}
	return w.violations[0] + "\n\nwhat happened, by seconds:\n" + strings.Join(w.trace, "\n")
}

// check checks what has to hold after each step.
func (w *world) check() {
	synctest.Wait()
	for _, m := range w.machines {
		m.checkTakes()
		m.checkForwarding()
		m.checkCompiler()
		for _, p := range []*process{m.db, m.vtep} {
			if p == nil {
				continue
			}
			if err := p.failed.Load(); err != nil && m.disk.mode == diskWell && !m.disk.hurt {
				w.violated("%s: a process has ended: %v", p.node, err)
			}
		}
	}
}

// close ends everything.
func (w *world) close() {
	for _, m := range w.machines {
		m.crash(true, true, false)
	}
	if w.control != nil {
		w.stopController(false)
	}
	w.net.kill(w.people, false)
	w.end(w.people)
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	for _, k := range w.net.links {
		for _, e := range k.ends {
			if e.wake != nil {
				e.wake.Stop()
			}
		}
	}
}
