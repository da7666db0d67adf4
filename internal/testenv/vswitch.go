package testenv

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/namespace"
)

// VSwitch is Open vSwitch with its userspace datapath, which needs nothing of the kernel, in
// a network namespace: ovsdb-server with the databases Open_vSwitch and hardware_vtep, and
// ovs-vswitchd.
type VSwitch struct {
	*Env
	Namespace *namespace.Namespace

	server, daemon *exec.Cmd
}

const vswitchPatience = 60 * time.Second

// NewVSwitch starts one for the test, and ends it with the test.
func NewVSwitch(t testing.TB, n *namespace.Namespace) *VSwitch {
	t.Helper()
	Root(t)
	v := &VSwitch{Env: OVS(t), Namespace: n}
	schemas := filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/openvswitch")
	for db, schema := range map[string]string{"conf.db": "vswitch", "vtep.db": "vtep"} {
		v.Output(t, Program(t, "ovsdb-tool"), "create", filepath.Join(v.DBDir, db), filepath.Join(schemas, schema+".ovsschema"))
	}
	v.StartServer(t)
	t.Cleanup(func() { v.stop(t, &v.server) })
	v.Output(t, Program(t, "ovs-vsctl"), "--no-wait", "init", "--", "set", "Open_vSwitch", ".",
		"other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1", "other_config:max-revalidator=100")
	v.StartDaemon(t)
	t.Cleanup(func() { v.stop(t, &v.daemon) })
	return v
}

// Vsctl runs ovs-vsctl, which waits until ovs-vswitchd has done what it asks for.
func (v *VSwitch) Vsctl(t testing.TB, args ...string) string {
	t.Helper()
	return v.Output(t, Program(t, "ovs-vsctl"), append([]string{"--timeout=90"}, args...)...)
}

// Ofctl runs ovs-ofctl with OpenFlow 1.4.
func (v *VSwitch) Ofctl(t testing.TB, args ...string) string {
	t.Helper()
	return v.Output(t, Program(t, "ovs-ofctl"), append([]string{"-OOpenFlow14"}, args...)...)
}

// Appctl gives ovs-vswitchd a command.
func (v *VSwitch) Appctl(t testing.TB, args ...string) string {
	t.Helper()
	return v.Output(t, Program(t, "ovs-appctl"), append([]string{"--timeout=90"}, args...)...)
}

// Socket is the file of a socket in the run directory.
func (v *VSwitch) Socket(name string) string { return filepath.Join(v.RunDir, name) }

// StartServer starts ovsdb-server.
func (v *VSwitch) StartServer(t testing.TB) {
	t.Helper()
	v.server = v.start(t, "ovsdb-server", "--remote=punix:db.sock", "--remote=db:hardware_vtep,Global,managers",
		filepath.Join(v.DBDir, "conf.db"), filepath.Join(v.DBDir, "vtep.db"))
	v.appears(t, "db.sock")
}

// KillServer ends ovsdb-server without notice.
func (v *VSwitch) KillServer(t testing.TB) {
	t.Helper()
	v.kill(t, &v.server)
	os.Remove(v.Socket("db.sock"))
}

// StartDaemon starts ovs-vswitchd, and returns when it has done what its database says.
func (v *VSwitch) StartDaemon(t testing.TB) {
	t.Helper()
	v.daemon = v.start(t, "ovs-vswitchd", "unix:"+v.Socket("db.sock"))
	v.Vsctl(t, "show")
	v.Vsctl(t, "set", "Open_vSwitch", ".", "external_ids:started="+fmt.Sprint(v.daemon.Process.Pid))
}

// KillDaemon ends ovs-vswitchd without notice.
func (v *VSwitch) KillDaemon(t testing.TB) {
	t.Helper()
	v.kill(t, &v.daemon)
	all, _ := filepath.Glob(v.Socket("*.mgmt"))
	for _, f := range append(all, v.Socket("ovs-vswitchd.pid")) {
		os.Remove(f)
	}
}

// DaemonProcess is that of ovs-vswitchd.
func (v *VSwitch) DaemonProcess() *os.Process { return v.daemon.Process }

func (v *VSwitch) start(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := v.Command(Program(t, name), append([]string{"--pidfile", "--log-file", "-vconsole:off", "-vsyslog:off"}, args...)...)
	if err := v.Namespace.Start(cmd); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	return cmd
}

func (v *VSwitch) appears(t testing.TB, socket string) {
	t.Helper()
	Eventually(t, vswitchPatience, func() error {
		conn, err := net.Dial("unix", v.Socket(socket)) // the file is there before somebody listens
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (v *VSwitch) kill(t testing.TB, cmd **exec.Cmd) {
	t.Helper()
	if *cmd == nil {
		t.Fatal("it does not run")
	}
	_ = (*cmd).Process.Kill()
	_ = (*cmd).Wait()
	*cmd = nil
}

func (v *VSwitch) stop(t testing.TB, cmd **exec.Cmd) {
	if *cmd == nil {
		return
	}
	_ = (*cmd).Process.Signal(syscall.SIGCONT)
	_ = (*cmd).Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func(cmd *exec.Cmd) { done <- cmd.Wait() }(*cmd)
	select {
	case <-done:
	case <-time.After(vswitchPatience):
		_ = (*cmd).Process.Kill()
		<-done
		t.Error(errors.New("a program of Open vSwitch did not end by itself"))
	}
	*cmd = nil
}

// Bridge makes a bridge with the userspace datapath, in which nothing is forwarded that no
// flow asks for.
func (v *VSwitch) Bridge(t testing.TB, name string, more ...string) {
	t.Helper()
	v.Vsctl(t, strings.Fields("add-br "+name+" -- set Bridge "+name+" datapath_type=netdev fail_mode=secure")...)
	for _, port := range more {
		v.Vsctl(t, "add-port", name, port)
	}
}
