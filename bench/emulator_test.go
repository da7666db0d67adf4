package bench

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// BenchmarkEmulator is "ovs-vtep" beside the emulator in Python that it replaces, each with an
// Open vSwitch of its own. The emulator takes seconds for what others take milliseconds for, so
// it gets a hundredth or a tenth of the work: what it needs for one MAC, for the most part its
// pause between two looks at the database, is taken for the share that does not grow, and the
// rest is scaled. There are as many rounds as VTEP_TEST_EFFORT says, one by default, and not more
// than -benchtime.
//
//	mac               a remote MAC, from its transaction to its flow
//	macs10k           10,000 in one transaction (emulator: 100)
//	tunnels50         50 MACs, each behind a remote VTEP of its own, and their BFD ports (emulator: 5)
//	switches100       100 VLANs with a logical switch and a remote MAC each (emulator: 10)
//	idle, forks       processor time and new processes of the VTEP for nothing
//	lost, lost-kill   frames of a stream of 200/s that a restart loses, by SIGTERM and by SIGKILL
//	lookups, recirc   of "ofproto/trace" of known unicast: tables looked up, packets recirculated;
//	                  h2r from the host to the remote VTEP, r2h from there to the host
func BenchmarkEmulator(b *testing.B) {
	rounds := testenv.Effort(b)
	e := newEmulatorContests()
	for round := 0; b.Loop(); round++ {
		if round >= rounds {
			continue
		}
		sites := []*site{newSite(b, ours), newSite(b, emulator)}
		for i, s := range sites {
			other := sites[1-i]
			other.pause(true)
			e.run(s)
			other.pause(false)
		}
		for _, s := range sites {
			s.end(unix.SIGTERM)
		}
	}
	e.report(b)
}

type emulatorContests struct {
	mac, macs, tunnels, switches, idle, forks, lost, lostKill *contest
	lookups, recirc                                           map[string]*contest // by direction
}

var directions = []string{"h2r", "r2h"}

func newEmulatorContests() *emulatorContests {
	e := &emulatorContests{
		mac: newContest("mac", "ms"), macs: newContest("macs10k", "s"), tunnels: newContest("tunnels50", "s"),
		switches: newContest("switches100", "s"), idle: newContest("idle", "%"), forks: newContest("forks", "/s"),
		lost: newContest("lost", "frames"), lostKill: newContest("lost-kill", "frames"),
		lookups: map[string]*contest{}, recirc: map[string]*contest{},
	}
	for _, d := range directions {
		e.lookups[d], e.recirc[d] = newContest("lookups-"+d, "tables"), newContest("recirc-"+d, "times")
	}
	return e
}

// run measures all of one contender.
func (e *emulatorContests) run(s *site) {
	s.b.Helper()
	samples := 50
	macs, tunnels, switches := 10_000, 50, 100
	if s.name == emulator {
		samples, macs, tunnels, switches = 3, 100, 5, 10
	}
	var each latencies
	for range samples {
		each.add(s.insert(1))
	}
	one := time.Duration(median(each) * 1e3)
	e.mac.addTime(s.name, one, 1)
	scaled := func(took time.Duration, n, of int) time.Duration {
		if n == of {
			return took
		}
		return one + max(took-one, 0)*time.Duration(of)/time.Duration(n)
	}
	e.macs.addTime(s.name, scaled(s.insert(macs), macs, 10_000), 1)
	e.trace(s)
	window := time.Duration(3*testenv.Effort(s.b)) * time.Second
	forks, before, start := newForks(s.b), cpuWithChildren(s.b, s.cmd.Process.Pid), time.Now()
	time.Sleep(window)
	lasted := time.Since(start)
	used := cpuWithChildren(s.b, s.cmd.Process.Pid) - before
	e.idle.add(s.name, 100*float64(used)/float64(lasted))
	e.forks.add(s.name, float64(forks.of(s.cmd.Process.Pid))/lasted.Seconds())
	e.lost.add(s.name, s.lost(unix.SIGTERM))
	e.lostKill.add(s.name, s.lost(unix.SIGKILL))
	e.tunnels.addTime(s.name, scaled(s.tunnels(tunnels), tunnels, 50), 1)
	e.switches.addTime(s.name, scaled(s.switches(switches), switches, 100), 1)
}

