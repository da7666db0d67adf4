package ovs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/problem"
)

// bridge is one bridge of Open vSwitch whose flows the plane sees to. All but its mailbox
// belongs to the plane's goroutine.
type bridge struct {
	name string
	path string // of its socket
	log  *slog.Logger
	mail *mailbox
	stop context.CancelFunc // ends the goroutine that connects
	kick chan struct{}      // cap 1: has it try at once

	conn     *openflow.Conn       // nil: not connected
	lastErr  error                // why not
	served   bool                 // it was connected before
	gone     time.Time            // since when it could not be controlled, which not all has got over yet; zero: it could
	back     time.Time            // when it was connected last
	goneTold bool                 // the agent knows, and that what is pending since has failed
	have     flowSet              // what is installed, of everybody
	want     flowSet              // what is to be installed
	built    *logical             // what it was made of; nil: of something else
	touched  map[flowKey]struct{} // the keys by which they may differ
	all      bool                 // they may differ by any
	together bool                 // what differs is to change at one moment
	refused  map[flowKey]error    // flows that Open vSwitch does not take
	retryAt  time.Time            // when they are tried again; zero: there are none
	retries  int

	keep     func(*flow) bool // says which flows that are not wanted stay all the same
	takeOver bool             // an emulator has left flows without marks of their own
	ls       intent.SwitchID
	physical bool // it is that of the physical switch

	guards  bool // it is to have flows of ACLs
	changes int  // of these
	deep    bool // its flows are to look at packets, and not only at Ethernet headers
	wasDeep bool // they do
	// settle is called before changes are made.
	settle  func(ctx context.Context, mods []*openflow.FlowMod, keys []flowKey, together bool)
	badACLs map[flowKey]error // the flows of ACLs that were refused, until the engine takes them
}

// letter is something that a bridge tells.
type letter struct {
	from *bridge
	conn *openflow.Conn

	connected bool
	lost      error // the connection has ended, or could not be made
	flows     []openflow.FlowUpdate
	packet    *openflow.PacketIn
}

// mailbox holds what bridges tell until the plane's goroutine takes it. Packets are left out
// when there are too many: their sources will speak again, and those of routers are counted.
type mailbox struct {
	wake chan struct{} // cap 1

	mu      sync.Mutex
	letters []letter
	packets int
	by      map[sender]int    // of these
	lost    map[uint64]uint64 // packets of routers left out, by the cookies of their flows
}

// sender is a port of a bridge whose packets are told of. It has no more than half of the room.
type sender struct {
	bridge string
	port   uint32
}

const maxPackets = 4096

func newMailbox() *mailbox {
	return &mailbox{wake: make(chan struct{}, 1), by: map[sender]int{}, lost: map[uint64]uint64{}}
}

func (m *mailbox) put(l letter) {
	m.mu.Lock()
	if l.packet != nil {
		port, _ := l.packet.Match.InPort()
		from := sender{l.from.name, port}
		if m.packets >= maxPackets || m.by[from] >= maxPackets/2 {
			if isPunt(l.packet) {
				m.lost[l.packet.Cookie]++
			}
			m.mu.Unlock()
			return
		}
		m.packets++
		m.by[from]++
	}
	m.letters = append(m.letters, l)
	m.mu.Unlock()
	m.ring()
}

// ring has the plane's goroutine look at what is to be done.
func (m *mailbox) ring() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() (all []letter, lost map[uint64]uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all = m.letters
	m.letters, m.packets = nil, 0
	clear(m.by)
	if len(m.lost) > 0 {
		lost, m.lost = m.lost, map[uint64]uint64{}
	}
	return all, lost
}

const (
	connectFirst = 5 * time.Millisecond
	connectMost  = time.Second
	// answerTimeout is how long Open vSwitch may take to answer before it counts as stalled.
	answerTimeout = 5 * time.Second
)

// connect keeps a connection to the bridge until ctx ends, and posts what comes by it.
func (b *bridge) connect(ctx context.Context) {
	wait := connectFirst
	for {
		conn, err := b.dial(ctx)
		if err == nil {
			wait = connectFirst
			select {
			case <-conn.Done():
				err = conn.Err()
			case <-ctx.Done():
				conn.Close()
				return
			}
		}
		b.mail.put(letter{from: b, conn: conn, lost: err})
		select {
		case <-ctx.Done():
			return
		case <-b.kick:
			wait = connectFirst
			continue
		case <-time.After(wait):
		}
		wait = min(2*wait, connectMost)
	}
}

// dial connects, asks for packets and for changes of flows, and posts the flows that are there.
func (b *bridge) dial(ctx context.Context) (*openflow.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	var conn *openflow.Conn
	ready := make(chan struct{})
	conn, err := openflow.Dial(ctx, b.path, func(m openflow.Message) {
		<-ready // nothing is told of a connection before it is told that there is one
		switch m := m.(type) {
		case *openflow.PacketIn:
			b.mail.put(letter{from: b, conn: conn, packet: m})
		case *openflow.MultipartReply:
			if len(m.Updates) > 0 {
				b.mail.put(letter{from: b, conn: conn, flows: m.Updates})
			}
		}
	})
	if err != nil {
		close(ready)
		return nil, err
	}
	var flows []openflow.FlowUpdate
	err = conn.Do(ctx, &openflow.SetConfig{Flags: openflow.FragmentsMatch, MissSendLen: packetInLen}, openflow.SetControllerID(controllerID))
	if err == nil {
		flows, err = b.monitor(ctx, conn)
	}
	if err != nil {
		close(ready)
		conn.Close()
		return nil, fmt.Errorf("follow the flows of bridge %s: %w", b.name, err)
	}
	b.mail.put(letter{from: b, conn: conn, connected: true, flows: flows})
	close(ready)
	return conn, nil
}

