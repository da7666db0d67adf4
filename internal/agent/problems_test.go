package agent_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-`)

// Every refusal and every doubt is listed once, by the names of rows, with what to do; it is
// logged once when it comes and once when it goes.
func TestProblems(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	fabric := memory.New(memory.Options{LocalAddrs: []netip.Addr{hwOwn}})
	fabric.AddDevice("p0")
	log := &testenv.Output{}
	set := problem.NewSet(slog.New(slog.NewTextHandler(log, nil)))
	list := func(want ...string) {
		t.Helper()
		testenv.Eventually(r, deadline, func() error {
			var got []string
			for line := range strings.Lines(set.Text()) {
				kind, rest, _ := strings.Cut(line, ": ")
				object, text, _ := strings.Cut(rest, ": ")
				if !strings.Contains(text, "; ") || uuid.MatchString(line) {
					return fmt.Errorf("without remedy, or with a UUID: %s", line)
				}
				got = append(got, kind+" "+object)
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("the list is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for _, w := range want {
				kind, object, _ := strings.Cut(w, " ")
				if n := len(lines(log, `msg="`+kind+": "+object+": ")); n != 1 {
					return fmt.Errorf("%s was logged %d times", w, n)
				}
			}
			return nil
		})
	}
	r.start(fabric, agent.Options{Name: "br0", Problems: set})
	list("no_switch Physical_Switch br0")

	// Rows of an operator who is not yet done: a foreign tunnel IP before there is any peer,
	// a port without device, a switch without VNI, one without unknown-dst.
	r.ctl("add-ps", "br0", "--", "set", "Physical_Switch", "br0", "tunnel_ips=198.51.100.9",
		"--", "add-port", "br0", "p0", "--", "add-port", "br0", "p9",
		"--", "add-ls", "red", "--", "set", "Logical_Switch", "red", "tunnel_key=33", "--", "add-ls", "grey",
		"--", "bind-ls", "br0", "p0", "0", "red")
	r.ctl("bind-ls", "br0", "p0", "7", "grey") // the second that is active
	list("foreign_ip Physical_Switch br0", "missing_device Physical_Port p9",
		"no_unknown_dst Logical_Switch red", "no_vni Logical_Switch grey")
	r.rows("fault br0 tunnel_exhaustion", "mcast grey unknown-dst 198.51.100.9", "mcast red unknown-dst 198.51.100.9", "stats p0/0", "stats p0/7")
	if n := len(lines(log, "over: no_switch")); n != 1 {
		t.Errorf("the end of no_switch was logged %d times", n)
	}

	// All of it is put right, and other things go wrong: two switches with one VNI and peer,
	// two peers of which one gets what is flooded, rows that can't be served.
	fabric.AddDevice("p9")
	r.ctl("set", "Physical_Switch", "br0", "tunnel_ips=192.0.2.1", "--", "set", "Logical_Switch", "grey", "tunnel_key=33",
		"--", "add-mcast-remote", "red", "unknown-dst", "192.0.2.2", "--", "add-mcast-remote", "red", "unknown-dst", "192.0.2.3",
		"--", "add-ucast-remote", "red", "no-mac", "192.0.2.2", "--", "add-ucast-remote", "red", "02:00:00:00:00:22", "192.0.2.1",
		"--", "add-mcast-remote", "grey", "unknown-dst", "192.0.2.2", "--", "set", "Physical_Port", "p0", "other_config:mac_limit=many",
		"--", "--id=@red", "get", "Logical_Switch", "red", "--", "add", "Physical_Port", "p9", "vlan_bindings", "4095=@red")
	list("bad_vlan Physical_Port p9", "contested_vni Logical_Switch grey",
		"bad_option Physical_Port p0", "ignored_row Ucast_Macs_Remote no-mac of Logical_Switch red", "one_replicates Logical_Switch red",
		"own_locator Ucast_Macs_Remote 02:00:00:00:00:22 of Logical_Switch red")
	for _, over := range []string{"foreign_ip", "missing_device", "no_unknown_dst", "no_vni"} {
		if n := len(lines(log, "over: "+over)); n != 1 {
			t.Errorf("the end of %s was logged %d times", over, n)
		}
	}
}

// The limit of a switch and that of a port are told apart, by name, while they are reached.
func TestMACLimits(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	log := &testenv.Output{}
	set := problem.NewSet(slog.New(slog.NewTextHandler(log, nil)))
	v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", Problems: set})
	r.howto()
	list := func(want ...string) {
		t.Helper()
		testenv.Eventually(r, deadline, func() error {
			var got []string
			for _, p := range set.All() {
				if p.Kind == problem.MACLimit || p.Kind == problem.PortMACLimit {
					got = append(got, string(p.Kind)+" "+p.Object)
				}
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("the list is %q, want %q", got, want)
			}
			return nil
		})
	}
	hosts := func(port string, macs ...byte) {
		for _, mac := range macs {
			v.fabric.FromPort(port, frame(0xff, mac))
		}
	}
	r.ctl("set", "Physical_Port", "p0", "other_config:mac_limit=2", "--", "bind-ls", "br0", "p1", "0", "ls0")
	v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1", "p1")
	hosts("p1", 10, 11, 12)
	list()
	testenv.Eventually(r, deadline, func() error {
		hosts("p0", 2, 3)
		if len(lines(log, "port_mac_limit: Physical_Port p0: its own mac_limit is reached: 2 MACs")) != 1 {
			return errors.New("not told")
		}
		return nil
	})
	list("port_mac_limit Physical_Port p0")
	r.ctl("set", "Physical_Switch", "br0", "other_config:mac_limit=4")
	list("mac_limit Physical_Switch br0", "port_mac_limit Physical_Port p0")
	if n := len(lines(log, "takes the place of another; Physical_Port p")); n != 1 {
		t.Errorf("the port that has most was named %d times: %s", n, log)
	}
	r.ctl("remove", "Physical_Port", "p0", "other_config", "mac_limit")
	list("mac_limit Physical_Switch br0")
	r.ctl("set", "Physical_Switch", "br0", "other_config:mac_limit=400")
	list()
	for _, kind := range []string{"port_mac_limit", "mac_limit"} {
		if came, over := len(lines(log, `msg="`+kind+": ")), len(lines(log, `msg="over: `+kind+": ")); came != 1 || over != 1 {
			t.Errorf("%s came %d times and was over %d times in the log", kind, came, over)
		}
	}
}
