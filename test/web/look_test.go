package web

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/httpserve"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/web"
)

// troubled is a VTEP in which everything that a page may show is there: what no plane in memory ever has.
type troubled struct{}

func (troubled) Status(context.Context) (web.Status, error) {
	long := strings.Repeat("a-very-long-name-", 20)
	return web.Status{
		Version: "v9", Kernel: "6.1", Plane: "ebpf", Began: time.Now(), Database: "/var/lib/vtep.db: 1 MiB",
		Status: agent.Status{
			Switch: "br0", State: agent.Frozen, TunnelIPs: []string{"192.0.2.1", "2001:db8::1"}, RatesOver: 5, RoseOver: 60,
			Ports: []agent.PortStatus{
				{Name: "p0", State: "up", Bindings: 3, MACs: 12, TrafficStatus: agent.TrafficStatus{InByteRate: 123456789, OutByteRate: 1234, InPacketRate: 1e6}},
				{Name: "p1", State: "down", Why: "no carrier"}, {Name: long, State: "refused", Why: "there is no network device of this name"},
			},
			Switches: []agent.SwitchStatus{{Name: "ls0", UUID: "a", VNI: 33, Bindings: 1, LocalMACs: 12, RemoteMACs: 3, Peers: 2}, {Name: long, UUID: "b"}},
			Tunnels: []agent.TunnelStatus{
				{Local: "192.0.2.1", Remote: "192.0.2.2", VNIs: 1, State: "up", BFD: &agent.BFDStatus{Forwarding: true, State: "up", RemoteState: "up"},
					TrafficStatus: &agent.TrafficStatus{InByteRate: 1234567, InPacketRate: 1e4, OutByteRate: 10, OutPacketRate: 1}},
				{Local: "2001:db8::1", Remote: "2001:db8:1:2:3:4:5:6", VNIs: 2, State: "down", Why: "no route to host", BFD: &agent.BFDStatus{State: "down", Diagnostic: "Control Detection Time Expired", RemoteState: "up", Flaps: 3}},
			},
			Drops: []agent.DropStatus{{Reason: "unknown_tunnel", Total: 1234567, Rose: 99}, {Reason: "unbound_vlan", Total: 3}},
		},
		Problems: []problem.Problem{
			{Kind: problem.MissingDevice, Object: "Physical_Port " + long, Text: "there is no network device of this name", Remedy: "make one"},
			{Kind: problem.PortDown, Object: "Physical_Port p1", Text: "it has no link"},
		},
		Controllers: []web.Controller{{Target: "ssl:192.0.2.9:6640", State: "backoff", Why: "connection refused"}},
		Listeners:   []web.Listener{{Address: "unix:/var/run/vtep/db.sock", For: "database", Who: "root: all rows"}},
	}, nil
}

func (troubled) Topology(context.Context) (agent.Topology, error) {
	return agent.Topology{
		Bindings: []agent.TopologyBinding{{Port: "p0", VLAN: 100, Switch: "a"}, {Port: "p1", Switch: "a"}, {Port: "p0", VLAN: 7, Switch: "b"}},
		Tunnels:  []agent.TopologyTunnel{{Peer: "192.0.2.2", VNI: 33, Switch: "a"}, {Peer: "2001:db8:1:2:3:4:5:6", VNI: 33, Switch: "a"}},
	}, nil
}

func (troubled) DropHistory(context.Context) (all []agent.DropReading, err error) {
	total := uint64(1_000_000)
	for i := range 120 {
		total += uint64(i * i % 4000)
		all = append(all, agent.DropReading{At: time.Now().Add(time.Duration(i-121) * 25 * time.Second), Drops: map[string]uint64{"unknown_tunnel": total, "unbound_vlan": 3}})
	}
	return all, nil
}

func (troubled) WhereLearned(context.Context, []intent.MACKey) (map[intent.MACKey]agent.LearnedMAC, error) {
	return nil, nil
}
func (troubled) Rows() *idl.Snapshot { return nil }
func (troubled) CanTrace() bool      { return true }
func (troubled) Trace(_ context.Context, args []string) (string, error) {
	return "asked with " + strings.Join(args, " ") + "\ndropped: unbound_vlan\n", nil
}

// TestLooks has all that is wrong, and names of any length, be shown so that it can be read.
func TestLooks(t *testing.T) {
	s, err := web.Listen(httpserve.Options{Address: httpserve.Address{HostPort: "127.0.0.1:0"}, Guarded: true, Logger: slog.New(slog.DiscardHandler)}, troubled{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	browser := newBrowser(t)
	for _, look := range []struct {
		name  string
		width int64
		dark  bool
	}{{"desk-dark", 1280, true}, {"hand-light", 390, false}} {
		b := newTab(t, browser, look.width, look.dark)
		for path, want := range map[string]string{
			"/": "connection refused", "/ports": "there is no network device", "/tunnels": "9.9 Mbit/s", "/problems": "What to do: make one",
			"/drops": "1,234,567", "/switches": "a-very-long-name-", "/?peer=192.0.2.2": "Around peer 192.0.2.2",
			"/trace?port=p0&vlan=100&from=": "asked with --port=p0 --vlan=100",
		} {
			b.open(s.URL() + path)
			if text := b.text(); !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", path, want, text)
			}
			b.faultless("troubled-" + look.name + path)
		}
	}
}
