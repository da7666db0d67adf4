// Package fdb is the MAC learning table of a VTEP: which binding a MAC address was last seen
// on, for each logical switch.
//
// Three things make it more than a map:
//   - move:  a MAC seen on another binding moves at once; the move is reported.
//   - age:   an entry unseen for Config.Age is dropped by Expire.
//   - limit: a full table evicts from the port that holds most entries, oldest first, so that
//     one port cannot push out the others. A port at its own limit learns nothing new.
//
// Operations on one entry take time logarithmic in the number of entries, and the table is as
// large as its entries. The package does no I/O, starts no goroutine and reads no clock:
// callers pass now. A Table belongs to one goroutine (here the agent loop).
package fdb

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// Config is what a Table obeys. It may be changed with SetConfig.
type Config struct {
	Age    time.Duration // how long an entry lives without being seen; 0: for ever
	Limit  int           // most entries; 0: no limit
	Ignore []intent.MAC  // addresses that are never learned
}

// Verdict is what became of a sighting.
type Verdict uint8

const (
	New       Verdict = iota + 1 // the entry was made
	Moved                        // the entry was on another binding until now
	Refreshed                    // the entry is where it was
	Rejected                     // nothing changed; Result.Reason says why
)

// Reason says why a sighting was rejected.
type Reason uint8

const (
	None     Reason = iota
	Group           // a group address is nobody's source
	Zero            // 00:00:00:00:00:00 is nobody's address
	Ignored         // the address is in Config.Ignore
	PortFull        // the port has as many entries as it may
	Stale           // the entry has been seen elsewhere since
)

// Result is the answer to a sighting.
type Result struct {
	Verdict Verdict
	Reason  Reason
	From    intent.BindingKey // where a moved entry was
	Evicted *intent.MACKey    // the entry that made place for this one; nil: none
}

// Table holds the learned entries. The zero Table is not ready; use NewTable.
type Table struct {
	cfg     Config
	epoch   time.Time // ticks are counted from here
	entries map[intent.MACKey]*entry
	ports   map[string]*port // those that have entries, or a limit
	limited map[*port]struct{}
	bySize  portHeap // every port of ports, the one with most entries first
	byAge   portHeap // the same ports, the one with the oldest entry first

	switches map[intent.SwitchID]int // how many entries each has; never 0
	counts   Counts
	owners   map[intent.IPKey]*entry // of IP addresses: each has one in a switch

	// Lost is told, if not nil, of each IP address that is no longer one of an entry: with the
	// entry, or since another address took its place, or another entry has it.
	Lost func(key intent.MACKey, ip netip.Addr)

	// Dropped is told, if not nil, of each entry that goes, and where it was.
	Dropped func(key intent.MACKey, at intent.BindingKey)
}

// Counts are what has happened to the entries since the table was made.
type Counts struct {
	Learned uint64 // were made
	Moved   uint64 // were seen on another binding
	Aged    uint64 // were dropped for want of frames
	Evicted uint64 // made place for others
}

// Counts returns what has happened so far.
func (t *Table) Counts() Counts { return t.counts }

// InSwitch and OnPort return the number of entries of a logical switch, and of a port.
func (t *Table) InSwitch(id intent.SwitchID) int { return t.switches[id] }

func (t *Table) OnPort(name string) int {
	if p := t.ports[name]; p != nil {
		return p.len()
	}
	return 0
}

// last is when e was seen last.
func (e *entry) last() tick { return e.seen - tick(e.spared)*tick(time.Millisecond) }

// tick is a point in time: nanoseconds since Table.epoch.
type tick int64

type entry struct {
	key  intent.MACKey
	vlan uint16
	at   int32 // index in port.aging
	seen tick
	port *port

	moves  uint32
	spared uint32       // milliseconds by which seen is later than the entry was seen; see Expire
	ips    []netip.Addr // that it said it has, the last one first; see SetIP
}

// Entry is an entry as a listing shows it.
type Entry struct {
	Key   intent.MACKey
	At    intent.BindingKey
	Idle  time.Duration // since it was last seen
	Moves int           // how often it was seen on another binding than before
	IP    netip.Addr    // see Table.IP
}

// Entries yields the entries as they are at now, in no particular order.
func (t *Table) Entries(now time.Time) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range t.entries {
			if !yield(t.show(now, e)) {
				return
			}
		}
	}
}

// Entry returns the entry of key as it is at now; false: there is none.
func (t *Table) Entry(now time.Time, key intent.MACKey) (Entry, bool) {
	e := t.entries[key]
	if e == nil {
		return Entry{}, false
	}
	return t.show(now, e), true
}

