package mcast

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// family is what a switch knows of the groups of IPv4, or of those of IPv6.
type family struct {
	ls      *lswitch
	ipv6    bool
	querier querier
	opened  map[intent.BindingKey]*alarm // open until their hosts have had the time to answer; off: nobody has asked
	full    map[intent.BindingKey]*alarm // open because of members that are not remembered, until they would be forgotten
	answers time.Time                    // all answers to what was asked are here
	routers map[intent.BindingKey]*alarm // bindings with routers, until they are not heard of any more
	askers  map[intent.BindingKey]*alarm // likewise of those who ask in the place of a router
	groups  map[netip.Addr]map[intent.BindingKey]*membership
	byMAC   map[intent.MAC]map[intent.BindingKey]int // how many of groups each member is in; never an empty map

	known    bool  // limits, when Take was called last
	doubtful alarm // until then all get what was not flooded, since it is not known who wants it

	sets  map[intent.MAC]intent.MemberSet // as told by Take
	all   bool                            // all of them may have to be others now
	dirty map[intent.MAC]struct{}         // else those of these groups
}

// maxOpen is how many bindings may be open and the others not. They are in every set.
const maxOpen = 64

func newFamily(ls *lswitch, ipv6 bool) *family {
	return &family{
		ls: ls, ipv6: ipv6, opened: map[intent.BindingKey]*alarm{}, full: map[intent.BindingKey]*alarm{}, routers: map[intent.BindingKey]*alarm{},
		askers: map[intent.BindingKey]*alarm{}, groups: map[netip.Addr]map[intent.BindingKey]*membership{},
		byMAC: map[intent.MAC]map[intent.BindingKey]int{}, sets: map[intent.MAC]intent.MemberSet{}, dirty: map[intent.MAC]struct{}{},
	}
}

func familyOf(ipv6 bool) int {
	if ipv6 {
		return 1
	}
	return 0
}

// limits says whether there are bindings that do not get every frame.
func (f *family) limits() bool {
	open := len(f.opened) + len(f.full)
	return f.querier.here() && open <= maxOpen && open < len(f.ls.bindings)
}

// changes appends to list what of the sets is other than it was. alive: the switch still snoops.
func (f *family) changes(alive bool, list []Change) []Change {
	others, reports := intent.OtherGroups4, intent.Reports4
	if f.ipv6 {
		others, reports = intent.OtherGroups6, intent.Reports6
	}
	if !alive || !f.limits() {
		all := alive && f.ls.limited && (f.querier.here() || f.doubtful.place != 0) && len(f.ls.bindings) > 0
		for mac := range f.sets {
			if !all || mac != others && mac != reports {
				list = f.unset(list, mac)
			}
		}
		if all {
			everybody := union(nil, f.ls.bindings)
			list = f.set(f.set(list, others, everybody), reports, everybody)
		}
		clear(f.dirty)
		f.all = true // once they are to be limited again
		return list
	}
	base := f.base()
	if f.all {
		f.all = false
		for mac := range f.byMAC {
			f.dirty[mac] = struct{}{}
		}
		for mac := range f.sets {
			f.dirty[mac] = struct{}{}
		}
		if delete(f.dirty, others); f.ls.floods {
			list = f.unset(list, others)
		} else {
			list = f.set(list, others, base)
		}
		delete(f.dirty, reports)
		list = f.set(list, reports, union(base, f.askers))
	}
	for mac := range f.dirty {
		if members := f.byMAC[mac]; len(members) > 0 {
			list = f.set(list, mac, union(base, members))
		} else {
			list = f.unset(list, mac)
		}
	}
	clear(f.dirty)
	return list
}

func (f *family) key(mac intent.MAC) intent.MACKey { return intent.MACKey{Switch: f.ls.id, MAC: mac} }

func (f *family) set(list []Change, mac intent.MAC, set intent.MemberSet) []Change {
	if was, ok := f.sets[mac]; ok && slices.Equal(was, set) {
		return list
	}
	f.sets[mac] = set
	return append(list, Change{f.key(mac), set})
}

func (f *family) unset(list []Change, mac intent.MAC) []Change {
	if _, ok := f.sets[mac]; !ok {
		return list
	}
	delete(f.sets, mac)
	return append(list, Change{Key: f.key(mac)})
}

// base is the bindings that get the frames of all groups.
func (f *family) base() intent.MemberSet {
	return union(union(union(nil, f.opened), f.full), f.routers)
}

// union returns set and the keys of m, sorted.
func union[V any](set intent.MemberSet, m map[intent.BindingKey]V) intent.MemberSet {
	all := append(slices.Grow(intent.MemberSet{}, len(set)+len(m)), set...)
	all = slices.AppendSeq(all, maps.Keys(m))
	slices.SortFunc(all, intent.BindingKey.Compare)
	return slices.Compact(all)
}
