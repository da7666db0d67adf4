package agent_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

var (
	group1  = netip.MustParseAddr("239.1.1.1")
	group2  = netip.MustParseAddr("ff05::1:3")
	router4 = netip.MustParseAddr("192.0.2.99")
	router6 = netip.MustParseAddr("fe80::99")
)

// toGroup is a frame of data to a group.
func toGroup(group netip.Addr, src byte) []byte {
	host := []byte{2, 0, 0, 0, 0, src}
	b := testnet.Membership(host, netip.MustParseAddr("198.51.100.9"), group1, []byte("data of no protocols"))
	if group.Is6() {
		b = testnet.Membership(host, netip.MustParseAddr("2001:db8::9"), group, []byte("data of no protocols"))
		b[54] = 59 // no next header
		return b
	}
	b[23] = 99
	return b
}

// say has a host say something of groups, from a port or, if that is "", from the peer.
func (v *vtep) say(port string, frame []byte) {
	if port == "" {
		v.fabric.FromTunnel(hwPeer, 33, frame)
	} else {
		v.fabric.FromPort(port, frame)
	}
}

// knows waits until the agent knows these lines of groups, without the times.
func (v *vtep) knows(want ...string) {
	v.Helper()
	testenv.Eventually(v, deadline, func() error {
		list, err := v.agent.Groups(context.Background(), "")
		if err != nil {
			return err
		}
		var got []string
		for line := range strings.Lines(list.String()) {
			line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " expires")
			if !strings.Contains(line, " open ") {
				got = append(got, line)
			}
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			return fmt.Errorf("knows %q, should know %q", got, want)
		}
		return nil
	})
}

// While forwarding is frozen nobody acts on what hosts say: all get all, also where nothing else is flooded.
func TestGroupsFrozen(t *testing.T) {
	for _, flooding := range []string{"all", "none"} {
		t.Run(flooding, func(t *testing.T) { groupsFrozen(t, flooding) })
	}
}

func groupsFrozen(t *testing.T, flooding string) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	v := r.start(newFabric("p0", "p1", "p2"), agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1", "p2"}})
	r.ports(3)
	r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33", "other_config:mcast_snooping=true", "other_config:flooding="+flooding,
		"--", "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br0", "p1", "0", "ls0", "--", "bind-ls", "br0", "p2", "0", "ls0")
	v.forwards("p2", toGroup(group1, 9), "p0", "p1")
	v.say("p2", testnet.AskAll([]byte{2, 0, 0, 0, 0, 0x99}, router4, 2, 1))
	v.say("p0", testnet.Join([]byte{2, 0, 0, 0, 0, 1}, 2, group1))
	v.forwards("p2", toGroup(group1, 9), "p0")
	r.server.stop(r)
	db := filepath.Join(env.DBDir, "vtep.db")
	if err := os.Remove(db); err != nil {
		t.Fatal(err)
	}
	env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", db, filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema"))
	r.server.start(r)
	v.forwards("p2", toGroup(group1, 9), "p0", "p1")
}

// Where nothing is flooded members go on getting what they got through a restart, at each moment of it, and
// until it is known again who they are.
func TestLimitedGroupsRestart(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	fabric := newFabric("p0", "p1", "p2")
	opts := agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1", "p2"}}
	v := r.start(fabric, opts)
	r.ports(3)
	r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33", "other_config:mcast_snooping=true", "other_config:flooding=none",
		"--", "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br0", "p1", "0", "ls0", "--", "bind-ls", "br0", "p2", "0", "ls0")
	data, querier, host := toGroup(group1, 9), []byte{2, 0, 0, 0, 0, 0x99}, []byte{2, 0, 0, 0, 0, 1}
	v.forwards("p2", data, "p0", "p1") // nobody was asked yet
	v.say("p2", testnet.AskAll(querier, router4, 2, 1))
	v.say("p0", testnet.Join(host, 2, group1))
	v.forwards("p2", data, "p0")
	v.stop()
	v = r.start(fabric, opts)
	testenv.Eventually(t, deadline, func() error {
		got := outs(fabric.FromPort("p2", data))
		if !slices.Contains(got, "p0") {
			t.Fatalf("the member gets nothing: %q", got)
		}
		if !slices.Contains(got, "p1") {
			return fmt.Errorf("the new process has not come to it: %q", got)
		}
		return nil
	})
	v.say("p2", testnet.AskAll(querier, router4, 2, 1))
	v.say("p0", testnet.Join(host, 2, group1))
	v.forwards("p2", data, "p0")
}

