package bench

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// BenchmarkServed is what a VTEP with 1,000 bindings costs that serves metrics and the page, while nobody looks ("served"),
// beside one that does not ("plain"), in turns: the processor time of its process while nothing happens, and the time in the
// programs in the kernel for a frame that they send into a tunnel.
func BenchmarkServed(b *testing.B) {
	names := []string{"plain", "served"}
	gateways := map[string]*gateway{}
	taps := map[string]*testnet.Tap{}
	for _, name := range names {
		g := newGateway(b, thisBuild(b))
		if name == "served" {
			g.start("--metrics=127.0.0.1:9475", "--web=127.0.0.1:9480")
		} else {
			g.start()
		}
		nets := g.bind(dial(b, g.socket), 1, 1001)
		g.open(nets[len(nets)-1].ls)
		gateways[name], taps[name] = g, testnet.Open(b, g.lab.Namespace(lab.H1), "eth0")
	}
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	time.Sleep(3 * time.Second) // what bindings cause after they are made
	const window, frames = 2 * time.Second, 5000
	to, err := net.ParseMAC(mac(1<<24 - 2)) // behind the peer, in VLAN 1
	if err != nil {
		b.Fatal(err)
	}
	frame := testnet.Frame(to, lab.Host1.MAC, "", 1)
	idle, packet := newContest("idle", "%"), newContest("frame", "ns")
	for b.Loop() {
		before := map[string]time.Duration{}
		for _, name := range names {
			before[name] = testenv.CPUTime(b, gateways[name].cmd.Process.Pid)
		}
		time.Sleep(window)
		for _, name := range names {
			used := testenv.CPUTime(b, gateways[name].cmd.Process.Pid) - before[name]
			idle.add(name, 100*float64(used)/float64(window))
		}
		for _, name := range names {
			start := gateways[name].inPrograms()
			for range frames {
				taps[name].Send(frame)
			}
			packet.addTime(name, gateways[name].inPrograms()-start, frames)
		}
	}
	idle.goal(b, 0.1, "served-%")
	packet.goal(b, 1.1, "served-x-plain")
	idle.report(b, "")
	packet.report(b, "plain")
}

// inPrograms is the time that has been spent in the programs on devices, while the kernel measures that.
func (g *gateway) inPrograms() (sum time.Duration) {
	g.b.Helper()
	pins, err := filepath.Glob(filepath.Join(g.pins, "links", "*"))
	if err != nil || len(pins) == 0 {
		g.b.Fatalf("links in %s: %q, %v", g.pins, pins, err)
	}
	for _, pin := range pins {
		l, err := link.LoadPinnedLink(pin, nil)
		if err != nil {
			g.b.Fatal(err)
		}
		info, err := l.Info()
		l.Close()
		if err != nil {
			g.b.Fatal(err)
		}
		p, err := ebpf.NewProgramFromID(info.Program)
		if err != nil {
			g.b.Fatal(err)
		}
		s, err := p.Stats()
		p.Close()
		if err != nil {
			g.b.Fatal(err)
		}
		sum += s.Runtime
	}
	return sum
}
