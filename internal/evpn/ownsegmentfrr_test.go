package evpn_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

const frrESI = "03:02:00:00:00:00:aa:00:00:01" // of es-id 1 and the MAC that leaf.attached gives

// says waits until what a daemon of FRR says has these words, and not those behind "!".
func (l *leaf) says(daemon, command string, words ...string) {
	l.Helper()
	testenv.Eventually(l, deadline, func() error {
		out, err := l.vty(daemon, command)
		for _, w := range words {
			without, not := strings.CutPrefix(w, "!")
			if err == nil && strings.Contains(out, without) == not {
				err = fmt.Errorf("%s says %s, want %q", command, out, w)
			}
		}
		return err
	})
}

// held waits until the bridge has written this of port p1: what is blocked, number, others.
func (f *fabric) held(want string) {
	f.Helper()
	testenv.Eventually(f, deadline, func() error {
		var got []string
		for _, word := range strings.Fields(f.ctl("--bare", "--columns=other_config", "find", "Physical_Port", "name=p1")) {
			key, value, _ := strings.Cut(word, "=")
			if key == "evpn_blocked" || strings.HasPrefix(key, "evpn_segment") {
				got = append(got, value)
			}
		}
		if text := strings.Join(got, " "); text != want {
			return fmt.Errorf("port p1 has %q, want %q", text, want)
		}
		return nil
	})
}

// FRR is the other VTEP of a segment: both know one another, come to the same designated forwarder, and take a host that
// both hear for one that has not moved.
func TestFRROwnSegment(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n")
	f.ctl("add-port", "v1", "p1", "--", "add-port", "v1", "p2", "--", "bind-ls", "v1", "p1", "0", "ls0", "--", "bind-ls", "v1", "p2", "0", "ls0",
		"--", "set", "Physical_Port", "p1", `other_config:evpn_esi="`+frrESI+`"`, "other_config:evpn_df_preference=40000")
	l := f.attached(2, 3)
	const detail = "show evpn es detail"
	l.says("zebra", detail, "10.0.0.1 df_alg: preference df_pref: 40000", "DF status: non-df")
	f.held("1 10.0.0.2")
	prefer := func(n, theirs, status, held string) {
		t.Helper()
		f.ctl("set", "Physical_Port", "p1", "other_config:evpn_df_preference="+n)
		l.says("zebra", detail, "df_pref: "+n, "DF status: "+status, "DF preference: "+theirs)
		f.held(held)
	}
	prefer("100", "32767", "df", "all 1 10.0.0.2")
	prefer("32767", "32767", "non-df", "1 10.0.0.2") // the lower address has it

	// A host that FRR hears is at the own port, too. When it is heard here as well both announce it, and neither takes it for moved.
	const mac = macA
	l.speaks(mac)
	keyed := "vxlan_over_ipv4/10.0.0.1"
	testenv.Eventually(t, deadline, func() error {
		if at := f.at(mac); at != "10.0.0.1" {
			return fmt.Errorf("%s is at %q, want %s by its number", mac, at, keyed)
		}
		return nil
	})
	rows := func() string {
		return f.ctl("--columns=_uuid,locator", "list", "Ucast_Macs_Remote") + f.ctl("--columns=dst_ip,tunnel_key", "find", "Physical_Locator", "tunnel_key=1")
	}
	before := rows()
	if !strings.Contains(before, "10.0.0.1") {
		t.Errorf("rows %s", before)
	}
	locator := strings.TrimSpace(f.ctl("--bare", "--columns=_uuid", "find", "Physical_Locator", "tunnel_key=1"))
	ls := strings.TrimSpace(f.ctl("--bare", "--columns=_uuid", "find", "Logical_Switch", "name=ls0"))
	f.ctl("create", "Ucast_Macs_Local", `MAC="`+mac+`"`, "logical_switch="+ls, "locator="+locator)
	l.says("bgpd", "show bgp l2vpn evpn route detail type macip", "10.0.0.1 from 10.0.0.1", "ESI "+frrESI+" local-es peer-info: (active MM: 0)", "!MM:1")
	for range 3 { // heard by turns
		l.silent(mac)
		l.speaks(mac)
	}
	l.says("zebra", "show evpn mac vni 33 mac "+mac, "ESI: "+frrESI, "Local Seq: 0 Remote Seq: 0")
	if out := f.appctl("evpn/explain", mac); strings.Contains(out, "sequence") || !strings.Contains(out, frrESI+" "+mac+" at 10.0.0.1") {
		t.Errorf("explains %s", out)
	}
	if after := rows(); after != before {
		t.Errorf("rows %s, were %s", after, before)
	}

	// Either loses its link.
	f.ctl("set", "Physical_Port", "p1", "port_fault_status=port_down")
	l.says("zebra", detail, "DF status: df", "!10.0.0.1")
	f.held("all 1 10.0.0.2")
	f.ctl("clear", "Physical_Port", "p1", "port_fault_status")
	l.says("zebra", detail, "DF status: non-df", "10.0.0.1")
	f.held("1 10.0.0.2")
	testnet.Link(t, l.ns, "host", func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetDown(link) })
	f.held("1")
}

// A port that can't be attached to its segment has hosts all the same: FRR, which sends to nobody that does not tell that it is
// attached, reaches them by the VTEP that has heard them.
func TestFRRUnattachedPort(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n")
	f.ctl("add-port", "v1", "p1", "--", "bind-ls", "v1", "p1", "0", "ls0", "--", "set", "Physical_Port", "p1", `other_config:evpn_esi="`+frrESI+`"`, "port_fault_status=unspecified_fault")
	l := f.leaf(2, 65002, "")
	f.ctl("add-ucast-local", "ls0", macA, "10.0.0.1")
	l.sends(macA, "10.0.0.1")
	if out := f.appctl("evpn/status"); !strings.Contains(out, "p1: its VTEP says unspecified_fault") {
		t.Errorf("status: %s", out)
	}
}
