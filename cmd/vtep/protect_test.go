package main

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// vtepBed runs a VTEP with the plane that forwards nothing.
type vtepBed struct {
	*ovsdbBed
	log string
}

func newVTEPBed(t *testing.T, args ...string) *vtepBed {
	t.Helper()
	b := &vtepBed{ovsdbBed: newOVSDBBed(t)}
	b.log = filepath.Join(b.env.LogDir, "vtep.log")
	args = append([]string{"run", "br0", "--plane=memory", "--tunnel-ip=192.0.2.1", "--port=p0", "--rundir=" + b.env.RunDir,
		"--log-file=" + b.log, "-vconsole:off"}, args...)
	cmd := b.env.Command(filepath.Join(filepath.Dir(b.server), "vtep"), args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("vtep run: %v\n%s", err, &output)
		}
		if t.Failed() {
			t.Logf("log:\n%s", readText(t, b.log))
		}
	})
	b.eventually(func() error {
		c, err := net.Dial("unix", filepath.Join(b.env.RunDir, "db.sock"))
		if err == nil {
			c.Close()
		}
		return err
	})
	return b
}

func (b *ovsdbBed) eventually(check func() error) {
	b.t.Helper()
	testenv.Eventually(b.t, 90*time.Second, check)
}

// ports are the TCP ports that the log says are listened on, in their order.
func (b *vtepBed) ports(n int) []string {
	b.t.Helper()
	var ports []string
	b.eventually(func() error {
		ports = nil
		for _, m := range regexp.MustCompile(`listening on port (\d+)`).FindAllStringSubmatch(readText(b.t, b.log), -1) {
			ports = append(ports, m[1])
		}
		if len(ports) < n {
			return fmt.Errorf("%d ports", len(ports))
		}
		return nil
	})
	return ports
}

// ctl is a command of the C vtep-ctl.
func (b *vtepBed) ctl(db string, args ...string) *exec.Cmd {
	return b.env.Command(testenv.Program(b.t, "vtep-ctl"), append([]string{"--db=" + db, "--timeout=60"}, args...)...)
}

