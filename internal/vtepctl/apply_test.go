package vtepctl_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/vtepctl/apply"
)

// configFile writes a configuration and returns its name.
func configFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "vtep.yaml")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestApply applies the example of the manual page, and looks at what it made through
// commands that have been compared with those of the C tool.
func TestApply(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	file := configFile(t, apply.Example)
	before, _ := d.canonical(t)
	diff := d.must(t, "--diff", "apply", file)
	if after, _ := d.canonical(t); after != before {
		t.Fatal("--diff changed the database")
	}
	if done := d.must(t, "apply", file); done != diff || !strings.Contains(done, "+ Logical_Switch ls0\n") {
		t.Errorf("--diff said\n%s\nand apply\n%s", diff, done)
	}
	for _, tt := range []struct{ args, want string }{
		{"list-ps", "br0\n"},
		{"list-ls", "ls0\nls1\n"},
		{"list-lr", "r1\n"},
		{"list-bindings br0 eth1", "0000 ls0\n0100 ls1\n"},
		{"get-replication-mode ls0", "source_node\n"},
		{"get Logical_Switch ls1 tunnel_key", "5001\n"},
		{"get Physical_Switch br0 tunnel_ips", "[\"192.0.2.1\"]\n"},
		{"get-manager", "ptcp:6640\n"},
		{"list-remote-macs ls0", "ucast-mac-remote\n  00:00:5e:00:53:01 -> vxlan_over_ipv4/192.0.2.2\n\n" +
			"mcast-mac-remote\n  unknown-dst -> vxlan_over_ipv4/192.0.2.2\n  unknown-dst -> vxlan_over_ipv4/192.0.2.3\n\n"},
		{"--bare --columns=tunnel_key find Physical_Locator dst_ip=192.0.2.3", "77\n"},
	} {
		if got := d.must(t, strings.Fields(tt.args)...); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.args, got, tt.want)
		}
	}
	if again := d.must(t, "--prune", "apply", file); again != "" {
		t.Errorf("applied twice, it changes\n%s", again)
	}
}

// TestApplyPrune: what others added stays without --prune, and goes with it; sections that
// are not in the file are never touched.
func TestApplyPrune(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	file := configFile(t, apply.Example)
	d.must(t, "apply", file)
	want, _ := d.canonical(t)
	add := words("add-ls x -- add-port br0 px -- bind-ls br0 px 5 x -- bind-ls br0 eth1 7 x " +
		"-- add-ucast-local x 00:00:5e:00:53:09 192.0.2.1 -- add-mcast-remote x unknown-dst 192.0.2.2 " +
		"-- add-mcast-remote ls0 unknown-dst 192.0.2.9 -- add-ucast-remote ls0 00:00:5e:00:53:02 192.0.2.9 " +
		"-- add-ps other -- add-port other p -- add-lr r2")
	d.must(t, add...)
	added, _ := d.canonical(t)
	if out := d.must(t, "apply", file); out != "" {
		t.Errorf("without --prune it changes\n%s", out)
	}
	if now, _ := d.canonical(t); now != added {
		t.Error("without --prune, the database is another one")
	}
	d.must(t, "--prune", "apply", configFile(t, "switches: {br0: {ports: {eth1:, px: }}, other: }\n"))
	if got := d.must(t, "list-ls"); got != "ls0\nls1\nx\n" {
		t.Errorf("logical switches were not in the file, and now there are %q", got)
	}
	if got := d.must(t, "list-ports", "other"); got != "p\n" {
		t.Errorf("the ports of \"other\" were not in the file, and now there are %q", got)
	}
	d.must(t, "--prune", "apply", file)
	if now, _ := d.canonical(t); now != want {
		t.Errorf("after --prune there is\n%s\nwant\n%s", now, want)
	}
}