var errStalled = errors.New("ovs-vswitchd does not answer")

// errTooOld is for an Open vSwitch that lacks an extension that the plane can't do without.
var errTooOld = trouble(problem.TooOld, "run Open vSwitch 3.0 or later, or vtep run --plane ebpf, which needs none",
	errors.New("this Open vSwitch can't tell of changes of flows with OpenFlow 1.4"))

func (b *bridge) monitor(ctx context.Context, conn *openflow.Conn) ([]openflow.FlowUpdate, error) {
	parts, err := conn.Query(ctx, &openflow.MultipartRequest{Part: openflow.PartFlowMonitor, Monitor: &openflow.FlowMonitor{
		ID: 1, Table: openflow.AllTables, Flags: openflow.MonitorInitial | openflow.MonitorAdd | openflow.MonitorRemoved |
			openflow.MonitorModify | openflow.MonitorInstructions,
	}})
	var refused *openflow.Error
	if errors.As(err, &refused) && refused.Kind == openflow.BadRequest {
		return nil, errTooOld
	}
	if err != nil {
		return nil, err
	}
	flows := []openflow.FlowUpdate{}
	for _, p := range parts {
		flows = append(flows, p.Updates...)
	}
	return flows, nil
}

func flowOf(u *openflow.FlowUpdate) (flowKey, *flow) {
	m := &openflow.FlowMod{Cookie: u.Cookie, Table: u.Table, Priority: u.Priority, IdleTimeout: u.IdleTimeout,
		HardTimeout: u.HardTimeout, Match: u.Match.Canonical(), Instructions: u.Instructions}
	return keyOf(m.Table, m.Priority, m.Match), newFlow(m, intent.BindingKey{})
}

// ours says whether the plane made a flow: whatever of these is not wanted goes.
func (b *bridge) ours(f *flow) bool {
	switch {
	case f.mod.Cookie == cookieMuted:
		return false // it goes by itself
	case f.mod.Cookie&cookieMask == cookieBase:
		return true
	case b.physical:
		return false
	}
	return f.mod.Cookie == cookieLearned && f.mod.Table == tableOut
}

// touch notes that a flow may not be as it should.
func (b *bridge) touch(k flowKey) { b.touched[k] = struct{}{} }

// setWant replaces all flows that are to be there.
func (b *bridge) setWant(want flowSet) {
	b.want = want
	b.all = true
}

// put and drop change one flow that is to be there.
func (b *bridge) put(s flowSet) {
	for k, f := range s {
		b.want[k] = f
		b.touch(k)
	}
}

func (b *bridge) drop(k flowKey) {
	delete(b.want, k)
	b.touch(k)
}

// difference returns what is to be added or changed, and what is to be deleted, sorted.
func (b *bridge) difference() (adds, deletes []flowKey) {
	look := func(k flowKey) {
		want, have := b.want[k], b.have[k]
		switch {
		case want != nil && (have == nil || have.does != want.does):
			if _, no := b.refused[k]; !no {
				adds = append(adds, k)
			}
		case want == nil && have != nil && !b.keep(have) && (b.ours(have) || b.leftover(have)):
			deletes = append(deletes, k)
		}
	}
	if b.all {
		for k := range b.want {
			look(k)
		}
		for k := range b.have {
			if b.want[k] == nil {
				look(k)
			}
		}
	} else {
		for k := range b.touched {
			look(k)
		}
	}
	slices.SortFunc(adds, func(a, b flowKey) int { // a table before those that lead there
		return cmp.Or(cmp.Compare(b.table, a.table), a.compare(b))
	})
	slices.SortFunc(deletes, flowKey.compare)
	return adds, deletes
}

// leftover says whether a flow was left by an emulator that ran before the plane, or is the one
// by which Open vSwitch forwards as an ordinary switch.
func (b *bridge) leftover(f *flow) bool {
	if f.mod.Cookie != 0 || f.mod.Table > tableOut {
		return false
	}
	if b.physical && f.mod.Priority == 0 && len(f.mod.Match) == 0 {
		a := f.mod.Instructions.Actions()
		if len(a) == 1 && a[0] == openflow.Output(openflow.PortNormal) {
			return true
		}
	}
	if !b.takeOver {
		return false
	}
	if !b.physical {
		return true
	}
	// in_port, or in_port and a VLAN, and the actions that an emulator has.
	if _, ok := f.mod.Match.InPort(); !ok || f.mod.Table != tableIn || len(f.mod.Match) > 2 {
		return false
	}
	for _, a := range f.mod.Instructions.Actions() {
		switch a := a.(type) {
		case openflow.OutputAction, openflow.PopVLANAction, openflow.PushVLANAction:
		case openflow.SetFieldAction:
			if a.Field.ID != openflow.FieldVLANVID {
				return false
			}
		default:
			return false
		}
	}
	return true
}
