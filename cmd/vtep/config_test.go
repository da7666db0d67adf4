package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// TestConfigCheck has files looked at, good ones and others, and the example that is printed.
func TestConfigCheck(t *testing.T) {
	vtep := filepath.Join(testenv.Binary(t), "vtep")
	b := newOVSDBBed(t)
	check := func(text string) (string, bool) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "vtep.yaml")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		out, err := b.env.Command(vtep, "config", "check", path).CombinedOutput()
		return strings.ReplaceAll(string(out), path, "FILE"), err == nil
	}
	for text, want := range map[string]string{
		"switch: br0\nport: [p0, p1]\ntunnel-ip: 192.0.2.1\n": "FILE: good\n",
		"tunnel-ip: 192.0.2.1\n":                              "FILE: good\n",
		"switch: br0\nplane: magic\n":                         "FILE:2:8: --plane=magic: not one of ebpf, ovs and memory\n",
		"switch: br0\ntunnel-ip: here\n":                      "FILE:2:12: --tunnel-ip: \"here\" is not an IP address",
		"remote:\n  - ptcp:6640\n  - nonsense\n":              "FILE:3:5: --remote=nonsense",
		"xdp: fast\nremote: [nonsense, \"ptcp:6640\", \"x\"]\ntunnel-ip: 192.0.2.x\nports: [p0]\ndirect: maybe\nvxlan-port: 0\n": "FILE:1:6: --xdp=fast: not one of auto, off and require\n" +
			"FILE:2:10: --remote=nonsense: missing \":\" after the connection method\nFILE:2:33: --remote=x: missing \":\" after the connection method\n" +
			"FILE:3:12: --tunnel-ip: \"192.0.2.x\" is not an IP address; an IPv4 or IPv6 address of this machine is expected\n" +
			"FILE:4:1: ports is no option; is port meant?\nFILE:5:9: --direct=maybe: not one of auto, on and off\n" +
			"FILE:6:13: --vxlan-port=0: not a UDP port, 1 to 65535\n",
		"switch: [br0, br1]\n":                        "FILE:1:10: switch: it has one value, not a list\n",
		"metrics: nowhere\n":                          "FILE:1:10: --metrics=nowhere: HOST:PORT is expected",
		"durability: never\nuser: x\nconfig: y\n":     "FILE:1:13: durability: \"never\" is not one of always, client and off\nFILE:2:7: user: the dataplane needs",
		"verbose: [nix]\n":                            "FILE:1:11: verbose: processing \"nix\"",
		"evpn:\n  as: 65001\n  router-id: 10.0.0.1\n": "FILE: good\n",
		"evpn:\n  as: x\n  routerid: 10.0.0.1\n":      "FILE:2:7: as: a number up to 4294967295 is expected, not \"x\"\nFILE:3:3: routerid is no setting; is router-id meant?",
		"tunnel-ip: {a: b}\n":                         "FILE:1:12: tunnel-ip: a value is expected",
		"portt: p0\n":                                 "FILE:1:1: portt is no option; is port meant?\n",
	} {
		out, good := check(text)
		if !strings.HasPrefix(out, want) || good != strings.HasSuffix(want, "good\n") {
			t.Errorf("%q: %v\n%s\nwant %s", text, good, out, want)
		}
	}
	reference := readText(t, filepath.Join(testenv.Tree(t), "docs", "reference.md"))
	_, documented, _ := strings.Cut(reference, "```yaml\n")
	documented, _, found := strings.Cut(documented, "```")
	if got, good := check(documented); !found || !good {
		t.Errorf("the file in docs/reference.md is not good: %s", got)
	}
	for _, name := range []string{"OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "OVS_PKGDATADIR", "OVS_SYSLOG_METHOD", "OVS_CTL_TIMEOUT", "NOTIFY_SOCKET", "WATCHDOG_USEC"} {
		if !strings.Contains(reference, "| `"+name+"`") {
			t.Errorf("docs/reference.md does not tell of %s", name)
		}
	}
	out, err := b.env.Command(vtep, "config", "example").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if got, good := check(string(out)); !good {
		t.Errorf("the example is not good: %s", got)
	}
	for _, name := range []string{"switch", "tunnel-ip", "port", "metrics", "log-format", "detach", "verbose"} {
		if !strings.Contains(string(out), "\n#"+name+": ") {
			t.Errorf("the example does not have %s", name)
		}
	}
}

