// Package ebpf is the native plane: eBPF programs at TC ingress of the ports and of one
// vxlan device forward every frame in the kernel.
//
//	h1 --- p0 [vtep_port] ----- members, remotes, locals, floods ----- [vxlan] --- underlay
//	h2 --- p1 [vtep_port] --'                                     `--- [vtep_overlay]
//
// The programs (bpf/*.h) find everything in maps (bpf/maps); the agent only edits the maps.
// Maps and links are pinned in bpffs, so forwarding goes on without the process, and the
// next process adopts it: it reads the maps to know its numbers again, computes what must be
// in them, and writes only the differences.
//
// Three packages know one side each, and this one joins them:
//
//	layout  what is to be in the maps for an intent; no kernel
//	host    devices, addresses, routes, policies of the machine; no BPF
//	kernel  programs, maps, pins, attachments; no intent
//
// Goroutines, besides the agent's that calls the Plane:
//
//	pump    queue of events -> Events()
//	learner ring buffer of the programs -> queue, and MACs without room -> unplaced; it leaves chores
//	punter  ring buffer of frames that the programs show -> queue
//	chores  what the learner finds to be done: room for more MACs, ways to peers in use
//	watcher netlink -> devices, addresses, routes; repairs; -> queue
//	others of its kind: neighborWatcher, policyWatcher (IPsec), firewallWatcher (nftables), driverWatcher (XDP)
//	watchman sessions of BFD -> queue
//	attachRest attaches ports where there are many to be attached, enlargeLocals makes a larger map; then they end
//
// The watchers, the chores and the agent share Plane.mu, which is held for as long as the kernel takes to
// answer: questions for routes, writing to maps. The learner and the punter don't want it: what the
// numbers in their events mean is in the directory. The watchman has locks of its own.
package ebpf

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink/nl"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Options say how a plane is made. Only Name is necessary.
type Options struct {
	Name   string       // of the switch; planes with different names don't touch each other
	PinDir string       // in bpffs; default: /sys/fs/bpf/vtep/ and a word made of Name
	Logger *slog.Logger // nil: no log

	// Classic attaches with clsact and tc filters even where the kernel has TCX.
	Classic bool
	// AllowPorts are names of devices that may be ports although the machine itself needs them:
	// they have addresses of it, or its default route, or tunnels take them.
	AllowPorts []string
	Port       uint16 // of VXLAN (UDP); 0: 4789
	VRF        string // the one that tunnels are in; "": none
	Direct     Direct // whether the programs add and take off the outer headers themselves
	XDP        XDP    // whether known unicast is taken by native XDP

	// Most are the most entries of maps, by their names; 0: as grow.go has it. Maps begin small.
	Most map[string]uint32

	// for tests
	start          map[string]uint32 // the sizes that maps begin with
	captureRing    uint32            // bytes, instead of what bpf/capturing.h has
	betweenBatches func()            // is called between the parts of a Sweep
	beforeSwap     func()            // is called before a larger map of learned MACs takes the place of one, without a lock
	beforeUnlearn  func()            // is called before a learned MAC is taken out of its map
	whileCounting  func()            // is called when the entries of a map of learned MACs are counted
	afterSwap      func(*ebpf.Map)   // is called with the map of learned MACs when a larger one has taken its place
	attachesAhead  func()            // is called before a link is made without a lock
	attachedAhead  func()            // is called after that, before it is taken over
	asksRoute      func()            // is called before the kernel is asked for the way to a peer
	asksDriver     func() error      // is called before the kernel is asked what a device can do with XDP
	formerFor      time.Duration     // instead of FormerFor
	flapFor        time.Duration     // instead of flapFor
	wired          bool              // frames of veth devices are as they are on a wire: complete, with their tags
}

// Direct says when the short ways are used, on which the programs add and take off the outer
// headers of simple frames themselves. The long way is by the vxlan device.
type Direct uint8

const (
	DirectAuto Direct = iota // but where the host's policies of IPsec have to see the packets
	DirectOn                 // whatever policies there are
	DirectOff                // never
)