func TestGroups(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	fabric := newFabric("p0", "p1", "p2")
	opts := agent.Options{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1", "p2"}}
	v := r.start(fabric, opts)
	r.ports(3)
	r.ctl("add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33", "replication_mode=source_node", "other_config:mcast_snooping=true",
		"--", "bind-ls", "br0", "p0", "0", "ls0", "--", "bind-ls", "br0", "p1", "0", "ls0", "--", "bind-ls", "br0", "p2", "0", "ls0",
		"--", "add-mcast-remote", "ls0", "unknown-dst", "192.0.2.2")
	const peer = "192.0.2.2/33"
	data4, data6 := toGroup(group1, 9), toGroup(group2, 9)
	v.forwards("p1", data4, peer, "p0", "p2")
	rest := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0", "stats p1/0", "stats p2/0", "tunnel br0 192.0.2.1-192.0.2.2"}
	macs := func(more ...string) []string {
		return append(append([]string{"ucast ls0 02:00:00:00:00:01 192.0.2.1", "ucast ls0 02:00:00:00:00:09 192.0.2.1",
			"ucast ls0 02:00:00:00:00:99 192.0.2.1"}, rest...), more...)
	}
	host, querier := []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 0x99}

	v.say("p0", testnet.Join(host, 3, group1))
	v.say("p2", testnet.AskAll(querier, router4, 3, 1))
	v.say("p2", testnet.AskAll(querier, router6, 2, 1))
	v.say("p0", testnet.Join(host, 2, group2))
	v.say("p0", []byte("no frame at all")[:15])
	// Hosts have a second to answer, and get all until then.
	v.forwards("p1", data4, peer, "p0", "p2")
	v.knows("ls0 igmp member 239.1.1.1 port p0 vlan 0", "ls0 igmp querier 192.0.2.99 port p2 vlan 0", "ls0 igmp router port p2 vlan 0",
		"ls0 mld member ff05::1:3 port p0 vlan 0", "ls0 mld querier fe80::99 port p2 vlan 0", "ls0 mld router port p2 vlan 0")
	r.rows(macs("mcast ls0 01:00:5e:01:01:01 192.0.2.1", "mcast ls0 33:33:00:01:00:03 192.0.2.1")...)
	v.forwards("p2", data4, peer, "p0") // p1 is not a member
	v.forwards("p2", data6, peer, "p0")
	v.forwards("p0", data4, peer, "p2")
	v.forwards("p1", toGroup(netip.MustParseAddr("ff05::1:4"), 9), peer, "p2")
	v.forwards("p1", frame(0xff, 9), peer, "p0", "p2")

	// A row of the NVC says which peers are in the group.
	r.ctl("add-mcast-remote", "ls0", "01:00:5e:01:01:01", "192.0.2.3")
	v.forwards("p1", data4, "192.0.2.3/33", "p0", "p2")
	r.ctl("del-mcast-remote", "ls0", "01:00:5e:01:01:01", "192.0.2.3")
	v.forwards("p1", data4, peer, "p0", "p2")

	// A new process: nobody is kept from anything, and rows stay until hosts could answer.
	v.stop()
	v = r.start(fabric, opts)
	v.forwards("p2", data4, peer, "p0", "p1")
	r.rows(macs("mcast ls0 01:00:5e:01:01:01 192.0.2.1", "mcast ls0 33:33:00:01:00:03 192.0.2.1")...)
	v.say("p2", testnet.AskAll(querier, router4, 2, 1))
	v.say("p0", testnet.Join(host, 2, group1))
	v.forwards("p2", data4, peer, "p0")
	stats, err := v.agent.GroupStats(context.Background())
	if err != nil || stats.Queries != 1 || stats.Reports != 1 {
		t.Errorf("counts are %+v, %v", stats, err)
	}

	// Its last member leaves.
	v.say("p0", testnet.Leave(host, 2, group1))
	v.forwards("p2", data4, peer)
	v.knows("ls0 igmp querier 192.0.2.99 port p2 vlan 0", "ls0 igmp router port p2 vlan 0")
	if _, err := v.agent.FlushGroups(context.Background(), "ls0"); err != nil {
		t.Error(err)
	}
	v.forwards("p2", data4, peer, "p0", "p1")
	v.knows()
	v.say("", testnet.AskAll(querier, router4, 2, 1)) // by the tunnel
	v.forwards("p2", data4, peer)
	v.knows("ls0 igmp querier 192.0.2.99 tunnel")
	fabric.RemoveDevice("p0")
	fabric.AddDevice("p0")
	v.forwards("p2", data4, peer, "p0")
	r.ctl("remove", "Logical_Switch", "ls0", "other_config", "mcast_snooping")
	v.forwards("p2", data4, peer, "p0", "p1")
	v.knows()
}