func TestApplyErrors(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	d.must(t, "add-ps", "here")
	before, _ := d.canonical(t)
	for _, tt := range []struct{ text, want string }{
		{"", ": is empty"},
		{"a: [", ": line 1: did not find expected node content"},
		{"- x", ":1: the configuration must be a mapping (KEY: VALUE)"},
		{"switchez: {}", `:1: unknown key "switchez" in the configuration; there are logical_switches, managers, routers, switches`},
		{"switches:\n  a:\n    portz: {}", `:3: unknown key "portz" in switch a; there are description, management_ips, other_config, ports, tunnel_ips`},
		{"switches:\n  a: {}\n  a: {}", `:3: "a" is twice in switches`},
		{"switches: {a: {ports: {p: {bindings: {4095: x}}}}}", `:1: a VLAN must be a number from 0 to 4094, not "4095"`},
		{"switches: {a: {ports: {p: {bindings: {1x: x}}}}}", `:1: a VLAN must be a number from 0 to 4094, not "1x"`},
		{"switches:\n  a: {ports: {p: {bindings: {1: nope}}}}", `:2: no logical switch named nope`},
		{"logical_switches: {a: {tunnel_key: 16777216}}", `:1: tunnel_key must be a number from 0 to 16777215, not "16777216"`},
		{"logical_switches: {a: {replication_mode: x}}", `:1: replication_mode must be source_node or service_node, not "x"`},
		{"logical_switches: {a: {ucast: {00:00:5e:00:53:01: [1.1.1.1, 1.1.1.2]}}}", ":1: 00:00:5e:00:53:01 must be at one VTEP"},
		{"logical_switches: {a: {mcast: {unknown-dst: []}}}", ":1: unknown-dst must be at one VTEP or more"},
		{"logical_switches: {a: {mcast: {unknown-dst: {tunnel_key: 1}}}}", ":1: a VTEP needs an ip"},
		{"logical_switches: {a: {ucast: {m: 1.1.1.1}}}", `:1: "m" is not a MAC address (xx:xx:xx:xx:xx:xx)`},
		{"logical_switches: {a: {ucast: {01:00:5e:00:00:01: 1.1.1.1}}}", ":1: 01:00:5e:00:00:01 is the address of a group, not of a host"},
		{"logical_switches: {a: {mcast: {00:00:5e:00:53:01: 1.1.1.1}}}", ":1: 00:00:5e:00:53:01 is the address of a host, not of a group"},
		{"logical_switches: {a: {mcast: {unknown-dst: 1.1.1}}}", `:1: "1.1.1" is not an IP address`},
		{"logical_switches: {a: {description: {}}}", ":1: description must be a plain value"},
	} {
		file := configFile(t, tt.text)
		r := d.tool(t, "apply", file)
		if want := "vtep-ctl: " + file + tt.want + "\n"; r.status != 1 || r.stderr != want {
			t.Errorf("%q: status %d, %q, want %q", tt.text, r.status, r.stderr, want)
		}
	}
	if r := d.tool(t, "apply", "/nonexistent"); r.stderr != "vtep-ctl: /nonexistent: no such file or directory\n" {
		t.Errorf("no file: %q", r.stderr)
	}
	r := d.tool(t, "--diff", "apply", "/nonexistent", "--", "list-ps")
	if r.stderr != "vtep-ctl: --diff cannot be combined with other commands\n" {
		t.Errorf("--diff combined: %q", r.stderr)
	}
	// What the server refuses is refused as a whole.
	file := configFile(t, "switches: {new: }\nlogical_switches: {a: {ucast: {00:00:5e:00:53:01: {ip: 192.0.2.1, encap: nope}}}}")
	if r := d.tool(t, "apply", file); r.status != 1 || !strings.Contains(r.stderr, "transaction error: ") {
		t.Errorf("bad encapsulation: %+v", r)
	}
	if after, _ := d.canonical(t); after != before {
		t.Errorf("errors changed the database to\n%s", after)
	}
}

// TestApplyStandardInput: "-" is standard input, anchors work, and names are data.
func TestApplyStandardInput(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	cmd := d.ours(t, "apply", "-")
	cmd.Stdin = bytes.NewBufferString("switches:\n  \"two words\": &s {tunnel_ips: 192.0.2.1, description: \"-\\\"é\"}\n  \"--\": *s\n")
	if r := run(t, cmd); r.status != 0 || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	if got := d.must(t, "list-ps"); got != "--\ntwo words\n" {
		t.Errorf("list-ps: %q", got)
	}
	if got := d.must(t, "get", "Physical_Switch", "two words", "description", "tunnel_ips"); got != "\"-\\\"é\"\n[\"192.0.2.1\"]\n" {
		t.Errorf("columns: %q", got)
	}
}