// TestReload starts a VTEP by a file, in the background, and has it read the file again after changes: what can be
// changed is, what can't is told, and a file with a mistake changes nothing.
func TestReload(t *testing.T) {
	b := newOVSDBBed(t)
	vtep := filepath.Join(filepath.Dir(b.server), "vtep")
	path := filepath.Join(b.env.DBDir, "vtep.yaml")
	first, second, port := freePort(t), freePort(t), freePort(t)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("switch: br0\nplane: memory\ntunnel-ip: 192.0.2.1\nport: [p0, p1]\ndetach: true\npidfile: true\nlog-file: true\nmetrics: 127.0.0.1:" + first + "\n")
	cmd := b.env.Command(vtep, "run", "--config=vtep.yaml", "--rundir="+b.env.RunDir) // a relative name, which --detach would lose
	cmd.Dir = b.env.DBDir
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = b.env.Command("ovs-appctl", "-t", "vtep", "exit").Run() })
	if out := b.run("vtep-ctl", "list-ports", "br0"); out != "p0\np1\n" {
		t.Errorf("the ports are %q", out)
	}
	ready := func(port string) error {
		client := http.Client{Timeout: 90 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := client.Get("http://127.0.0.1:" + port + "/readyz")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("%d: %s", r.StatusCode, text)
		}
		return nil
	}
	if err := ready(first); err != nil {
		t.Error(err)
	}
	hangUp := func(logged string) {
		t.Helper()
		text := readText(t, filepath.Join(b.env.RunDir, "vtep.pid"))
		var pid int
		if _, err := fmt.Sscan(text, &pid); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, 90*time.Second, func() error {
			if log := readText(t, filepath.Join(b.env.LogDir, "vtep.log")); !strings.Contains(log, logged) {
				return fmt.Errorf("%q is not in the log:\n%s", logged, log)
			}
			return nil
		})
	}
	write("switch: br0\nplane: ebpf\ntunnel-ip: 192.0.2.1\nport: [p0, p1]\ndetach: true\npidfile: true\nlog-file: true\nlog-format: json\n" +
		"verbose: [dbg]\nmetrics: 0.0.0.0:" + second + "\nremote: [\"ptcp:" + port + ":127.0.0.1\"]\n")
	hangUp(`"msg":"the configuration was read again: changed: log-format, metrics, remote, verbose; what waits for the next start: plane"`)
	if err := ready(second); err != nil {
		t.Error(err)
	}
	if err := ready(first); err == nil {
		t.Error("the former address of metrics is served still")
	}
	b.run("ovsdb-client", "list-dbs", "tcp:127.0.0.1:"+port)
	if got := b.run("ovs-appctl", "-t", "vtep", "vlog/list"); !strings.Contains(got, "DBG") {
		t.Errorf("the levels are\n%s", got)
	}
	// The same port, at another address: what is listened on stands in its own way.
	write(strings.ReplaceAll(readText(t, path), "0.0.0.0:", "127.0.0.1:"))
	if got := b.run("ovs-appctl", "-t", "vtep", "vtep/reload"); got != "changed: metrics; what waits for the next start: plane\n" {
		t.Errorf("reload: %q", got)
	}
	if err := ready(second); err != nil {
		t.Error(err)
	}
	good := readText(t, path)
	write(good + "metrics: 1\n")
	hangUp("vtep.yaml:12:1: metrics is there already, in line 10")
	if out, err := b.env.Command("ovs-appctl", "-t", "vtep", "vtep/reload").CombinedOutput(); err == nil || !strings.Contains(string(out), ":12:1: ") {
		t.Errorf("a wrong file: %v, %s", err, out)
	}
	if err := ready(second); err != nil {
		t.Error(err)
	}
	write("switch: br0\nplane: memory\ntunnel-ip: 192.0.2.1\nport: [p0, p1]\ndetach: true\npidfile: true\nlog-file: true\n")
	if got := b.run("ovs-appctl", "-t", "vtep", "vtep/reload"); got != "changed: log-format, metrics, remote, verbose\n" {
		t.Errorf("reload: %q", got)
	}
	if err := ready(second); err == nil {
		t.Error("metrics are served still")
	}
	if out, err := b.env.Command("ovsdb-client", "-vconsole:off", "--timeout=10", "list-dbs", "tcp:127.0.0.1:"+port).CombinedOutput(); err == nil {
		t.Errorf("the remote is served still: %s", out)
	}
	if got := b.run("ovs-appctl", "-t", "vtep", "vlog/list"); strings.Contains(got, "DBG") {
		t.Errorf("the levels are\n%s", got)
	}
	checkLogJSON(t, readText(t, filepath.Join(b.env.LogDir, "vtep.log")))
	b.run("ovs-appctl", "-t", "vtep", "exit")
	b.goneBut(".vtep")
}

// checkLogJSON wants the lines that look like JSON to be that.
func checkLogJSON(t *testing.T, log string) {
	t.Helper()
	n := 0
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		n++
		var got struct{ Time, Level, Module, Msg string }
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Time == "" || got.Level == "" || got.Module == "" || got.Msg == "" {
			t.Errorf("%v: %s", err, line)
		}
	}
	if n < 3 {
		t.Errorf("%d lines of JSON in\n%s", n, log)
	}
}
