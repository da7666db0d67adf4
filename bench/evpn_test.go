package bench

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// fabric is "vtep evpn" at the database of a VTEP, and a neighbor of it that says what it is given.
type fabric struct {
	*filled
	evpn *exec.Cmd
	conn net.Conn
}

func newFabric(b *testing.B) *fabric {
	b.Helper()
	f := &fabric{filled: newFilled(b, thisBuild(b), always, 0)}
	l, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	file := filepath.Join(f.env.DBDir, "bgp.yaml")
	text := fmt.Sprintf("as: 65001\nrouter-id: 10.0.0.1\nport: -1\nneighbors:\n- address: %v\n  port: %d\n  as: 65002\n", at.Addr(), at.Port())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	f.evpn = exec.Command(filepath.Join(testenv.Binary(b), "vtep"), "evpn", "--bgp="+file, "--rundir="+f.env.RunDir, "unix:"+f.socket)
	f.evpn.Env = f.env.Env
	if err := f.evpn.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.evpn.Process.Kill(); _ = f.evpn.Wait() })
	if f.conn, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.conn.Close() })
	open, err := bgp.NewBGPOpenMessage(65002, 0, netip.MustParseAddr("10.0.0.2"), []bgp.OptionParameterInterface{bgp.NewOptionParameterCapability([]bgp.ParameterCapabilityInterface{
		bgp.NewCapMultiProtocol(bgp.RF_EVPN), bgp.NewCapFourOctetASNumber(65002)})})
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range []*bgp.BGPMessage{open, bgp.NewBGPKeepAliveMessage(), bgp.NewEndOfRib(bgp.RF_EVPN)} {
		text, err := m.Serialize()
		if err != nil {
			b.Fatal(err)
		}
		f.says(text)
	}
	go func() { _, _ = io.Copy(io.Discard, f.conn) }()
	return f
}

func (f *fabric) says(text []byte) {
	f.b.Helper()
	if _, err := f.conn.Write(text); err != nil {
		f.b.Fatal(err)
	}
}

// updates announce the MACs [from, to) at the far VTEP, a hundred in a message, or withdraw them.
func updates(b *testing.B, from, to int, announced bool) (all []byte) {
	b.Helper()
	rd, err := bgp.ParseRouteDistinguisher("10.0.0.2:5000")
	for err == nil && from < to {
		var routes []bgp.PathNLRI
		for end := min(from+100, to); err == nil && from < end; from++ {
			var nlri *bgp.EVPNNLRI
			nlri, err = bgp.NewEVPNMacIPAdvertisementRoute(rd, bgp.EthernetSegmentIdentifier{}, 0, mac(from), netip.Addr{}, []uint32{5000})
			routes = append(routes, bgp.PathNLRI{NLRI: nlri})
		}
		var nlris bgp.PathAttributeInterface
		if announced {
			nlris, err = bgp.NewPathAttributeMpReachNLRI(bgp.RF_EVPN, routes, netip.MustParseAddr(lab.RemoteIP.String()))
		} else {
			nlris, err = bgp.NewPathAttributeMpUnreachNLRI(bgp.RF_EVPN, routes)
		}
		attrs := []bgp.PathAttributeInterface{nlris}
		if announced {
			attrs = append(attrs, bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{65002})}),
				bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65002, 5000, true),
					bgp.NewEncapExtended(bgp.TUNNEL_TYPE_VXLAN)}))
		}
		var text []byte
		if err == nil {
			text, err = bgp.NewBGPUpdateMessage(nil, attrs, nil).Serialize()
		}
		all = append(all, text...)
	}
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// BenchmarkRoutes100k is 100,000 hosts that a BGP neighbor announces, until the dataplane has all, and until it has
// none when they are withdrawn: the processor time is that of the VTEP ("cpu") and of the bridge. The peer is a program
// that gives the kernel's vxlan device as many entries.
func BenchmarkRoutes100k(b *testing.B) {
	const n = 100_000
	f := newFabric(b)
	announce, withdraw := updates(b, 0, n, true), updates(b, 0, n, false)
	kernel := newKernelTable(b)
	took, bridge, memory := newEffort("ms"), newContest("cpu-evpn", "ms"), newContest("memory", "MiB")
	for b.Loop() {
		cpu := testenv.CPUTime(b, f.evpn.Process.Pid)
		took.measure(b, "announced", f.cmd.Process.Pid, 1, func() {
			f.says(announce)
			for m := range n { // in which order they come is anybody's
				f.table.awaitMAC(m)
			}
		})
		bridge.addTime("announced", testenv.CPUTime(b, f.evpn.Process.Pid)-cpu, 1)
		memory.add("announced", resident(b, f.evpn.Process.Pid))
		took.measure(b, "withdrawn", f.cmd.Process.Pid, 1, func() {
			f.says(withdraw)
			for m := range n {
				f.table.awaitNo(f.table.key(0, m))
			}
		})
		took.measure(b, "kernel-fdb", os.Getpid(), 1, func() { kernel.add(n) })
	}
	took.time.goal(b, 5000, "announced-ms")
	took.time.goal(b, 5000, "withdrawn-ms")
	took.report(b, "kernel-fdb")
	bridge.report(b, "")
	memory.report(b, "")
	memory.goal(b, 400, "announced-MiB")
}
