package test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// doctor runs "vtep doctor" and returns its lines and its status.
func (w *world) doctor(args ...string) (string, int) {
	w.t.Helper()
	return w.run(append([]string{"vtep", "doctor", "--rundir=" + w.env.RunDir}, args...)...)
}

// finds wants texts to be in what the doctor says, each at the beginning of a line.
func finds(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !strings.Contains("\n"+out, "\n"+line) {
			t.Errorf("it does not say %q:\n%s", line, out)
		}
	}
}

// TestDoctor looks at a machine before a VTEP is started, at one that forwards, and at one after the other of the
// things that can be wrong. Each finding that is bad has a remedy.
func TestDoctor(t *testing.T) {
	w := newWorld(t)
	before := []string{"--port=p0", "--port=p1", "--tunnel-ip=" + lab.TunnelIP.String(), "--peer=" + lab.RemoteIP.String()}
	out, _ := w.doctor(before...)
	finds(t, out, "note  vtep: none runs in ", "ok    kernel: Linux ", "ok    bpf: ", "ok    udp port 4789: nobody else",
		"ok    port p1: it is up", "ok    tunnel IP 10.2.2.1: it is on device u0", "ok    route 10.2.2.2: by device u0", "ok    files: ")
	if !strings.Contains(out, " disk ") { // how full this machine is, is no matter of the test
		t.Errorf("it does not look at the disk:\n%s", out)
	}
	if out, _ := w.doctor("--udp-port=4790"); !strings.Contains(out, "udp port 4790: ") {
		t.Errorf("another port is not looked at:\n%s", out)
	}
	out, _ = w.doctor() // nobody has said which tunnel IP it is to have
	finds(t, out, "note  tunnel IP: none is given: ")
	w.both()
	out, status := w.doctor("--peer="+lab.RemoteIP.String(), fmt.Sprintf("--vni=%d", lab.VNIUntagged), "--host="+lab.Host3.IP.Addr().String())
	finds(t, out, "ok    vtep "+w.name+": process ", "ok    bpffs "+w.pins+": it is mounted", "ok    port p0: it is up", "ok    mtu 10.2.2.2: ", "ok    neighbour 10.2.2.2: ",
		fmt.Sprintf("ok    probe 10.2.2.2 VNI %d: host %s answered through the tunnel after ", lab.VNIUntagged, lab.Host3.IP.Addr()))
	if status != 0 || !strings.Contains(out, lab.Host3.MAC.String()) {
		t.Errorf("status %d:\n%s", status, out)
	}
	// Of a VTEP in another network namespace it looks there.
	cmd := exec.Command(filepath.Join(w.bin, "vtep"), "doctor", "--rundir="+w.env.RunDir)
	cmd.Env, cmd.Dir = w.env.Env, w.env.RunDir
	outside, err := cmd.CombinedOutput()
	if finds(t, string(outside), "ok    port p0: it is up", "ok    route 10.2.2.2: by device u0"); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}

	// Nobody is in that network, nobody has that address, and nobody listens there.
	out, _ = w.doctor("--quiet", "--peer="+lab.RemoteIP.String(), "--vni=5999", "--host="+lab.Host3.IP.Addr().String())
	finds(t, out, "warn  probe 10.2.2.2 VNI 5999: nothing came back from host ")
	out, status = w.doctor("--quiet", "--peer=10.2.2.77", "--vni=5000")
	finds(t, out, "bad   probe 10.2.2.77 VNI 5000: nobody answers for the next hop")
	if status != 1 {
		t.Errorf("status %d:\n%s", status, out)
	}
	w.device(lab.R1, "vx5000", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetDown(l) })
	w.device(lab.R1, "vx5100", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetDown(l) })
	out, _ = w.doctor("--quiet", "--peer="+lab.RemoteIP.String(), "--vni=5000")
	finds(t, out, "bad   probe 10.2.2.2 VNI 5000: it has nobody at UDP port 4789")
	w.device(lab.R1, "vx5000", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetUp(l) })
	w.device(lab.R1, "vx5100", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetUp(l) })

	// What is wrong with the machine.
	w.linkDown(lab.VTEP, "p1")
	w.address(lab.VTEP, "p0", "198.51.100.77/32")
	w.device(lab.VTEP, "u0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1500) })
	testenv.Eventually(t, patience, func() error {
		out, status = w.doctor("--quiet", "--port=nowhere")
		for _, want := range []string{"bad   port p1: it is set down", "bad   port p0: it has the address 198.51.100.77/32 of this machine", "bad   needed_device Physical_Port p0: ",
			"bad   port nowhere: there is no such network device", "warn  mtu 10.2.2.2: the way to it takes packets of 1500 bytes"} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("it does not say %q:\n%s", want, out)
			}
		}
		return nil
	})
	if status != 1 {
		t.Errorf("status %d", status)
	}
	out, _ = w.doctor("--json", "--quiet")
	var all []struct{ Level, Check, Object, Text, Remedy string }
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) == 0 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, f := range all {
		if (f.Level == "bad" || f.Level == "warn") && f.Remedy == "" || f.Level == "ok" {
			t.Errorf("%+v", f)
		}
	}
	for _, wrong := range [][]string{{"--vni=1"}, {"--peer=here"}, {"--peer=10.2.2.2", "--vni=99999999"}, {"extra"}} {
		if out, status := w.doctor(wrong...); status != 2 || strings.Count(out, "\n") != 1 {
			t.Errorf("%q: %d: %s", wrong, status, out)
		}
	}
	w.linkUp(lab.VTEP, "p1")
	w.device(lab.VTEP, "p0", func(h *netlink.Handle, l netlink.Link) error {
		addr, err := netlink.ParseAddr("198.51.100.77/32")
		if err != nil {
			return err
		}
		return h.AddrDel(l, addr)
	})
}
