package demo

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/lab"
)

// start runs the VTEP.
func (s *show) start(ctx context.Context) error {
	s.step("Start the VTEP; it makes its database and its own rows")
	s.command(append(append([]string{"vtep"}, s.lab.VTEPArgs()...), "--detach")...)
	before := time.Now()
	if err := s.lab.StartVTEP(ctx, s.Program); err != nil {
		return err
	}
	s.check(s.lab.VTEPProcess() != 0, "the VTEP runs, process %d, ready after %v", s.lab.VTEPProcess(), since(before))
	return s.ctl(ctx, "list-ports", s.Name)
}

// bind makes the two networks, as a controller would.
func (s *show) bind(ctx context.Context) error {
	remote := lab.RemoteIP.String()
	s.step("Make a network with VNI 5000, and put the untagged frames of both ports into it")
	for _, args := range [][]string{
		{"add-ls", "ls0"},
		{"set", "Logical_Switch", "ls0", "tunnel_key=" + strconv.Itoa(lab.VNIUntagged)},
		{"bind-ls", s.Name, "p0", "0", "ls0"},
		{"bind-ls", s.Name, "p1", "0", "ls0"},
		{"add-mcast-remote", "ls0", "unknown-dst", remote},
		{"add-ucast-remote", "ls0", lab.Host3.MAC.String(), remote},
	} {
		if err := s.ctl(ctx, args...); err != nil {
			return err
		}
	}
	s.step("And one with VNI 5100, for VLAN 100 of p1; here no MAC is given, so unknown ones are flooded")
	for _, args := range [][]string{
		{"add-ls", "ls1"},
		{"set", "Logical_Switch", "ls1", "tunnel_key=" + strconv.Itoa(lab.VNITagged)},
		{"set-replication-mode", "ls1", "source_node"},
		{"bind-ls", s.Name, "p1", strconv.Itoa(lab.VLAN), "ls1"},
		{"add-mcast-remote", "ls1", "unknown-dst", remote},
	} {
		if err := s.ctl(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// reach pings host to host.
func (s *show) reach(ctx context.Context) error {
	s.step("Ping host to host; ARP goes the same way first")
	for _, p := range []struct {
		from, to lab.Station
		what     string
	}{
		{lab.Host1, lab.Host3, "untagged, over the tunnel"},
		{lab.Host1, lab.Host2, "untagged, from port to port"},
		{lab.Host3, lab.Host2, "from the other side"},
		{lab.Host2Tagged, lab.Host4, "in VLAN 100, over the tunnel"},
	} {
		if err := s.ping(ctx, p.from, p.to, p.what); err != nil {
			return err
		}
	}
	return nil
}

// ping waits for the first reply, since a binding takes effect a moment after its row, and
// checks that nothing is lost from there on.
func (s *show) ping(ctx context.Context, from, to lab.Station, what string) error {
	const count = 20
	s.commandAt(from.Node, "ping", "-c", strconv.Itoa(count), "-i", "0.01", to.IP.Addr().String())
	for end := time.Now().Add(10 * time.Second); ; {
		r, err := s.lab.Ping(ctx, from.Node, to.IP.Addr(), 1, time.Millisecond)
		if err != nil {
			return err
		}
		if r.Received > 0 || time.Now().After(end) {
			break
		}
	}
	r, err := s.lab.Ping(ctx, from.Node, to.IP.Addr(), count, 10*time.Millisecond)
	if err != nil {
		return err
	}
	s.check(r.Lost() == 0, "%s -> %s, %s: %d of %d replies, the slowest after %v",
		from.Node, to.Node, what, r.Received, r.Sent, r.Longest.Round(time.Microsecond))
	return nil
}

// tables shows what the VTEP has learned and built.
func (s *show) tables(ctx context.Context) error {
	s.step("See what the VTEP has learned and built")
	for _, t := range []struct {
		wanted []string
		args   []string
		claim  string
	}{
		{[]string{lab.Host1.MAC.String(), lab.Host2.MAC.String()}, []string{"list-local-macs", "ls0"},
			"the MACs of h1 and h2 are learned in ls0"},
		{[]string{lab.Host2Tagged.MAC.String()}, []string{"list-local-macs", "ls1"},
			"the MAC of h2 in VLAN 100 is learned in ls1"},
		{[]string{lab.Host1.MAC.String()}, []string{"list", "Ucast_Macs_Local"}, ""},
		{[]string{lab.Host3.MAC.String()}, []string{"list-remote-macs", "ls0"}, ""},
		{[]string{"_uuid"}, []string{"list", "Tunnel"}, "the tunnel to r1 has a row"},
		{nil, []string{"show"}, ""},
	} {
		err := s.await(ctx, t.wanted, t.args...)
		if shown := s.ctl(ctx, t.args...); shown != nil {
			return shown
		}
		if err != nil || t.claim != "" {
			if t.claim == "" {
				t.claim = fmt.Sprintf("vtep-ctl %s: %v", getopt.Quote(t.args), err)
			}
			s.check(err == nil, "%s", t.claim)
		}
	}
	return nil
}

// survive kills the VTEP under traffic and starts it again.
func (s *show) survive(ctx context.Context) error {
	s.step("Kill the VTEP while h1 pings h3 and h2 pings h4 in VLAN 100, a hundred times a second each")
	a, err := s.lab.StartPing(lab.H1, lab.Host3.IP.Addr(), 10*time.Millisecond)
	if err != nil {
		return err
	}
	b, err := s.lab.StartPing(lab.H2, lab.Host4.IP.Addr(), 10*time.Millisecond)
	if err != nil {
		a.Stop()
		return err
	}
	err = s.killAndRestart(ctx)
	ra, rb := a.Stop(), b.Stop()
	if err != nil {
		return err
	}
	s.check(ra.Lost() == 0, "h1 -> h3 through kill and restart: %d of %d replies, %d lost, longest silence %v",
		ra.Received, ra.Sent, ra.Lost(), ra.Gap.Round(time.Millisecond))
	s.check(rb.Lost() == 0, "h2 -> h4 in VLAN 100 through kill and restart: %d of %d replies, %d lost, longest silence %v",
		rb.Received, rb.Sent, rb.Lost(), rb.Gap.Round(time.Millisecond))
	s.text("The new process knows what the old one learned, and the networks work on:\n")
	err = s.await(ctx, []string{lab.Host1.MAC.String(), lab.Host2.MAC.String()}, "list-local-macs", "ls0")
	if shown := s.ctl(ctx, "list-local-macs", "ls0"); shown != nil {
		return shown
	}
	s.check(err == nil, "the learned MACs are there after the restart")
	if err := s.ctl(ctx, "del-ucast-remote", "ls0", lab.Host3.MAC.String()); err != nil {
		return err
	}
	return s.ping(ctx, lab.Host3, lab.Host1, "after a change by the new process")
}

func (s *show) killAndRestart(ctx context.Context) error {
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	pid := s.lab.VTEPProcess()
	s.command("kill", "-9", strconv.Itoa(pid))
	if err := s.lab.KillVTEP(); err != nil {
		return err
	}
	s.text("no VTEP process, for a second ...\n")
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	s.command(append(append([]string{"vtep"}, s.lab.VTEPArgs()...), "--detach")...)
	before := time.Now()
	if err := s.lab.StartVTEP(ctx, s.Program); err != nil {
		return err
	}
	s.text("ready after %v: it adopts what it finds in the kernel, and repairs what differs\n", since(before))
	return sleep(ctx, time.Second)
}

func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }
