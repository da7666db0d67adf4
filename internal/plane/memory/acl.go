package memory

import (
	"context"
	"fmt"

	"github.com/vtep/vtep/internal/acl"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// guard asks the ACL of a binding about a frame that comes in there, or would leave. fr is as in
// the switch.
func (f *Fabric) guard(at intent.BindingKey, d intent.Direction, fr frame) Drop {
	return f.ask(plane.Entry{Kind: plane.EntryBinding, At: at}, f.installed.Policies[at].ACL, d, fr)
}

// ask asks an ACL, which is that of an entry.
func (f *Fabric) ask(at plane.Entry, id intent.ACLID, d intent.Direction, fr frame) Drop {
	entries := f.installed.ACLs[id].Entries(d)
	if len(entries) == 0 {
		return Forwarded
	}
	facts := acl.Read(fr)
	v := acl.First(entries, &facts)
	if v.Entry == acl.None {
		f.noteACL(at, id, d, nil, "matches no entry: it may pass")
		return Forwarded
	}
	entry := plane.ACLEntryAt{ACL: id, Entry: entries[v.Entry].ID}
	count := f.aclCounts[entry]
	f.aclCounts[entry] = plane.Count{Packets: count.Packets + 1, Bytes: count.Bytes + uint64(len(fr))}
	switch {
	case v.Unreadable:
		f.noteACL(at, id, d, &entries[v.Entry], "lacks or hides what an entry asks for")
		return ACLUnreadable
	case !v.Deny:
		f.noteACL(at, id, d, &entries[v.Entry], "may pass by an entry")
		return Forwarded
	}
	f.noteACL(at, id, d, &entries[v.Entry], "is denied by an entry")
	if d == intent.Egress {
		return ACLEgress
	}
	return ACLIngress
}

// settleACLCounts forgets what entries have counted that their ACL has no more.
func (f *Fabric) settleACLCounts(d *intent.Delta) {
	for _, c := range d.ACLs {
		kept := map[intent.ACLEntryID]bool{}
		if c.New != nil {
			for _, list := range [][]intent.ACLEntry{c.New.Ingress, c.New.Egress} {
				for i := range list {
					kept[list[i].ID] = true
				}
			}
		}
		for at := range f.aclCounts {
			if at.ACL == c.Key && !kept[at.Entry] {
				delete(f.aclCounts, at)
			}
		}
	}
}

// ACLStats implements plane.ACLCounter.
func (p *Plane) ACLStats(context.Context) (map[plane.ACLEntryAt]plane.Count, error) {
	unlock, err := p.use()
	if err != nil {
		return nil, fmt.Errorf("count by ACLs: %w", err)
	}
	defer unlock()
	all := map[plane.ACLEntryAt]plane.Count{}
	for id, a := range p.fabric.installed.ACLs {
		for _, list := range [][]intent.ACLEntry{a.Ingress, a.Egress} {
			for i := range list {
				at := plane.ACLEntryAt{ACL: id, Entry: list[i].ID}
				all[at] = p.fabric.aclCounts[at]
			}
		}
	}
	return all, nil
}
