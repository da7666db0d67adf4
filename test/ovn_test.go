package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// TestOVN has ovn-controller-vtep between our embedded server and a southbound database of
// the C ovsdb-server: a datapath with our port and a hypervisor (r1) that has h3. With all of OVN
// around two VTEPs is TestGateways of package test/ovn.
func TestOVN(t *testing.T) {
	w := newWorld(t)
	w.start(usual...)
	sb := w.southbound()
	sbctl := func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(w.env.Output(t, testenv.Program(t, "ovn-sbctl"), append([]string{"--db=" + sb, "--timeout=90"}, args...)...))
	}
	cmd := w.env.Command(testenv.Program(t, "ovn-controller-vtep"), "--vtep-db=unix:"+w.socket(), "--ovnsb-db="+sb)
	cmd.Env = append(cmd.Env, "OVN_RUNDIR="+w.env.DBDir)
	controller := launch(t, nil, cmd, filepath.Join(w.env.LogDir, "ovn-controller-vtep.log"))
	w.atEnd(func() {
		_ = controller.cmd.Process.Signal(syscall.SIGTERM)
		controller.wait(t)
	})

	// What the operator does: OVN makes no logical switches and bindings.
	w.ctl(fmt.Sprintf(`
		add-ls lsw0
		bind-ls %s p0 0 lsw0
		bind-ls %[1]s p1 0 lsw0`, w.name))

	// The chassis is registered, with the tunnel IP and the logical switch.
	w.sbWait(sb, "Chassis", "name="+w.name, "vtep_logical_switches=lsw0")
	if ip := sbctl("--bare", "--columns=ip", "find", "Encap", "chassis_name="+w.name); ip != lab.TunnelIP.String() {
		t.Errorf("the chassis has the encap ip %q", ip)
	}

	// A datapath, our port in it, and a hypervisor with a port of its own.
	sbctl("--id=@dp", "create", "Datapath_Binding", fmt.Sprintf("tunnel_key=%d", lab.VNIUntagged),
		"--", "create", "Port_Binding", "datapath=@dp", "logical_port=vtep-port", "type=vtep", "tunnel_key=1",
		"options:vtep-physical-switch="+w.name, "options:vtep-logical-switch=lsw0",
		"--", "--id=@encap", "create", "Encap", "type=vxlan", "ip="+lab.RemoteIP.String(), "chassis_name=hv1",
		"--", "--id=@hv", "create", "Chassis", "name=hv1", "encaps=@encap",
		"--", "create", "Port_Binding", "datapath=@dp", "logical_port=vm", "chassis=@hv", "tunnel_key=2",
		fmt.Sprintf(`mac="%v %v"`, lab.Host3.MAC, lab.Host3.IP.Addr()))
	w.await(func(v view) error {
		ls, err := v.logicalSwitch("lsw0")
		if err != nil {
			return err
		}
		if key, ok := ls.TunnelKey.Get(); !ok || key != lab.VNIUntagged {
			return fmt.Errorf("tunnel_key %d, %v", key, ok)
		}
		for m := range v.UcastMACsRemote() {
			if l, _ := v.PhysicalLocator(m.Locator); m.MAC == lab.Host3.MAC.String() && l.DstIP == lab.RemoteIP.String() {
				return nil
			}
		}
		return errors.New("no Ucast_Macs_Remote of the VM")
	})
	w.reach(lab.Host1, lab.Host3)

	// The VM moves to another hypervisor; and then OVN ends: the key goes, the hosts of the box
	// still have each other.
	w.morePeers()
	sbctl("--id=@encap", "create", "Encap", "type=vxlan", "ip="+peer3.String(), "chassis_name=hv2",
		"--", "--id=@hv", "create", "Chassis", "name=hv2", "encaps=@encap", "--", "set", "Port_Binding", "vm", "chassis=@hv")
	f := frame(lab.Host3.MAC, lab.Host1.MAC, "after the move")
	stop := w.repeat(w.h1(), f)
	w.expectTunnelled(peer3, lab.VNIUntagged, f)
	stop()
	if err := controller.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	controller.wait(t)
	w.reach(lab.Host1, lab.Host2)
}

// southbound starts a C ovsdb-server with an empty southbound database, and returns where.
func (w *world) southbound() string {
	w.t.Helper()
	schema := filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/ovn/ovn-sb.ovsschema")
	if !exists(schema) {
		testenv.Skip(w.t, "needs ovn-sb.ovsschema of OVN: run scripts/testdeps")
	}
	db, socket := filepath.Join(w.env.DBDir, "sb.db"), filepath.Join(w.env.DBDir, "sb.sock")
	w.env.Output(w.t, testenv.Program(w.t, "ovsdb-tool"), "create", db, schema)
	server := launch(w.t, nil, w.env.Command(testenv.Program(w.t, "ovsdb-server"), "--remote=punix:"+socket,
		"--unixctl="+filepath.Join(w.env.DBDir, "sb.ctl"), db), filepath.Join(w.env.LogDir, "sb-server.log"))
	w.atEnd(func() {
		_ = server.cmd.Process.Signal(syscall.SIGTERM)
		server.wait(w.t)
	})
	testenv.Eventually(w.t, patience, func() error { return listens(socket) })
	return "unix:" + socket
}

// sbWait waits until a row of the southbound database meets all conditions.
func (w *world) sbWait(sb, table string, conditions ...string) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		args := slices.Concat([]string{"--db=" + sb, "--timeout=90", "--bare", "--columns=_uuid", "find", table}, conditions)
		if w.env.Output(w.t, testenv.Program(w.t, "ovn-sbctl"), args...) == "" {
			return fmt.Errorf("no row of %s with %q", table, conditions)
		}
		return nil
	})
}
