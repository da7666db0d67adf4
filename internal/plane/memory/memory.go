// Package memory is a plane that forwards frames in memory, by the rules that every plane has
// to keep. It needs no privileges: it is for tests, for the people who write NVCs, and it is
// the model that package planetest compares other planes with.
//
// A Fabric is what stays when an agent dies: devices, installed forwarding, learned MACs,
// counters. A Plane is one agent's hold on it.
//
//	fabric := memory.New(memory.Options{})
//	fabric.AddDevice("p0")
//	p := fabric.Open()          // a plane.Plane
//	outs, drop := fabric.FromPort("p0", frame)
//
// Frames are forwarded by the caller's goroutine, while it waits. A Wire, if there is one, sends on
// what leaves by tunnels, and keeps what leaves by ports for who asks.
package memory

import (
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

// Options are the properties of a Fabric.
type Options struct {
	// LocalAddrs are the host's addresses; a State's TunnelIP must be one of them for tunnels
	// to work. Nil: every address is local.
	LocalAddrs []netip.Addr
	// Now tells the time that MACs are seen at. Nil: time.Now.
	Now func() time.Time
	// Events is how many events a plane keeps for a slow agent, at least 2. 0: 1024.
	Events int
	// Sent takes what leaves of frames that the agent sends, where the Fabric has no Wire; it may use the Fabric.
	// Nil: that goes nowhere.
	Sent func([]Out)
}

// Fabric is a dataplane. Its methods may be called by any goroutine.
type Fabric struct {
	opts Options // constant after New

	mu        sync.Mutex // guards all that follows
	devices   map[string]bool
	installed *intent.State
	members   map[intent.SwitchID][]intent.BindingKey // the bindings of installed, by switch, sorted
	vlans     map[string]int                          // the number of bindings of installed that have a VLAN, by port
	ownVNI    map[uint32]intent.SwitchID              // of the switches whose overlay is up; kept while any source is accepted
	own       map[ownKey]struct{}                     // the addresses of routers, in whatever switch
	echoes    packet.Echoes
	used      map[intent.IPKey]time.Time // when a router last handed a packet to a neighbour of installed
	learned   map[intent.MACKey]*station
	whole     bool           // nothing is missing in learned
	onPort    map[string]int // number of learned by port
	counts    map[intent.BindingKey]*plane.Counters
	aclCounts map[plane.ACLEntryAt]plane.Count
	drops     map[string]uint64
	tunnels   map[netip.Addr]*plane.Traffic // by peer
	answered  map[string]uint64
	places    map[plane.PlaceDrops]uint64 // drops by place; their Count is 0
	came      plane.PlaceDrops            // where the frame under way came in
	outer     uint8                       // the DSCP of what was around that frame, or its PCP as such
	open      *Plane                      // nil: none
	wire      *Wire                       // nil: none
	unbound   error                       // why the wire has no tunnels
	drift     []plane.Drift

	capturing []*capturing
	frames    uint64 // that were shown
	dropped   []Drop // why the frame under way, or copies of it, were dropped, if somebody captures

	rehearsal *rehearsal // nil: frames are forwarded in earnest
}

type station struct {
	at      intent.BindingKey
	seen    time.Time
	watched bool // its next frame is to be told of

	said map[bool]netip.Addr // which IP addresses it says it has: of IPv6 or not
	last netip.Addr          // of these
}

// New returns a Fabric without devices, that forwards nothing.
func New(opts Options) *Fabric {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Events == 0 {
		opts.Events = 1024
	}
	opts.Events = max(opts.Events, 2)
	f := &Fabric{opts: opts, devices: map[string]bool{}}
	f.clear()
	return f
}

// clear takes all forwarding down. f.mu is held, or f is new.
func (f *Fabric) clear() {
	f.installed = intent.NewState()
	f.members = map[intent.SwitchID][]intent.BindingKey{}
	f.vlans = map[string]int{}
	f.ownVNI = map[uint32]intent.SwitchID{}
	f.own = map[ownKey]struct{}{}
	f.used = map[intent.IPKey]time.Time{}
	f.learned = map[intent.MACKey]*station{}
	f.onPort = map[string]int{}
	f.counts = map[intent.BindingKey]*plane.Counters{}
	f.aclCounts = map[plane.ACLEntryAt]plane.Count{}
	f.drops = map[string]uint64{}
	f.tunnels = map[netip.Addr]*plane.Traffic{}
	f.answered = map[string]uint64{"arp": 0, "nd": 0}
	f.places = map[plane.PlaceDrops]uint64{}
	f.drift = nil
}

// AddDevice makes the network device called name, with its link up.
func (f *Fabric) AddDevice(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.devices[name] = true
	f.emit(plane.PortChanged{Name: name, Exists: true, Up: true})
}

// RemoveDevice takes the device away, and what was learned on it.
func (f *Fabric) RemoveDevice(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.devices, name)
	for key, s := range f.learned {
		if s.at.Port == name {
			f.unlearn(key)
		}
	}
	f.emit(plane.PortChanged{Name: name})
}

// Installed returns a copy of the forwarding that is installed.
func (f *Fabric) Installed() *intent.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.installed.Clone()
}

// Drops returns how many frames were dropped, by reason.
func (f *Fabric) Drops() map[Drop]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	drops := map[Drop]uint64{}
	for reason, n := range maps.All(f.drops) {
		drops[Drop(reason)] = n
	}
	return drops
}
