package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/acl"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// ACLs are the access control lists that something here has, as they are to be in force.
type ACLs []ACL

// ACL is one of them.
type ACL struct {
	UUID     string     `json:"uuid"`
	Name     string     `json:"name"`
	Error    string     `json:"error"` // why the dataplane has not this version; "": it has
	Bindings []PortVLAN `json:"bindings"`
	Ingress  []ACLEntry `json:"ingress"`
	Egress   []ACLEntry `json:"egress"`

	Interfaces []RouterAddress `json:"interfaces"`
}

// RouterAddress names an interface of a router.
type RouterAddress struct {
	Router string     `json:"router"`
	IP     netip.Addr `json:"ip"`
}

// ACLEntry is an entry, and how many frames it has decided.
type ACLEntry struct {
	UUID     string `json:"uuid"`
	Sequence int64  `json:"sequence"`
	Text     string `json:"text"`
	Packets  uint64 `json:"packets"`
	Bytes    uint64 `json:"bytes"`
}

func (all ACLs) String() string {
	var b strings.Builder
	for _, a := range all {
		fmt.Fprintf(&b, "ACL %s", problem.Name(a.Name))
		for _, at := range a.Bindings {
			fmt.Fprintf(&b, " %s/%d", problem.Name(at.Port), at.VLAN)
		}
		for _, at := range a.Interfaces {
			fmt.Fprintf(&b, " %s/%v", problem.Name(at.Router), at.IP)
		}
		if a.Error != "" {
			fmt.Fprintf(&b, " (not in force: %s)", a.Error)
		}
		b.WriteByte('\n')
		for _, list := range []struct {
			direction intent.Direction
			entries   []ACLEntry
		}{{intent.Ingress, a.Ingress}, {intent.Egress, a.Egress}} {
			for _, e := range list.entries {
				fmt.Fprintf(&b, "  %v %s: %d packets %d bytes\n", list.direction, e.Text, e.Packets, e.Bytes)
			}
		}
	}
	return b.String()
}

// ErrNoACLs is returned where the dataplane has none.
var ErrNoACLs = errors.New("this dataplane has no ACLs")

// ACLs lists the ACL called name, or all if that is "".
func (a *Agent) ACLs(ctx context.Context, name string) (ACLs, error) {
	counter, ok := a.opts.Plane.(plane.ACLCounter)
	if !ok || !a.opts.Plane.Features().ACLs {
		return nil, ErrNoACLs
	}
	counts, err := counter.ACLStats(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the counters: %w", err)
	}
	// What ACLs have is not edited: the loop need not wait for their texts.
	now, err := ask(ctx, a, func(context.Context) (guarding, error) {
		s := a.compiler.State()
		return guarding{maps.Clone(s.ACLs), maps.Clone(s.Policies), guardedInterfaces(s), maps.Clone(a.reporter.Report().ACLs)}, nil
	})
	if err != nil {
		return nil, err
	}
	all := now.list(name, counts)
	if name != "" && len(all) == 0 {
		return nil, fmt.Errorf("nothing here has an ACL called %q", name)
	}
	return all, nil
}

// guarding is what there is of ACLs.
type guarding struct {
	acls     map[intent.ACLID]intent.ACL
	policies map[intent.BindingKey]intent.Policy
	routers  map[intent.ACLID][]RouterAddress
	refused  map[intent.ACLID]error
}

// guardedInterfaces lists the interfaces of routers by their ACLs.
func guardedInterfaces(s *intent.State) map[intent.ACLID][]RouterAddress {
	all := map[intent.ACLID][]RouterAddress{}
	for at, i := range s.Interfaces {
		if i.ACL != (intent.ACLID{}) {
			all[i.ACL] = append(all[i.ACL], RouterAddress{s.Routers[s.Switches[at.Switch].Router].Name, at.IP})
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(x, y RouterAddress) int {
			return cmp.Or(cmp.Compare(x.Router, y.Router), x.IP.Compare(y.IP))
		})
	}
	return all
}

