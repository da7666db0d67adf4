package test

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// segmentRows are what an operator and a bridge to EVPN write into the database of a VTEP with a port of a segment, and another
// one beside it.
func segmentRows(name, port, binding, other string, vtep netip.Addr, blocked string) string {
	rows := fmt.Sprintf(`
		add-ls ls0
		set Logical_Switch ls0 tunnel_key=%d replication_mode=source_node
		bind-ls %s %s 0 ls0
		bind-ls %s %s ls0
		add-mcast-remote ls0 unknown-dst %v
		add-mcast-remote ls0 unknown-dst %v
		set Physical_Port %s other_config:evpn_esi="03:00:00:00:00:00:01:00:00:01" other_config:evpn_segment=3 other_config:evpn_segment_vteps="%v"`,
		lab.VNIUntagged, name, port, name, binding, vtep, third, port, vtep)
	if blocked != "" {
		rows += "\nset Physical_Port " + port + " other_config:evpn_blocked=" + blocked
	}
	return rows + "\n--id=@ls get Logical_Switch ls0" +
		fmt.Sprintf("\n--id=@at create Physical_Locator encapsulation_type=vxlan_over_ipv4 dst_ip=\"%s\" tunnel_key=3", other) +
		fmt.Sprintf("\ncreate Ucast_Macs_Remote MAC=\"%v\" logical_switch=@ls locator=@at", silent)
}

var (
	third  = netip.MustParseAddr("10.2.2.9") // a VTEP that is not attached
	silent = station(0x77)                   // of the host: as the rows say, another VTEP of the segment has heard it
)

// TestSegment has a host with a link to either of two VTEPs, each with a database of its own, whose rows are as a bridge to EVPN
// writes them: the first one is blocked. The host gets each frame that is flooded once, wherever it comes from, and none that
// it has sent itself; what is for it alone comes by the first one, too, whether or not that has heard it.
func TestSegment(t *testing.T) {
	w := newWorld(t)
	w.start(usual...)
	w.withoutKernel()
	far, stop := w.vtepIn(lab.R1, "--db="+filepath.Join(w.env.DBDir, "far.db"), "--tunnel-ip="+lab.RemoteIP.String(), "--port=h3", "--port=h4")
	farDir := w.env.RunDir + "-" + string(lab.R1)
	w.ctl(segmentRows(w.name, "p0", "p1 100", lab.TunnelIP.String(), lab.RemoteIP, "all"))
	w.ctlAt("unix:"+filepath.Join(farDir, "db.sock"), segmentRows(far, "h3", "h4 0", lab.RemoteIP.String(), lab.TunnelIP, ""))
	shows := func(control string, want ...string) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			out := w.env.Output(t, testenv.Program(t, "ovs-appctl"), "-t", control, "vtep/show")
			for _, line := range want {
				if !strings.Contains(out, line) {
					return fmt.Errorf("no %q in\n%s", line, out)
				}
			}
			return nil
		})
	}
	shows(w.control(), "segment p0 with 10.2.2.2", "binding p0/0 -> ls0 not-designated", fmt.Sprintf("attached ls0 %v -> p0/0", silent))
	farControls, err := filepath.Glob(filepath.Join(farDir, "vtep.*.ctl"))
	if err != nil || len(farControls) != 1 {
		t.Fatal(farControls, err)
	}
	shows(farControls[0], "segment h3 with 10.2.2.1", fmt.Sprintf("attached ls0 %v -> h3/0", silent))

	host, bcast := lab.Host1.MAC, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	first, second := w.h1(), w.h3() // the links of the host
	n := 0
	made := func(dst, src net.HardwareAddr, vlans ...uint16) []byte {
		n++
		return frame(dst, src, fmt.Sprintf("number %d.", n), vlans...)
	}
	// passes says that a link has seen nothing before the frame.
	passes := func(link *testnet.Tap, what string, f []byte, not ...[]byte) {
		t.Helper()
		before, _ := link.Until(what, func(b []byte) bool { return slices.Equal(b, f) })
		for _, b := range before {
			for _, f := range not {
				if slices.Equal(b, f) {
					t.Errorf("%s: the host got a frame that it should not have", what)
				}
			}
		}
	}
	byFirst, bySecond := made(bcast, host), made(bcast, host)
	first.Send(byFirst)
	w.h2().Expect(tagged(byFirst, 100))
	w.h4().Expect(byFirst)
	second.Send(bySecond)
	w.h2().Expect(tagged(bySecond, 100))
	w.h4().Expect(bySecond)
	near, behind := made(bcast, station(0x21)), made(bcast, station(0x22)) // of hosts at either VTEP
	w.h2().Send(tagged(near, 100))
	w.h4().Expect(near)
	w.h4().Send(behind)
	w.h2().Expect(tagged(behind, 100))
	abroad := made(bcast, station(0x23)) // from elsewhere, to both
	w.fromPeer(third, lab.VNIUntagged, abroad)
	w.h2().Expect(tagged(abroad, 100))
	u0 := w.tap(lab.VTEP, "u0")
	u0.Send(testnet.Encapsulate(w.underlay().MAC, u0.MAC, third, lab.RemoteIP, lab.VNIUntagged, 1, 50000, abroad))
	w.h4().Expect(abroad)

	// What is for it alone, by the first link: it was heard there, or is said to be.
	for _, dst := range []net.HardwareAddr{host, silent} {
		f := made(dst, station(0x23))
		w.fromPeer(third, lab.VNIUntagged, f)
		passes(first, "to the host by the first link", f, bySecond, behind, abroad, byFirst)
		f = made(dst, station(0x21))
		w.h2().Send(tagged(f, 100))
		passes(first, "to the host from beside it", f)
		f = made(dst, station(0x22))
		w.h4().Send(f)
		passes(second, "to the host from beside the second", f, byFirst, near)
	}

	// Heard at its port, the host has a row of its own beside the bridge's, with the number of the segment.
	f := made(station(0x21), silent)
	first.Send(f)
	w.h2().Expect(tagged(f, 100))
	w.await(func(v view) error {
		for m := range v.UcastMACsLocal() {
			if l, _ := v.PhysicalLocator(m.Locator); m.MAC == silent.String() {
				if number, _ := l.TunnelKey.Get(); number != 3 || l.DstIP != lab.TunnelIP.String() {
					return fmt.Errorf("its locator is %s with key %d", l.DstIP, number)
				}
				return nil
			}
		}
		return fmt.Errorf("%v has no row", silent)
	})
	f = made(silent, station(0x23))
	w.fromPeer(third, lab.VNIUntagged, f)
	passes(first, "heard and said", f)

	// The link goes: that is told.
	w.linkDown(lab.H1, "eth0")
	w.portFault("p0", "port_down")
	w.linkUp(lab.H1, "eth0")
	w.portFault("p0")
	w.audit()
	stop()
}

// tagged is the frame with a tag.
func tagged(f []byte, vlan uint16) []byte {
	return append(append(append([]byte{}, f[:12]...), 0x81, 0, byte(vlan>>8), byte(vlan)), f[12:]...)
}

// ctlAt is ctl for another database.
func (w *world) ctlAt(db, commands string) {
	w.t.Helper()
	args := []string{"--db=" + db}
	for line := range strings.Lines(commands) {
		if words := strings.Fields(line); len(words) > 0 {
			args = append(append(args, "--"), words...)
		}
	}
	w.env.Output(w.t, filepath.Join(w.bin, "vtep-ctl"), args...)
}