// insert inserts n MACs, and returns how long it took until they were in the flow table.
func (s *site) insert(n int) time.Duration {
	s.b.Helper()
	first, group := s.macs(n)
	tx := hwvtep.NewTxn(nil)
	for i := range n {
		s.net.insert(tx, first+i)
	}
	return s.took(tx, func() { s.awaitFlows("br0_vtep_ls1", group, n) })
}

// took is how long it takes from a transaction to its effect.
func (s *site) took(tx *hwvtep.Txn, effect func()) time.Duration {
	s.b.Helper()
	text := transaction(tx)
	start := time.Now()
	s.c.send(text)
	effect()
	d := time.Since(start)
	s.c.committed()
	return d
}

// tunnels is insert with n MACs behind as many remote VTEPs.
func (s *site) tunnels(n int) time.Duration {
	s.b.Helper()
	first, group := s.macs(n)
	tx := hwvtep.NewTxn(nil)
	for i := range n {
		loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{
			EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: fmt.Sprintf("10.2.2.%d", 100+i)})
		network{s.net.ls, loc}.insert(tx, first+i)
	}
	return s.took(tx, func() {
		s.awaitFlows("br0_vtep_ls1", group, n)
		await(s.b, "the BFD ports", func() bool { return len(strings.Fields(s.Vsctl(s.b, "list-ports", "vtep_bfd"))) > n })
	})
}

// switches binds n VLANs.
func (s *site) switches(n int) time.Duration {
	s.b.Helper()
	start := time.Now()
	s.c.bind(remoteIP, s.net.locator, 1, 1+n)
	for i := range n { // which number each gets is anybody's
		s.awaitFlows(fmt.Sprintf("br0_vtep_ls%d", 2+i), 0xff, 1)
	}
	return time.Since(start)
}

var lookup = regexp.MustCompile(`(?m)^ *\d+\. `)

// trace asks the switch how it forwards known unicast.
func (e *emulatorContests) trace(s *site) {
	s.b.Helper()
	st := s.stream() // the switch learns the host and its neighbour
	st.flows()
	defer st.stop()
	const host, remote = "02:00:01:00:00:01", "02:00:00:ff:ff:ff"
	await(s.b, "the host is learned", func() bool {
		return strings.Contains(s.Ofctl(s.b, "dump-flows", "br0_vtep_ls1", "table=1,dl_dst="+host), "cookie=0x5000")
	})
	p0 := strings.TrimSpace(s.Vsctl(s.b, "get", "Interface", "p0", "ofport"))
	for _, d := range directions {
		bridge, packet := "br0", fmt.Sprintf("in_port=%s,dl_src=%s,dl_dst=%s", p0, host, remote)
		if d == "r2h" {
			bridge = "br0_vtep_ls1"
			packet = fmt.Sprintf("in_port=%s,tun_id=5000,tun_src=%s,tun_dst=%s,dl_src=%s,dl_dst=%s",
				s.tunnelPort(), remoteIP, underlayIP, remote, host)
		}
		text := s.Appctl(s.b, "ofproto/trace", bridge, packet+",dl_type=0x88b5")
		if !strings.Contains(text, "Datapath actions: ") || strings.Contains(text, "Datapath actions: drop") {
			s.b.Fatalf("%s: known unicast is not forwarded:\n%s", s.name, text)
		}
		e.lookups[d].add(s.name, float64(len(lookup.FindAllString(text, -1))))
		e.recirc[d].add(s.name, float64(strings.Count(text, "recirc(")))
	}
}

func (e *emulatorContests) report(b *testing.B) {
	b.Helper()
	for _, c := range []*contest{e.mac, e.tunnels, e.switches} {
		c.goal(b, 1.0/200, ours+"-x-"+emulator)
	}
	e.macs.goal(b, 1, ours+"-s")
	e.idle.goal(b, 0.1, ours+"-%")
	e.forks.goal(b, 0, ours+"-/s")
	e.lost.goal(b, 0, ours+"-frames")
	e.lostKill.goal(b, 0, ours+"-frames")
	for _, c := range []*contest{e.mac, e.macs, e.tunnels, e.switches, e.idle, e.forks, e.lost, e.lostKill} {
		c.report(b, emulator)
	}
	for _, d := range directions {
		for _, c := range []*contest{e.lookups[d], e.recirc[d]} {
			c.goal(b, 1, ours+"-x-"+emulator)
			c.report(b, emulator)
		}
	}
}