func (t *Table) show(now time.Time, e *entry) Entry {
	return Entry{e.key, e.binding(), max(0, now.Sub(t.epoch)-time.Duration(e.last())), int(e.moves), e.ip()}
}

// NewTable returns an empty table. epoch is any time that is not after the first sighting.
func NewTable(epoch time.Time, cfg Config) *Table {
	return &Table{
		cfg:     cfg,
		epoch:   epoch,
		entries: map[intent.MACKey]*entry{},
		ports:   map[string]*port{},
		limited: map[*port]struct{}{},
		bySize:  portHeap{less: largerFirst, at: func(p *port) *int { return &p.sizeAt }},
		byAge:   portHeap{less: olderFirst, at: func(p *port) *int { return &p.ageAt }},

		switches: map[intent.SwitchID]int{},
		owners:   map[intent.IPKey]*entry{},
	}
}

// Fill is how many entries a port has of those that it may have.
type Fill struct{ Entries, Limit int }

// Limited yields the names of the ports that have a limit of their own.
func (t *Table) Limited() iter.Seq2[string, Fill] {
	return func(yield func(string, Fill) bool) {
		for p := range t.limited {
			if !yield(p.name, Fill{p.len(), p.limit}) {
				return
			}
		}
	}
}

// Len returns the number of entries.
func (t *Table) Len() int { return len(t.entries) }

// Get returns the binding of key.
func (t *Table) Get(key intent.MACKey) (intent.BindingKey, bool) {
	e := t.entries[key]
	if e == nil {
		return intent.BindingKey{}, false
	}
	return e.binding(), true
}

// Seen returns when key was seen last; the zero Time: it is not there.
func (t *Table) Seen(key intent.MACKey) time.Time {
	if e := t.entries[key]; e != nil {
		return t.epoch.Add(time.Duration(e.last()))
	}
	return time.Time{}
}

// maxIPs is how many IP addresses an entry has at most.
const maxIPs = 8

// IP returns the IP address of key that was noted last; the zero Addr: none is known. It stays with the
// entry, wherever that moves.
func (t *Table) IP(key intent.MACKey) netip.Addr {
	if e := t.entries[key]; e != nil {
		return e.ip()
	}
	return netip.Addr{}
}

// IPs returns all IP addresses of key, the last one first. The caller must not change them.
func (t *Table) IPs(key intent.MACKey) []netip.Addr {
	if e := t.entries[key]; e != nil {
		return e.ips
	}
	return nil
}

// SetIP notes an IP address of key, if that is learned, and says whether it is another one than the
// last. Of more than maxIPs the one that was noted first goes. It is the address of nobody else any more. The
// zero Addr takes all of them from it.
func (t *Table) SetIP(key intent.MACKey, ip netip.Addr) bool {
	e := t.entries[key]
	if e == nil || e.ip() == ip {
		return false
	}
	if !ip.IsValid() {
		t.loseAll(e)
		e.ips = nil
		return true
	}
	at := intent.IPKey{Switch: key.Switch, IP: ip}
	if o := t.owners[at]; o != nil && o != e {
		o.ips = slices.DeleteFunc(slices.Clone(o.ips), func(other netip.Addr) bool { return other == ip })
		t.lose(o, ip)
	}
	t.owners[at] = e
	list := []netip.Addr{ip}
	for _, old := range e.ips {
		switch {
		case old == ip:
		case len(list) == maxIPs:
			t.lose(e, old)
		default:
			list = append(list, old)
		}
	}
	e.ips = list
	return true
}

// Owner returns the MAC that has said last that it has an IP address.
func (t *Table) Owner(at intent.IPKey) (intent.MACKey, bool) {
	if e := t.owners[at]; e != nil {
		return e.key, true
	}
	return intent.MACKey{}, false
}

func (e *entry) ip() netip.Addr {
	if len(e.ips) == 0 {
		return netip.Addr{}
	}
	return e.ips[0]
}

func (t *Table) loseAll(e *entry) {
	for _, ip := range e.ips {
		t.lose(e, ip)
	}
}

func (t *Table) lose(e *entry, ip netip.Addr) {
	delete(t.owners, intent.IPKey{Switch: e.key.Switch, IP: ip})
	if t.Lost != nil {
		t.Lost(e.key, ip)
	}
}

// All yields the entries in no particular order.
func (t *Table) All() iter.Seq2[intent.MACKey, intent.BindingKey] {
	return func(yield func(intent.MACKey, intent.BindingKey) bool) {
		for key, e := range t.entries {
			if !yield(key, e.binding()) {
				return
			}
		}
	}
}

func (e *entry) binding() intent.BindingKey {
	return intent.BindingKey{Port: e.port.name, VLAN: e.vlan}
}