func (b *vtepBed) mustCtl(db string, args ...string) string {
	b.t.Helper()
	out, err := b.ctl(db, args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("vtep-ctl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestProtect has a controller on the network do its work with the C vtep-ctl and fail to do
// the VTEP's and the operator's, which these still do. Nobody had to ask for that.
func TestProtect(t *testing.T) {
	b := newVTEPBed(t, "--remote=ptcp:0:127.0.0.1", "--read-only-remote=ptcp:0:127.0.0.2")
	ports := b.ports(2)
	nvc, viewer, operator := "tcp:127.0.0.1:"+ports[0], "tcp:127.0.0.2:"+ports[1], "unix:"+filepath.Join(b.env.RunDir, "db.sock")

	b.mustCtl(nvc, "add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33")
	b.eventually(func() error { return b.ctl(nvc, "bind-ls", "br0", "p0", "0", "ls0").Run() }) // the port is there
	b.mustCtl(nvc, "add-ucast-remote", "ls0", "00:11:22:33:44:55", "192.0.2.2")
	b.mustCtl(nvc, "add-mcast-remote", "ls0", "unknown-dst", "192.0.2.2")
	// The VTEP answers with rows of its own.
	b.eventually(func() error {
		local := b.mustCtl(nvc, "list-local-macs", "ls0")
		tunnels := b.mustCtl(viewer, "list", "Tunnel")
		if !strings.Contains(local, "unknown-dst -> vxlan_over_ipv4/192.0.2.1") || !strings.Contains(tunnels, "_uuid") {
			return fmt.Errorf("local MACs\n%s\ntunnels\n%s", local, tunnels)
		}
		return nil
	})
	for command, want := range map[string]string{
		"add-ucast-local ls0 00:11:22:33:44:66 192.0.2.9":         "table Ucast_Macs_Local belong to the VTEP",
		"clear-local-macs ls0":                                    "table Mcast_Macs_Local belong to the VTEP",
		"set Physical_Switch br0 switch_fault_status=unspecified": "column switch_fault_status of table Physical_Switch belongs to the VTEP",
		"add Physical_Port p0 port_fault_status x":                "column port_fault_status of table Physical_Port belongs to the VTEP",
		"add-port br0 eth0":                                       "for the operator to ", // the port, or the column that it goes into: the tool orders its operations by chance
		"del-port br0 p0":                                         "column ports of table Physical_Switch is for the operator",
		"del-ps br0":                                              "column switches of table Global is for the operator",
		"add-ps br1":                                              "for the operator to ",
		"set Physical_Switch br0 tunnel_ips=192.0.2.7":            "column tunnel_ips of table Physical_Switch is for the operator",
		"clear Physical_Switch br0 tunnels":                       "the VTEP removes tunnels that nothing needs",
	} {
		out, err := b.ctl(nvc, strings.Fields(command)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), "permission error") {
			t.Errorf("%s: %v, %s", command, err, out)
		}
	}
	if out, err := b.ctl(viewer, "add-ls", "ls1").CombinedOutput(); err == nil || !strings.Contains(string(out), "not allowed") {
		t.Errorf("the read-only remote: %v, %s", err, out)
	}
	b.mustCtl(nvc, "set", "Physical_Switch", "br0", "tunnel_ips=192.0.2.1", "description=x") // an echo
	b.mustCtl(operator, "add-ucast-local", "ls0", "00:11:22:33:44:66", "192.0.2.1")
	if text := readText(t, b.log); strings.Contains(text, "|WARN|") || strings.Contains(text, "|ERR|") {
		t.Error("the log of a clean run has warnings")
	}
	b.mustCtl(operator, "add-port", "br0", "p1")
}

// TestNoProtect: an operator can let controllers do everything.
func TestNoProtect(t *testing.T) {
	b := newVTEPBed(t, "--no-protect", "--remote=ptcp:0:127.0.0.1")
	nvc := "tcp:127.0.0.1:" + b.ports(1)[0]
	b.eventually(func() error { return b.ctl(nvc, "add-port", "br0", "p1").Run() })
	if got := b.mustCtl(nvc, "list-ports", "br0"); got != "p0\np1\n" {
		t.Errorf("ports %q", got)
	}
}

// TestProtectOVSDBServer has the server alone protect a VTEP's database, and no other.
func TestProtectOVSDBServer(t *testing.T) {
	b := newOVSDBBed(t)
	vtep := filepath.Join(b.env.DBDir, "vtep.db")
	b.run("ovsdb-tool", "create", vtep, filepath.Join(testenv.Tree(t), "internal", "hwvtep", "vtep.ovsschema"))
	port := freePort(t)
	b.start("--protect", "--remote=punix:db.sock", "--remote=ptcp:"+port+":127.0.0.1", b.create("first"), vtep)
	transact := func(target, params string) string { return b.run("ovsdb-client", "transact", target, params) }
	const local = `["hardware_vtep",{"op":"delete","table":"Physical_Switch","where":[]}]`
	transact("unix:db.sock", `["hardware_vtep",{"op":"insert","table":"Physical_Switch","uuid-name":"s","row":{"name":"br0"}},`+
		`{"op":"insert","table":"Global","row":{"switches":["named-uuid","s"]}}]`)
	remote := "tcp:127.0.0.1:" + port
	if out := transact(remote, local); !strings.Contains(out, "permission error") {
		t.Errorf("over the network: %s", out)
	}
	if out := transact("unix:db.sock", `["hardware_vtep",{"op":"delete","table":"Global","where":[]}]`); strings.Contains(out, "error") {
		t.Errorf("over the unix socket: %s", out)
	}
	if out := transact(remote, `["first",{"op":"insert","table":"T","row":{"n":1}}]`); strings.Contains(out, "error") {
		t.Errorf("another database: %s", out)
	}
}

// TestOpenPort: both programs warn of a port that anybody can reach.
func TestOpenPort(t *testing.T) {
	const warning = "|WARN|ptcp:0: anybody who reaches this address can change the databases"
	b := newVTEPBed(t, "--remote=ptcp:0")
	b.ports(1)
	if text := readText(t, b.log); !strings.Contains(text, warning) {
		t.Errorf("vtep run: no warning")
	}
	o := newOVSDBBed(t)
	o.start("--remote=ptcp:0", o.create("first"))
	if text := readText(t, filepath.Join(o.env.LogDir, "ovsdb-server.log")); !strings.Contains(text, warning) {
		t.Errorf("ovsdb-server: no warning:\n%s", text)
	}
}
