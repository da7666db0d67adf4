package vtepctl_test

import (
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/vtepctl/apply"
)

// TestStrict: what makes no sense is accepted, and warned of only when that is asked for.
func TestStrict(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	d.must(t, "add-ps", "ps", "--", "add-port", "ps", "p", "--", "add-ls", "ls")
	for _, tt := range []struct{ args, want string }{
		{"add-ucast-remote ls 00:00:5e:00:53:01 192.0.2.1", ""},
		{"add-ucast-remote ls nonsense 192.0.2.1", `"nonsense" is not a MAC address (xx:xx:xx:xx:xx:xx)`},
		{"add-ucast-remote ls 01:00:5e:00:53:01 192.0.2.1", "01:00:5e:00:53:01 is the address of a group, not of a host"},
		{"add-ucast-remote ls 00-00-5e-00-53-01 192.0.2.1", `"00-00-5e-00-53-01" is not a MAC address (xx:xx:xx:xx:xx:xx)`},
		{"add-ucast-remote ls 00:00:5e:00:53:01 300.0.0.1", `"300.0.0.1" is not an IPv4 address`},
		{"add-ucast-remote ls 00:00:5e:00:53:01 224.0.0.1", "224.0.0.1 can't be the address of a VTEP"},
		{"add-mcast-remote ls unknown-dst 192.0.2.1", ""},
		{"add-mcast-remote ls 00:00:5e:00:53:01 192.0.2.1", "00:00:5e:00:53:01 is the address of a host, not of a group"},
		{"add-mcast-remote ls nonsense 192.0.2.1", `"nonsense" is neither a MAC address (xx:xx:xx:xx:xx:xx) nor unknown-dst`},
		{"bind-ls ps p 10 ls", ""},
		{"bind-ls ps p 010 ls", `VLAN "010" is read as 8`},
		{"bind-ls ps p 4095 ls", "4095 is not a VLAN (0 to 4094)"},
	} {
		args := strings.Fields(tt.args)
		r := d.tool(t, append([]string{"--strict", "--dry-run"}, args...)...)
		want := ""
		if tt.want != "" {
			want = "TIME|N|vtep_ctl|WARN|" + tt.want + "\n"
		}
		if r.status != 0 || message(r.stderr) != want {
			t.Errorf("--strict %s: status %d, %q, want %q", tt.args, r.status, r.stderr, want)
		}
		if r := d.tool(t, append([]string{"--dry-run"}, args...)...); r.status != 0 || r.stderr != "" {
			t.Errorf("%s: %+v", tt.args, r)
		}
	}
}

// TestTunnelKey: with a key, a locator of that key is meant, and no other.
func TestTunnelKey(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	d.must(t, "add-ls", "ls",
		"--", "--tunnel-key=7", "add-ucast-remote", "ls", "00:00:5e:00:53:01", "192.0.2.1",
		"--", "--tunnel-key=8", "add-ucast-remote", "ls", "00:00:5e:00:53:02", "192.0.2.1",
		"--", "--tunnel-key=7", "add-mcast-remote", "ls", "unknown-dst", "192.0.2.1",
		"--", "add-mcast-remote", "ls", "unknown-dst", "192.0.2.2")
	keys := func() string {
		return strings.Join(strings.Fields(d.must(t, "--bare", "--columns=dst_ip,tunnel_key", "list", "Physical_Locator")), " ")
	}
	if got := strings.Count(keys(), "192.0.2.1"); got != 2 || !strings.Contains(keys(), "192.0.2.1 7") || !strings.Contains(keys(), "192.0.2.1 8") {
		t.Errorf("locators: %s", keys())
	}
	d.must(t, "--tunnel-key=8", "del-mcast-remote", "ls", "unknown-dst", "192.0.2.1")
	if got := strings.Count(d.must(t, "list-remote-macs", "ls"), "unknown-dst"); got != 2 {
		t.Errorf("%d members after one with another key was removed", got)
	}
	d.must(t, "--tunnel-key=7", "del-mcast-remote", "ls", "unknown-dst", "192.0.2.1")
	if got := strings.Count(d.must(t, "list-remote-macs", "ls"), "unknown-dst"); got != 1 {
		t.Errorf("%d members after one was removed", got)
	}
	for _, key := range []string{"x", "-1", "16777216", ""} {
		r := d.tool(t, "--tunnel-key="+key, "add-ucast-remote", "ls", "m", "192.0.2.1")
		if want := "vtep-ctl: --tunnel-key: \"" + key + "\" is not a VNI (0 to 16777215)\n"; r.status != 1 || r.stderr != want {
			t.Errorf("%q: %+v", key, r)
		}
	}
}

// TestNamesAreData: any string is a name.
func TestNamesAreData(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	names := []string{" ", "-", "--help", "a b", "a\nb", `"`, `\`, "[]", "{}", "é", "💡", "%s%n", "$(x)", "true", "@x", ".", "x=y",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c8", strings.Repeat("long", 500)}
	for _, name := range names {
		d.must(t, "add-ps", name, "--", "add-port", name, "p"+name, "--", "add-ls", name, "--", "bind-ls", name, "p"+name, "0", name)
		if got, want := d.must(t, "list-bindings", name, "p"+name), "0000 "+name+"\n"; got != want {
			t.Errorf("%q: %q", name, got)
		}
		if got, want := d.must(t, "list-ports", name), "p"+name+"\n"; got != want {
			t.Errorf("%q: ports %q", name, got)
		}
	}
	if got := strings.Count(d.must(t, "--bare", "--columns=_uuid", "list", "Physical_Switch"), "-") / 4; got != len(names) {
		t.Errorf("%d switches of %d", got, len(names))
	}
	// What is no UTF-8 can't be in the database.
	if r := d.tool(t, "add-ls", "\xff"); r.status != 1 || r.stderr == "" {
		t.Errorf("bad UTF-8: %+v", r)
	}
}

// FuzzCommandLine: no command line makes the tool panic before it connects.
func FuzzCommandLine(f *testing.F) {
	for _, args := range curated {
		f.Add(strings.Join(args, "\x00"))
	}
	for _, args := range readOnly {
		f.Add(strings.Join(args, "\x00"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "-") && (strings.Contains(line, "log") || strings.Contains(line, "db")) {
			return // no files, no other servers
		}
		args := append([]string{"--db=unix:/nonexistent/db.sock"}, strings.Split(line, "\x00")...)
		if r := inProcess(t, true, args...); r.status == 0 && r.stdout == "" {
			t.Errorf("%q: succeeded without a database: %+v", args, r)
		}
	})
}

// FuzzConfig: no configuration makes the parser panic.
func FuzzConfig(f *testing.F) {
	f.Add(apply.Example)
	f.Add("switches: &a {x: *a}")
	f.Add("managers: [[], {}, ~]")
	f.Fuzz(func(t *testing.T, text string) {
		r := inProcess(t, false, "--db=unix:/nonexistent/db.sock", "apply", configFile(t, text))
		if r.status != 1 || r.stderr == "" {
			t.Errorf("%q: %+v", text, r)
		}
	})
}