func (g *guarding) list(name string, counts map[plane.ACLEntryAt]plane.Count) ACLs {
	all := ACLs{}
	bindings := map[intent.ACLID][]PortVLAN{}
	for _, at := range slices.SortedFunc(maps.Keys(g.policies), intent.BindingKey.Compare) {
		id := g.policies[at].ACL
		bindings[id] = append(bindings[id], PortVLAN{at.Port, at.VLAN})
	}
	ids := slices.SortedFunc(maps.Keys(g.acls), func(x, y intent.ACLID) int {
		if c := strings.Compare(g.acls[x].Name, g.acls[y].Name); c != 0 {
			return c
		}
		return x.Compare(y)
	})
	for _, id := range ids {
		is := g.acls[id]
		if name != "" && is.Name != name {
			continue
		}
		list := func(entries []intent.ACLEntry) []ACLEntry {
			out := make([]ACLEntry, 0, len(entries))
			for _, e := range entries {
				c := counts[plane.ACLEntryAt{ACL: id, Entry: e.ID}]
				out = append(out, ACLEntry{e.ID.String(), e.Sequence, e.String(), c.Packets, c.Bytes})
			}
			return out
		}
		one := ACL{UUID: id.String(), Name: is.Name, Bindings: append([]PortVLAN{}, bindings[id]...), Ingress: list(is.Ingress), Egress: list(is.Egress),
			Interfaces: append([]RouterAddress{}, g.routers[id]...)}
		if err := g.refused[id]; err != nil {
			one.Error = err.Error()
		}
		all = append(all, one)
	}
	return all
}

// ACLVerdict says what becomes of a frame at a binding, and which entry decides.
type ACLVerdict struct {
	Verdict string    `json:"verdict"` // "permit" or "deny"
	Why     string    `json:"why"`
	ACL     string    `json:"acl"`   // its name; "": the binding has none
	UUID    string    `json:"uuid"`  // of the ACL
	Entry   *ACLEntry `json:"entry"` // without counts; nil: none matches
}

func (v ACLVerdict) String() string {
	text := v.Verdict + ": " + v.Why
	if v.Entry != nil {
		text += fmt.Sprintf("\nACL %s, entry %s: %s", problem.Name(v.ACL), v.Entry.UUID, v.Entry.Text)
	}
	return text + "\n"
}

// TestRouterACL says what the ACL of an interface of a router decides of a frame, likewise.
func (a *Agent) TestRouterACL(ctx context.Context, at RouterAddress, d intent.Direction, words []string) (ACLVerdict, error) {
	facts, err := acl.ParseFrame(words)
	if err != nil {
		return ACLVerdict{}, err
	}
	return ask(ctx, a, func(context.Context) (ACLVerdict, error) {
		s := a.compiler.State()
		for key, i := range s.Interfaces {
			if key.IP != at.IP || s.Routers[s.Switches[key.Switch].Router].Name != at.Router {
				continue
			}
			if i.ACL == (intent.ACLID{}) {
				return ACLVerdict{Verdict: "permit", Why: "the interface has no ACL in force"}, nil
			}
			return verdictOf(i.ACL, s.ACLs[i.ACL], d, &facts), nil
		}
		return ACLVerdict{}, fmt.Errorf("no router %q has an interface %v", at.Router, at.IP)
	})
}

// TestACL says what the ACL of a binding decides of a frame that is described in words, as
// acl.ParseFrame takes them.
func (a *Agent) TestACL(ctx context.Context, at intent.BindingKey, d intent.Direction, words []string) (ACLVerdict, error) {
	facts, err := acl.ParseFrame(words)
	if err != nil {
		return ACLVerdict{}, err
	}
	return ask(ctx, a, func(context.Context) (ACLVerdict, error) {
		s := a.compiler.State()
		if _, bound := s.Bindings[at]; !bound {
			return ACLVerdict{}, fmt.Errorf("port %q has no binding of VLAN %d", at.Port, at.VLAN)
		}
		p, guarded := s.Policies[at]
		if !guarded {
			return ACLVerdict{Verdict: "permit", Why: "the binding has no ACL in force"}, nil
		}
		return verdictOf(p.ACL, s.ACLs[p.ACL], d, &facts), nil
	})
}

func verdictOf(id intent.ACLID, is intent.ACL, d intent.Direction, facts *acl.Facts) ACLVerdict {
	v := ACLVerdict{Verdict: "permit", ACL: is.Name, UUID: id.String(),
		Why: fmt.Sprintf("none of the %d entries of ACL %s for %v matches", len(is.Entries(d)), problem.Name(is.Name), d)}
	found := acl.First(is.Entries(d), facts)
	if found.Entry == acl.None {
		return v
	}
	e := is.Entries(d)[found.Entry]
	v.Entry = &ACLEntry{UUID: e.ID.String(), Sequence: e.Sequence, Text: e.String()}
	v.Why = "the first entry that matches"
	switch {
	case found.Unreadable:
		v.Verdict, v.Why = "deny", "the first entry that may match asks for what the frame does not have, or hides"
	case found.Deny:
		v.Verdict = "deny"
	}
	return v
}
