package ovs

import (
	"maps"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// A note is made anew when what it says has changed, and only then.
func TestNotesAreKept(t *testing.T) {
	a := newAccessLists()
	id, entry := intent.ACLID{1}, intent.ACLEntry{ID: intent.ACLEntryID{2}, Deny: true}
	a.change(intent.Change[intent.ACLID, intent.ACL]{Key: id, New: &intent.ACL{Ingress: []intent.ACLEntry{entry}}})
	var last flowSet
	for i, c := range []struct {
		at   []intent.BindingKey
		gone uint64
		same bool
	}{{nil, 0, false}, {nil, 0, true}, {[]intent.BindingKey{{Port: "p0"}}, 0, false}, {[]intent.BindingKey{{Port: "p0"}}, 0, true},
		{[]intent.BindingKey{{Port: "p0"}}, 3, false}, {[]intent.BindingKey{{Port: "p0"}}, 4, false}, {nil, 4, false}, {nil, 4, true}} {
		s, gone := flowSet{}, map[plane.ACLEntryAt]plane.Count{}
		if c.gone > 0 {
			gone[plane.ACLEntryAt{ACL: id, Entry: entry.ID}] = plane.Count{Packets: c.gone}
		}
		noteACL(s, a.inForce[id], c.at, gone)
		if maps.Equal(s, last) != c.same {
			t.Errorf("note %d: made anew is %v", i, c.same)
		}
		last = s
		if _, at, had, err := readACLNotes(s); err != nil || len(at) != len(c.at) || !maps.Equal(had, gone) {
			t.Errorf("note %d says %v, %v, %v", i, at, had, err)
		}
	}
}
