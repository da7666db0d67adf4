package nvc_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/nvc"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/testenv"
)

const deadline = 60 * time.Second

// site is a database and an agent on it, with a plane in memory. Its switch is called v1 (v2, ...), its
// tunnel IP is 10.0.0.1, and it has the ports p0 and p1.
type site struct {
	testing.TB
	env     *testenv.Env
	name    string
	ip      netip.Addr
	own     *server.Server // this project's server, or else
	c       *exec.Cmd      // the C ovsdb-server
	isC     bool
	fabric  *memory.Fabric
	replica *idl.Client
}

// newSites makes n of them; the database of the last one is served by the C ovsdb-server.
func newSites(t *testing.T, n int) []*site {
	t.Helper()
	var all []*site
	for i := range n {
		s := &site{TB: t, env: testenv.OVS(t), name: fmt.Sprintf("v%d", i+1), ip: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), isC: i == n-1}
		s.env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", s.file(), filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema"))
		s.start()
		t.Cleanup(s.stop)
		s.run()
		s.ctl("add-ls", "ls0", "--", "bind-ls", s.name, "p0", "0", "ls0", "--", "bind-ls", s.name, "p1", "0", "ls0")
		all = append(all, s)
	}
	return all
}

func (s *site) file() string   { return filepath.Join(s.env.DBDir, "vtep.db") }
func (s *site) socket() string { return filepath.Join(s.env.RunDir, "db.sock") }
func (s *site) target() string { return "unix:" + s.socket() }

func (s *site) start() {
	if s.isC {
		s.c = s.env.Command(testenv.Program(s, "ovsdb-server"), "--remote=punix:"+s.socket(), "--unixctl="+filepath.Join(s.env.RunDir, "ctl"),
			"-vconsole:off", s.file())
		if err := s.c.Start(); err != nil {
			s.Fatal(err)
		}
		return
	}
	own, err := server.New(server.Options{RunDir: s.env.RunDir})
	if err == nil {
		_, err = own.AddDatabase(s.file())
	}
	if err == nil {
		err = own.AddRemote("punix:" + s.socket())
	}
	if err != nil {
		s.Fatal(err)
	}
	s.own = own
}

func (s *site) stop() {
	if s.c != nil {
		_ = s.c.Process.Signal(syscall.SIGTERM)
		_ = s.c.Wait()
	}
	if s.own != nil {
		_ = s.own.Close()
	}
	s.c, s.own = nil, nil
}

// run starts the agent, until the test ends.
func (s *site) run() {
	s.fabric = memory.New(memory.Options{})
	s.fabric.AddDevice("p0")
	s.fabric.AddDevice("p1")
	s.replica = idl.New(idl.Options{Database: hwvtep.Database, Dial: idl.DialTarget(s.target(), nil), MaxBackoff: 100 * time.Millisecond})
	ready := make(chan struct{})
	a := agent.New(agent.Options{Name: s.name, TunnelIP: s.ip.String(), Ports: []string{"p0", "p1"}, Replica: s.replica, Plane: s.fabric.Open(),
		Logger: testenv.Logger(s), Ready: func() error { close(ready); return nil }})
	background(s, s.replica.Run)
	background(s, a.Run)
	select {
	case <-ready:
	case <-time.After(deadline):
		s.Fatal("the agent is not ready")
	}
}

// background runs f until the test ends, or until the function that it returns is called.
func background(t testing.TB, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended by itself: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// controller runs one over the sites.
func controller(t testing.TB, opts nvc.Options, sites ...*site) (n *nvc.NVC, stop func()) {
	t.Helper()
	var targets []string
	for _, s := range sites {
		targets = append(targets, s.target())
	}
	opts.Logger = testenv.Logger(t)
	n = nvc.New(opts)
	return n, background(t, func(ctx context.Context) error { return n.Run(ctx, targets) })
}

// ctl is what an operator, or another controller, does.
func (s *site) ctl(args ...string) string {
	s.Helper()
	return s.env.Output(s, testenv.Program(s, "vtep-ctl"), append([]string{"--timeout=30", "--db=" + s.target()}, args...)...)
}

// remote is what the tables of remote MACs of the switch have: "MAC>IP", with "/ADDRESS" if the MAC has one, and
// "MAC>IP,IP" of sets, sorted.
func (s *site) remote() []string {
	v := hwvtep.NewView[*idl.Table](s.replica.Snapshot())
	rows := []string{}
	for r := range v.UcastMACsRemote() {
		l, _ := v.PhysicalLocator(r.Locator)
		text := r.MAC + ">" + l.DstIP
		if r.IPAddr != "" {
			text += "/" + r.IPAddr
		}
		rows = append(rows, text)
	}
	for r := range v.McastMACsRemote() {
		set, _ := v.PhysicalLocatorSet(r.LocatorSet)
		var ips []string
		for _, id := range set.Locators {
			l, _ := v.PhysicalLocator(id)
			ips = append(ips, l.DstIP)
		}
		slices.Sort(ips)
		rows = append(rows, r.MAC+">"+strings.Join(ips, ","))
	}
	slices.Sort(rows)
	return rows
}

// has waits until the remote rows are these.
func (s *site) has(want ...string) {
	s.Helper()
	slices.Sort(want)
	testenv.Eventually(s, deadline, func() error {
		if got := s.remote(); !slices.Equal(got, want) {
			return fmt.Errorf("%s has %q, not %q", s.name, got, want)
		}
		return nil
	})
}

// says has a host send a broadcast, so that it is known.
func (s *site) says(port string, host byte) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error {
		if _, drop := s.fabric.FromPort(port, frame(0xff, host)); drop == memory.NoPort || drop == memory.UnboundVLAN {
			return fmt.Errorf("%s %s: %s", s.name, port, drop)
		}
		return nil
	})
}

// reaches waits until a frame to a host behind a tunnel goes there.
func (s *site) reaches(port string, from, to byte, want string) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error { return s.goes(port, from, to, want) })
}

// saysUntil has a host go on sending until a frame to it at another site goes where it should.
func (s *site) saysUntil(port string, host byte, other *site, want string) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error {
		s.says(port, host)
		return other.goes("p0", 2, host, want)
	})
}

func (s *site) goes(port string, from, to byte, want string) error {
	outs, drop := s.fabric.FromPort(port, frame(to, from))
	var got []string
	for _, o := range outs {
		if o.Port != "" {
			got = append(got, o.Port)
			continue
		}
		got = append(got, fmt.Sprintf("%v/%d", o.Tunnel.Peer, o.Tunnel.VNI))
	}
	if slices.Sort(got); strings.Join(got, " ") != want {
		return fmt.Errorf("%s: from %d to %d: %q, drop %q, not %q", s.name, from, to, got, drop, want)
	}
	return nil
}

// frame is one from a host to another; 0xff stands for all.
func frame(to, from byte) []byte {
	dst := []byte{2, 0, 0, 0, 0, to}
	if to == 0xff {
		dst = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return append(append(dst, 2, 0, 0, 0, 0, from, 0x08, 0x00), make([]byte, 46)...)
}

func mac(host byte) string { return fmt.Sprintf("02:00:00:00:00:%02x", host) }
