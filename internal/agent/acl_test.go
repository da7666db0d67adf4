package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testenv"
)

// An NVC's ACL guards a port. When an entry is spoilt what was in force stays, also when the process
// restarts, and all rows say so; what is asked of the agent says which entry decides, and how many frames each has.
func TestACLs(t *testing.T) {
	onBoth(t, func(r *rig) {
		opts := agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}}
		v := r.start(newFabric("p0", "p1"), opts)
		r.ports(2)
		r.ctl("add-ls", "ls0", "--", "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br0", "p1", "0", "ls0")
		v.forwards("p0", frame(0xff, 1), "p1")
		r.ctl("--", "--id=@e", "create", "ACL_entry", "sequence=10", "direction=ingress", "action=deny", `source_mac="02:00:00:00:00:07"`,
			"--", "--id=@f", "create", "ACL_entry", "sequence=20", "direction=egress", "action=permit", "protocol=6", "dest_port_min=22", "dest_port_max=22",
			"--", "--id=@a", "create", "ACL", "acl_name=guests", "acl_entries=@e,@f", "--", "set", "Physical_Port", "p0", "acl_bindings:0=@a")
		v.forwards("p0", frame(0xff, 7))
		v.forwards("p0", frame(0xff, 1), "p1")
		list := strings.TrimSpace(r.ctl("--bare", "--columns=_uuid", "find", "ACL", "acl_name=guests"))
		uuid := func(table, name string) string { return strings.TrimSpace(r.ctl("get", table, name, "_uuid")) }
		r.ctl("add-lr", "lr0", "--", "set", "Logical_Router", "lr0", "switch_binding:\"10.0.0.254/24\"="+uuid("Logical_Switch", "ls0"),
			"switch_binding:\"2001:db8::254/64\"="+uuid("Logical_Switch", "ls0"), "acl_binding:\"10.0.0.254/24\"="+list)
		router := agent.RouterAddress{Router: "lr0", IP: netip.MustParseAddr("10.0.0.254")}
		testenv.Eventually(t, deadline, func() error {
			got, err := v.agent.TestRouterACL(context.Background(), router, intent.Ingress, []string{"source_mac=02:00:00:00:00:07"})
			if err == nil && got.Verdict != "deny" {
				err = fmt.Errorf("the router decides %v", got)
			}
			return err
		})
		if got, err := v.agent.TestRouterACL(context.Background(), agent.RouterAddress{Router: "lr0", IP: netip.MustParseAddr("2001:db8::254")},
			intent.Ingress, []string{"ethertype=0x0806"}); err != nil || got.Why != "the interface has no ACL in force" {
			t.Errorf("the interface without an ACL: %v, %v", got, err)
		}
		if _, err := v.agent.TestRouterACL(context.Background(), agent.RouterAddress{Router: "lr1", IP: router.IP}, intent.Ingress, []string{"ethertype=0x0806"}); err == nil {
			t.Error("there is a router lr1")
		}
		entry := strings.TrimSpace(r.ctl("--bare", "--columns=_uuid", "find", "ACL_entry", "sequence=10"))
		at := intent.BindingKey{Port: "p0"}
		ask := func(d intent.Direction, words string) string {
			t.Helper()
			got, err := v.agent.TestACL(context.Background(), at, d, strings.Fields(words))
			if err != nil {
				return err.Error()
			}
			return got.String()
		}
		for _, c := range []struct {
			d           intent.Direction
			words, want string
		}{
			{intent.Ingress, "source_mac=02:00:00:00:00:07", "deny: the first entry that matches\nACL guests, entry " + entry + ": 10 deny source-mac 02:00:00:00:00:07\n"},
			{intent.Ingress, "source_mac=02:00:00:00:00:08", "permit: none of the 1 entries of ACL guests for ingress matches\n"},
			{intent.Egress, "dest_ip=192.0.2.1 protocol=6 dest_port=22", "20 permit protocol 6 dest-port 22-22\n"},
			{intent.Egress, strings.Repeat("02", 12) + "0800" + "45000014000000004006" + strings.Repeat("0", 20), "deny: the first entry that may match asks for what the frame does not have, or hides"},
			{intent.Ingress, "colour=red", `there is no field "colour"`},
		} {
			if got := ask(c.d, c.words); !strings.Contains(got, c.want) {
				t.Errorf("%v %s: %s, want %s", c.d, c.words, got, c.want)
			}
		}
		at = intent.BindingKey{Port: "p1"}
		if got, want := ask(intent.Ingress, "ethertype=0x0806"), "permit: the binding has no ACL in force\n"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		at.VLAN = 7
		if got, want := ask(intent.Ingress, "ethertype=0x0806"), `port "p1" has no binding of VLAN 7`; got != want {
			t.Errorf("%s, want %s", got, want)
		}

		r.ctl("set", "ACL_entry", entry, "protocol=300")
		faults := []string{"fault entry 10 invalid_acl_entry", "fault guests invalid_acl", "fault p0 invalid_ACL_binding", "fault lr0 invalid_ACL_binding"}
		spoilt := func(v *vtep) {
			t.Helper()
			testenv.Eventually(t, deadline, func() error {
				for _, f := range faults {
					if !slices.Contains(reported(r.view()), f) {
						return fmt.Errorf("no %s in %v", f, reported(r.view()))
					}
				}
				return nil
			})
			v.forwards("p0", frame(0xff, 7))
			v.forwards("p0", frame(0xff, 1), "p1")
		}
		spoilt(v)
		v.stop()
		r.ctl("clear", "ACL", list, "acl_fault_status")
		v = r.start(v.fabric, opts)
		spoilt(v)
		all, err := v.agent.ACLs(context.Background(), "guests")
		if err != nil || len(all) != 1 || len(all[0].Ingress) != 1 || all[0].Ingress[0].Packets < 2 || !slices.Equal(all[0].Bindings, []agent.PortVLAN{{Port: "p0"}}) ||
			!slices.Equal(all[0].Interfaces, []agent.RouterAddress{router}) {
			t.Errorf("ACLs are %+v, %v", all, err)
		}
		if text := all.String(); !strings.HasPrefix(text, "ACL guests p0/0 lr0/10.0.0.254\n  ingress 10 deny source-mac 02:00:00:00:00:07: ") {
			t.Errorf("as text\n%s", text)
		}
		if b, err := json.Marshal(all); err != nil || !strings.Contains(string(b), `"name":"guests","error":"","bindings":[{"port":"p0","vlan":0}]`) {
			t.Errorf("as data %s, %v", b, err)
		}
		if _, err := v.agent.ACLs(context.Background(), "nobody"); err == nil {
			t.Error("there is an ACL called nobody")
		}
		r.ctl("clear", "ACL_entry", entry, "protocol", "--", "set", "ACL_entry", entry, `source_mac="02:00:00:00:00:08"`)
		v.forwards("p0", frame(0xff, 7), "p1")
		v.forwards("p0", frame(0xff, 8))
		testenv.Eventually(t, deadline, func() error {
			for _, line := range reported(r.view()) {
				if slices.Contains(faults, line) {
					return fmt.Errorf("left is %s", line)
				}
			}
			return nil
		})
	})
}
