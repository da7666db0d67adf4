package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// The contenders that drive Open vSwitch: ours, and the emulator in Python that it replaces.
const (
	ours     = "ovs"
	emulator = "emulator"
)

const (
	underlayIP = "10.2.2.1"
	remoteIP   = "10.2.2.2"
)

// site is a contender with an Open vSwitch of its own, whose datapath is that in userspace:
//
//	h0 -- veth -- p0 -- br0     br-ex 10.2.2.1 -- u0 -- veth -- r0 10.2.2.2
type site struct {
	*testenv.VSwitch
	b         *testing.B
	name      string
	host, far *namespace.Namespace
	cmd       *exec.Cmd // the contender
	c         *client
	net       network // logical switch of the untagged frames of p0
	nextMAC   int
}

var sites atomic.Int32

// newSite builds the picture, starts the contender, and gives p0 a logical switch.
func newSite(b *testing.B, name string) *site {
	b.Helper()
	number := sites.Add(1) // those of other rounds are there until the benchmark ends
	space := func(n string) *namespace.Namespace { return testenv.Netns(b, fmt.Sprint(n, number)) }
	vtep := space("v")
	s := &site{b: b, name: name, host: space("h"), far: space("r"), nextMAC: 1 << 16}
	testnet.Veth(b, s.host, "h0", vtep, "p0", 0)
	testnet.Veth(b, s.far, "r0", vtep, "u0", 0)
	s.address(s.far, "r0", remoteIP)
	s.VSwitch = testenv.NewVSwitch(b, vtep)
	s.Bridge(b, "br0", "p0")
	s.Vsctl(b, strings.Fields("add-br br-ex -- set Bridge br-ex datapath_type=netdev -- add-port br-ex u0")...)
	s.address(vtep, "br-ex", underlayIP)
	s.ctl("add-ps", "br0", "--", "set", "Physical_Switch", "br0", "tunnel_ips="+underlayIP)
	s.start()
	b.Cleanup(func() { s.end(unix.SIGTERM) })
	await(b, "the row of p0", func() bool { return s.ctl("list-ports", "br0") == "p0\n" })
	s.c = dial(b, s.Socket("db.sock"))
	s.net = s.c.bind(remoteIP, hwvtep.UUID{}, 0, 1)[0]
	s.awaitFlows("br0_vtep_ls1", 0xff, 1)
	return s
}

func (s *site) address(n *namespace.Namespace, dev, ip string) {
	s.b.Helper()
	testnet.Address(s.b, n, dev, ip+"/24")
	testnet.Up(s.b, n, dev)
}

func (s *site) ctl(args ...string) string {
	s.b.Helper()
	return s.Output(s.b, testenv.Program(s.b, "vtep-ctl"), args...)
}

// start starts the contender.
func (s *site) start() {
	s.b.Helper()
	args := []string{"--log-file", "-vconsole:off", "br0"}
	if s.name == ours {
		s.cmd = s.Command(filepath.Join(testenv.Binary(s.b), "ovs-vtep"), args...)
	} else {
		script := filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/openvswitch/scripts/ovs-vtep")
		s.cmd = s.Command(testenv.Program(s.b, "python3"), append([]string{script}, args...)...)
	}
	if err := s.Namespace.Start(s.cmd); err != nil {
		s.b.Fatal(err)
	}
}

// end ends the contender.
func (s *site) end(signal unix.Signal) {
	if s.cmd == nil {
		return
	}
	s.pause(false)
	_ = s.cmd.Process.Signal(signal)
	_ = s.cmd.Wait() // the emulator ends by either signal
	s.cmd = nil
	if s.b.Failed() {
		text, _ := os.ReadFile(filepath.Join(s.LogDir, "ovs-vtep.log"))
		s.b.Logf("%s: %s", s.name, text)
	}
}

// pause holds the contender, or lets it go on, so that one does not pay for the other.
func (s *site) pause(on bool) {
	signal := unix.SIGCONT
	if on {
		signal = unix.SIGSTOP
	}
	_ = s.cmd.Process.Signal(signal)
}

// macs gives a range of n MACs that nobody has yet, and whose fourth byte is group.
func (s *site) macs(n int) (first int, group byte) {
	first = s.nextMAC
	s.nextMAC += (n + 0xffff) &^ 0xffff
	return first, byte(first >> 16)
}

// awaitFlows looks until table 1 of the bridge has n flows to MACs 02:00:00:GROUP:*.
func (s *site) awaitFlows(bridge string, group byte, n int) {
	s.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	q := &openflow.MultipartRequest{Part: openflow.PartAggregate, Flows: &openflow.FlowFilter{Table: 1,
		Match: openflow.Match{openflow.EthDstMasked([6]byte{2, 0, 0, group}, [6]byte{255, 255, 255, 255})}}}
	var conn *openflow.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	var have uint32
	for {
		var err error
		if conn == nil || conn.Err() != nil { // the bridge is not there yet, or was replaced
			conn, err = openflow.Dial(ctx, s.Socket(bridge+".mgmt"), func(openflow.Message) {})
		}
		if err == nil {
			var parts []*openflow.MultipartReply
			if parts, err = conn.Query(ctx, q); err == nil {
				if have = parts[0].Aggregate.Flows; have >= uint32(n) {
					return
				}
			}
		}
		if ctx.Err() != nil {
			s.b.Fatalf("%s: %d flows of %d in %s: %v", s.name, have, n, bridge, err)
		}
		if err != nil {
			conn = nil
		}
		// Counting ten thousand flows is work for the switch, which has other to do.
		time.Sleep(200*time.Microsecond + time.Duration(have)*time.Microsecond)
	}
}

// tunnelPort is the number of the port of the first logical switch that leads to the remote.
func (s *site) tunnelPort() string {
	s.b.Helper()
	for _, name := range strings.Fields(s.Vsctl(s.b, "list-ports", "br0_vtep_ls1")) {
		if !strings.HasSuffix(name, "-l") {
			return strings.TrimSpace(s.Vsctl(s.b, "get", "Interface", name, "ofport"))
		}
	}
	s.b.Fatalf("%s: no tunnel port", s.name)
	return ""
}
