package vtepctl_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// filled returns a database with something of everything.
func filled(t *testing.T) *database {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	for _, args := range lines(`
		add-ps br0 -- set Physical_Switch br0 tunnel_ips=192.0.2.1 -- add-port br0 eth1 -- add-port br0 'two_words'
		add-ls ls0 -- add-ls ls1 -- bind-ls br0 eth1 0 ls0 -- bind-ls br0 eth1 100 ls1 -- add-lr r1
		set Logical_Switch ls0 tunnel_key=5000 -- set-replication-mode ls0 source_node
		--tunnel-key=77 add-ucast-remote ls0 00:00:5e:00:53:01 192.0.2.2
		add-mcast-remote ls0 unknown-dst 192.0.2.3
		set-manager ptcp:6640
		-- --id=@l create Physical_Locator dst_ip=192.0.2.1 encapsulation_type=vxlan_over_ipv4 -- --id=@r create Physical_Locator dst_ip=192.0.2.2 encapsulation_type=vxlan_over_ipv4 tunnel_key=8 -- --id=@t create Tunnel local=@l remote=@r bfd_params:enable=true bfd_status={state=up,remote_state=init,forwarding=true} -- --id=@s create Physical_Locator dst_ip=192.0.2.4 encapsulation_type=vxlan_over_ipv4 -- --id=@u create Tunnel local=@l remote=@s -- set Physical_Switch br0 tunnels=@t,@u`) {
		if r := d.tool(t, args...); r.status != 0 {
			t.Fatalf("%q: %+v", args, r)
		}
	}
	return d
}

// TestJSON: with -f json everything that prints something prints JSON.
func TestJSON(t *testing.T) {
	d := filled(t)
	for _, tt := range []struct{ args, want string }{
		{"list-ps", `["br0"]`},
		{"list-ports br0", `["eth1","two words"]`},
		{"list-ls", `["ls0","ls1"]`},
		{"list-lr", `["r1"]`},
		{"list-bindings br0 eth1", `{"0":"ls0","100":"ls1"}`},
		{"get-replication-mode ls0", `"source_node"`},
		{"get-replication-mode ls1", `null`},
		{"get-manager", `["ptcp:6640"]`},
		{"list-remote-macs ls0", `{"mcast-mac-remote":[{"MAC":"unknown-dst","dst_ip":"192.0.2.3","encapsulation_type":"vxlan_over_ipv4"}],` +
			`"ucast-mac-remote":[{"MAC":"00:00:5e:00:53:01","dst_ip":"192.0.2.2","encapsulation_type":"vxlan_over_ipv4","tunnel_key":77}]}`},
		{"get Logical_Switch ls0 tunnel_key other_config name", `[5000,{},"ls0"]`},
		{"--columns=name,tunnel_key find Logical_Switch name=ls0", `{"data":[["ls0",5000]],"headings":["name","tunnel_key"]}`},
		{"show", `[{"_uuid":"U","managers":[{"_uuid":"U","is_connected":false,"target":"ptcp:6640"}],"switches":[{"_uuid":"U","management_ips":[],` +
			`"name":"br0","ports":[{"_uuid":"U","name":"eth1","vlan_bindings":{"0":"ls0","100":"ls1"}},{"_uuid":"U","name":"two words","vlan_bindings":{}}],` +
			`"tunnel_ips":["192.0.2.1"]}]}]`},
		{"list-tunnels br0", `[{"bfd":"up","diagnostic":"","forwarding":"true","local":"192.0.2.1","remote":"192.0.2.2/8","remote_bfd":"init","switch":"br0"},` +
			`{"bfd":"off","diagnostic":"","forwarding":"","local":"192.0.2.1","remote":"192.0.2.4","remote_bfd":"","switch":"br0"}]`},
	} {
		got := uuidPattern.ReplaceAllString(d.must(t, append([]string{"-f", "json"}, strings.Fields(tt.args)...)...), "U")
		if !sameJSON(t, got, tt.want) {
			t.Errorf("%s: %s\nwant %s", tt.args, got, tt.want)
		}
		pretty := d.must(t, append([]string{"--pretty", "-f", "json"}, strings.Fields(tt.args)...)...)
		if !sameJSON(t, uuidPattern.ReplaceAllString(pretty, "U"), tt.want) {
			t.Errorf("%s: --pretty is another value: %s", tt.args, pretty)
		}
	}
}

// sameJSON compares JSON texts; lists of objects may be in any order.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%v in %q", err, a)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%v in %q", err, b)
	}
	return reflect.DeepEqual(sorted(x), sorted(y))
}

// sorted sorts lists of objects by their JSON, at every level.
func sorted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = sorted(member)
		}
	case []any:
		for i := range v {
			v[i] = sorted(v[i])
		}
		slices.SortFunc(v, func(a, b any) int {
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			return bytes.Compare(x, y)
		})
	}
	return v
}

func TestListTunnels(t *testing.T) {
	d := filled(t)
	want := `switch local     remote      bfd remote_bfd forwarding diagnostic
------ --------- ----------- --- ---------- ---------- ----------
br0    192.0.2.1 192.0.2.2/8 up  init       true
br0    192.0.2.1 192.0.2.4   off
`
	got := strings.Split(d.must(t, "list-tunnels"), "\n")
	if len(got) > 3 && strings.Contains(got[2], "off") { // rows are in the order of UUIDs
		got[2], got[3] = got[3], got[2]
	}
	if joined := strings.Join(got, "\n"); joined != want {
		t.Errorf("list-tunnels:\n%s\nwant\n%s", joined, want)
	}
	if r := d.tool(t, "list-tunnels", "nope"); r.stderr != "vtep-ctl: no physical switch named nope\n" {
		t.Errorf("no switch: %+v", r)
	}
}

func TestShowFilter(t *testing.T) {
	d := filled(t)
	for _, tt := range []struct{ filter, want string }{
		{"Physical_Port(eth1)", "U\n    Manager \"ptcp:6640\"\n    Physical_Switch br0\n        tunnel_ips: [\"192.0.2.1\"]\n" +
			"        Physical_Port eth1\n            vlan_bindings:\n                0=ls0\n                100=ls1\n"},
		{"physical-po(ETH1|nothing),man(x)", "U\n    Physical_Switch br0\n        tunnel_ips: [\"192.0.2.1\"]\n" +
			"        Physical_Port eth1\n            vlan_bindings:\n                0=ls0\n                100=ls1\n"},
		{"nothing", ""},
	} {
		if got := uuidPattern.ReplaceAllString(d.must(t, "--filter="+tt.filter, "show"), "U"); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.filter, got, tt.want)
		}
	}
	r := d.tool(t, "--filter=Physical_Port(x", "show")
	if r.stderr != "vtep-ctl: Malformed filter: missing closing ')'\n" {
		t.Errorf("bad filter: %+v", r)
	}
}
