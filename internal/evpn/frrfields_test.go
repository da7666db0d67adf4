package evpn_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/testenv"
)

// shows waits until FRR shows all of these of a route, which is one of a type: nothing else that it has counts, such as its own VNI.
func (l *leaf) shows(kind, route string, want ...string) {
	l.Helper()
	testenv.Eventually(l, deadline, func() error {
		out, err := l.vty("bgpd", "show bgp l2vpn evpn route detail type "+kind)
		if err != nil {
			return err
		}
		_, text, found := strings.Cut(out, "BGP routing table entry for "+route+"\n")
		text, _, _ = strings.Cut(text, "BGP routing table entry for ")
		text, _, _ = strings.Cut(text, "Route Distinguisher: ")
		if !found {
			return fmt.Errorf("FRR shows no route %s of type %s:\n%s", route, kind, out)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				return fmt.Errorf("FRR shows no %q of %s:\n%s", w, route, text)
			}
		}
		return nil
	})
}

// FRR reads of what is announced what was meant, with AS numbers of four octets and a tunnel IP that is not the session's.
func TestFRRFields(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 4200000009\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 4200000001\n  nd-flags: true\n")
	l := f.leaf(2, 4200000001, "router bgp 4200000001\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 4200000009\n neighbor 10.0.0.1 timers connect 1\n"+
		" address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  advertise-all-vni\n exit-address-family\n")
	f.ctl("set", "Physical_Switch", "v1", "tunnel_ips=10.0.0.11", "--", "del-mcast-local", "ls0", "unknown-dst", "10.0.0.1", "--", "add-mcast-local", "ls0", "unknown-dst", "10.0.0.11",
		"--", "add-ucast-local", "ls0", macA, "10.0.0.11")
	l.sends(all, "10.0.0.11")
	l.sends(macA, "10.0.0.11")
	f.remote("unknown-dst>10.0.0.2")
	l.shows("multicast", "10.0.0.11:33:[3]:[0]:[32]:[10.0.0.11]", "10.0.0.11 from 10.0.0.1", "RT:59913:33", "ET:8", "PMSI Tunnel Type: Ingress Replication, label: 33")
	l.shows("macip", "10.0.0.11:33:[2]:[0]:[48]:["+macA+"]", "VNI 33", "10.0.0.11 from 10.0.0.1", "RT:59913:33 ET:8")

	// What moves here and back is numbered.
	l.speaks(macB)
	f.remote("unknown-dst>10.0.0.2", macB+">10.0.0.2")
	f.ctl("add-ucast-local", "ls0", macB, "10.0.0.11")
	l.sends(macB, "10.0.0.11")
	l.shows("macip", "10.0.0.11:33:[2]:[0]:[48]:["+macB+"]", "MM:1")
	// A host that FRR says may not move stays there.
	const fixed = "02:00:00:00:00:0f"
	l.neigh(fixed, func(h *netlink.Handle, n *netlink.Neigh) error {
		n.State, n.Flags = netlink.NUD_NOARP, n.Flags|0x40 // NTF_STICKY
		return h.NeighSet(n)
	})
	f.remote("unknown-dst>10.0.0.2", fixed+">10.0.0.2")
	f.ctl("add-ucast-local", "ls0", fixed, "10.0.0.11", "--", "add-ucast-local", "ls0", "02:00:00:00:00:0e", "10.0.0.11")
	l.sends("02:00:00:00:00:0e", "10.0.0.11")
	l.sends(fixed, "")
	f.remote("unknown-dst>10.0.0.2", fixed+">10.0.0.2")
	if out := f.appctl("evpn/explain", fixed); !strings.Contains(out, "sticky") || strings.Contains(out, "announced here") {
		t.Errorf("explains %s", out)
	}

	// The address of a router of ours is one of a router (RFC 9047).
	ls := strings.TrimSpace(f.ctl("--bare", "--columns=_uuid", "find", "Logical_Switch", "name=ls0"))
	at := strings.TrimSpace(f.ctl("--bare", "--columns=_uuid", "find", "Physical_Locator", "dst_ip=10.0.0.11"))
	f.ctl("create", "Arp_Sources_Local", `src_mac="02:00:00:00:00:f1"`, "locator="+at, "--", "create", "Logical_Router", "name=lr0", `switch_binding:"2001:db8::1/64"=`+ls, "other_config:evpn_gateway=true",
		`other_config:router_mac="02:00:00:00:00:f2"`)
	l.shows("macip", "10.0.0.11:33:[2]:[0]:[48]:[02:00:00:00:00:f2]:[128]:[2001:db8::1]", "Default Gateway", "ND:")
}

// FRR restarts gracefully: its rows stay while it is away, and follow it when it is back. It logs a line about a
// capability of GoBGP's at each start of a session (extended next hop of EVPN), and goes on.
func TestFRRRestart(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n  hold-time: 9\n")
	l := f.leaf(2, 65002, "router bgp 65002\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n bgp graceful-restart\n bgp graceful-restart restart-time 600\n"+
		" neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 timers connect 1\n address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  advertise-all-vni\n exit-address-family\n")
	l.sends(all, "10.0.0.1")
	l.speaks(macA)
	l.speaks(macB)
	f.remote("unknown-dst>10.0.0.2", macA+">10.0.0.2", macB+">10.0.0.2")
	session := func(up bool) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			if out := f.appctl("evpn/status"); strings.Contains(out, "10.0.0.2 established") != up {
				return fmt.Errorf("established: %v:\n%s", !up, out)
			}
			return nil
		})
	}
	l.end("bgpd", syscall.SIGKILL)
	session(false)
	f.remote("unknown-dst>10.0.0.2", macA+">10.0.0.2", macB+">10.0.0.2")
	l.run("bgpd")
	session(true)
	l.silent(macB)
	f.remote("unknown-dst>10.0.0.2", macA+">10.0.0.2")
	f.ctl("add-ucast-local", "ls0", macB, "10.0.0.1")
	l.sends(macB, "10.0.0.1")
	if log, err := os.ReadFile(filepath.Join(l.dir, "bgpd.log")); err != nil || !strings.Contains(string(log), "Extended Next-hop capability, ignoring") {
		t.Errorf("FRR logs no such line any more, %v:\n%s", err, log)
	}
}