// Plane is a plane.Plane.
type Plane struct {
	opts          Options
	log           *slog.Logger
	pins          *kernel.Pins
	space         *host.Namespace
	objs          *vtepObjects
	ring          *ring
	punts         *ring
	watch         *nl.NetlinkSocket
	policyWatch   *nl.NetlinkSocket // nil: a kernel without IPsec
	neighborWatch *nl.NetlinkSocket
	firewallWatch *nl.NetlinkSocket // nil: a kernel without netfilter, or nobody wants to know

	driverWatch *nl.NetlinkSocket // nil: there is no native XDP

	queue    *queue
	watchman *watchman
	wg       sync.WaitGroup // learner, punter, watchers, watchman
	ready    chan struct{}  // closed by the first Apply that succeeds
	stop     chan struct{}  // closed by Close

	quotaMemory []byte         // what quotas is a view of
	quotas      []layout.Quota // shared with the programs: atomic access only
	pathMemory  []byte         // what paths is a view of
	paths       []layout.Path  // shared with the programs: atomic access only
	generation  generation

	rehearsals rehearsals
	captures   captures

	directory directory // of the numbers in events
	chores    chores
	watched   watchedMACs
	unplaced  unplaced

	mu     sync.Mutex // guards everything below
	closed bool
	begun  bool // ready is closed
	known  bool // the maps are what the tables say: a delta can be applied

	contents layout.Contents
	mapTables
	whole       bool                     // nothing is missing in what is learned
	remembered  map[intent.SwitchID]bool // as Remembered gives them
	access      accessLists
	devices     host.Devices   // of the host
	nextHops    host.Neighbors // likewise
	overlay     overlay
	ports       map[string]*port
	unreachable map[netip.Addr]error // why, of those of peers that can't be reached
	retired     []retired            // flood lists that a frame may still be walking

	attached  *kernel.Attachments
	native    native
	formerFor time.Duration // constant after New
	flapFor   time.Duration // likewise

	flaps     map[netip.Addr]time.Time // tunnel IPs that the machine has lost a moment ago, and until when they are used
	endTimer  *time.Timer              // takes out ends whose time is over; nil: there are none
	alive     time.Duration            // when recheck ran last, CLOCK_MONOTONIC; the programs are told
	checked   time.Time                // when attachments were last looked at
	rechecker *time.Timer              // looks at them again; nil: there are no ports

	leaving []int // ifindexes to detach from

	newDevices []uint32     // ifindexes of ports that were not theirs before: their drops by place are to be zeroed
	ways       map[int]bool // devices by which peers are reached
	rerouted   bool         // underlay devices may not be those by which peers are reached
	noteData   bool         // some session of BFD wants to know of data
	monitor    bool         // the watchman is to be told of other sessions

	settings layout.Settings // as written last
	physical intent.SwitchID
	position uint64        // of the database
	origin   layout.Origin // as written last
	reroute  *time.Timer   // resolves all peers a moment after a route change; nil: none pending

	showing *captureSet // the programs are those that show frames; nil: they are not

	byFlow             *bool // rules look at more than the peer; nil: to be found out
	policies           host.Policies
	policyDoubt        bool     // the policies have changed since
	nftables, iptables []string // what the short ways go past
	firewallDoubt      bool     // nftables may have changed since
	defaultsDoubt      bool     // some default routes may have gone
	coveredIn          *bool    // what comes from some peers is covered by a policy; nil: to be found out

	due       []*layout.PeerUse // those to be looked up again
	lookAgain *time.Timer       // does so; nil: none pending
	pathsRest bool              // no frame goes to any peer, as of the last look

	anewTold    bool // the agent knows that numbers may be had again
	localsFull  bool // no more MACs can be learned
	stuck       stuckMACs
	watchedFull bool      // some could not be watched
	growFailed  time.Time // when there was no memory for larger maps
	replaced    int       // how often the programs were, or maps that they use
	enlarging   *enlarging
	attaching   *attaching

	doubtedCounts places // what counts of learned MACs were off by, as the last sweep has it
}

var (
	_ plane.Plane     = (*Plane)(nil)
	_ plane.BFDShower = (*Plane)(nil)
	_ plane.Sender    = (*Plane)(nil)

	_ plane.AddressForgetter = (*Plane)(nil)
	_ plane.Rememberer       = (*Plane)(nil)
	_ plane.PuntKeeper       = (*Plane)(nil)
	_ plane.ACLCounter       = (*Plane)(nil)
	_ plane.Rehearser        = (*Plane)(nil)
	_ plane.GroupLoser       = (*Plane)(nil)
	_ plane.Capturer         = (*Plane)(nil)
	_ plane.PathShower       = (*Plane)(nil)
)

// Features implements plane.Plane.
func (p *Plane) Features() plane.Features {
	return plane.Features{BFD: true, Segments: true, IPv6: true, TunnelDSCP: plane.AllPriorities, TagPCP: plane.AllPriorities, GroupPolicies: true,
		Fragments: true, SnoopGroups: true, SnoopIPs: true, Suppress: true, Probe: true, ACLs: true, Routers: true, RouterACLs: true}
}

// Events implements plane.Plane.
func (p *Plane) Events() <-chan plane.Event { return p.queue.out }

var errClosed = errors.New("ebpf plane: closed")
