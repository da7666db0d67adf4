package evpn_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/testenv"
)

// neighbor is a BGP speaker that says what a test has prepared, and listens to nothing.
type neighbor struct {
	testing.TB
	conn net.Conn
}

// connects opens a session from 127.0.0.2 with a bridge at port.
func connects(t testing.TB, port int) *neighbor {
	t.Helper()
	n := &neighbor{TB: t}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	testenv.Eventually(t, deadline, func() (err error) {
		n.conn, err = d.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		return err
	})
	t.Cleanup(func() { _ = n.conn.Close() })
	open, err := bgp.NewBGPOpenMessage(65002, 0, netip.MustParseAddr("10.0.0.2"), []bgp.OptionParameterInterface{bgp.NewOptionParameterCapability([]bgp.ParameterCapabilityInterface{
		bgp.NewCapMultiProtocol(bgp.RF_EVPN), bgp.NewCapFourOctetASNumber(65002), bgp.NewCapGracefulRestart(false, false, 0, nil)})})
	if err != nil {
		t.Fatal(err)
	}
	n.says(open, bgp.NewBGPKeepAliveMessage())
	go func() { _, _ = io.Copy(io.Discard, n.conn) }()
	return n
}

func (n *neighbor) says(messages ...*bgp.BGPMessage) {
	n.Helper()
	for _, m := range messages {
		b, err := m.Serialize()
		if err == nil {
			_, err = n.conn.Write(b)
		}
		if err != nil {
			n.Fatal(err)
		}
	}
}

// hosts are messages that announce so many hosts at 10.0.0.2 in VNI 33, or withdraw them.
func hosts(t testing.TB, first, count int, announced bool) (all []byte) {
	t.Helper()
	rd, err := bgp.ParseRouteDistinguisher("10.0.0.2:33")
	if err != nil {
		t.Fatal(err)
	}
	for first, end := first, first+count; first < end; {
		var routes []bgp.PathNLRI
		for ; first < end && len(routes) < 100; first++ {
			var mac [8]byte
			binary.BigEndian.PutUint64(mac[:], 0x02_00_00_00_00_00+uint64(first))
			nlri, err := bgp.NewEVPNMacIPAdvertisementRoute(rd, bgp.EthernetSegmentIdentifier{}, 0, net.HardwareAddr(mac[2:]).String(), netip.Addr{}, []uint32{33})
			if err != nil {
				t.Fatal(err)
			}
			routes = append(routes, bgp.PathNLRI{NLRI: nlri})
		}
		var attrs []bgp.PathAttributeInterface
		if announced {
			reach, err := bgp.NewPathAttributeMpReachNLRI(bgp.RF_EVPN, routes, netip.MustParseAddr("10.0.0.2"))
			if err != nil {
				t.Fatal(err)
			}
			attrs = []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{65002})}), reach,
				bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65002, 33, true), bgp.NewEncapExtended(bgp.TUNNEL_TYPE_VXLAN)})}
		} else {
			unreach, err := bgp.NewPathAttributeMpUnreachNLRI(bgp.RF_EVPN, routes)
			if err != nil {
				t.Fatal(err)
			}
			attrs = []bgp.PathAttributeInterface{unreach}
		}
		m, err := bgp.NewBGPUpdateMessage(nil, attrs, nil).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m...)
	}
	return all
}

// alone is a bridge in this process, with a database of this one and a neighbor at 127.0.0.2.
type alone struct {
	testing.TB
	bridge *evpn.Bridge
	rows   *idl.Client
	last   *idl.Snapshot
	port   int
}

func newAlone(t testing.TB, most uint32) *alone {
	t.Helper()
	db, err := server.New(server.Options{})
	if err == nil {
		err = db.AddMemory(hwvtep.Schema())
	}
	sock := "unix:" + filepath.Join(t.TempDir(), "db.sock")
	if err == nil {
		err = db.AddRemote("p" + sock)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	targets, _, err := idl.ParseTargets(sock, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	t.Cleanup(func() { cancel(); <-done; <-done })
	a := &alone{TB: t, port: freePort(t)}
	a.rows = idl.New(idl.Options{Database: hwvtep.Database, Targets: targets, Tables: map[string][]string{hwvtep.TableUcastMACRemote: {"MAC", "locator"}, hwvtep.TablePhysicalSwitch: {"name"}}})
	go func() { _ = a.rows.Run(ctx); done <- struct{}{} }()
	tx := hwvtep.NewTxn(nil)
	tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
	tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
	a.await(func() bool { return a.rows.Connected() })
	if _, err := a.rows.Transact(ctx, tx.Ops()); err != nil {
		t.Fatal(err)
	}
	a.bridge = evpn.New(evpn.Options{Config: &evpn.Config{AS: 65001, RouterID: netip.MustParseAddr("10.0.0.1"), Listen: []string{"127.0.0.1"}, Port: a.port,
		Neighbors: []evpn.Neighbor{{Address: netip.MustParseAddr("127.0.0.2"), AS: 65002, Passive: true, MaxRoutes: most}}}})
	go func() { _ = a.bridge.Run(ctx, sock); done <- struct{}{} }()
	return a
}

// await waits until the rows are as they should be.
func (a *alone) await(right func() bool) {
	a.Helper()
	end := time.After(3 * deadline)
	for !right() {
		select {
		case <-a.rows.Updates():
			if s, _ := a.rows.Take(); s != nil {
				a.last = s
			}
		case <-end:
			s, err := a.bridge.Status(context.Background())
			a.Fatalf("not in time: %v, %v", s, err)
		}
	}
}

func (a *alone) count() int {
	if a.last == nil {
		return 0
	}
	return a.last.Table(hwvtep.TableUcastMACRemote).Len()
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// sends sends what has been prepared.
func (n *neighbor) sends(messages []byte) {
	n.Helper()
	if _, err := n.conn.Write(messages); err != nil {
		n.Fatal(err)
	}
}

// whole says that all routes have been sent.
func (n *neighbor) whole() {
	n.Helper()
	n.says(bgp.NewEndOfRib(bgp.RF_EVPN))
}

// Many routes become rows, and go.
func TestManyRoutes(t *testing.T) {
	const n = 5_000
	a := newAlone(t, 0)
	nb := connects(t, a.port)
	nb.sends(hosts(t, 0, n, true))
	nb.whole()
	a.await(func() bool { return a.count() == n })
	nb.sends(hosts(t, 0, n-1, false))
	a.await(func() bool { return a.count() == 1 })
}

// A neighbor with far more routes than it may have loses its session, with all rows, and what that needs is bounded: a
// million of them where there is time.
func TestMillionRoutes(t *testing.T) {
	n, most := 20_000, 5_000
	if testenv.Effort(t) > 1 {
		n, most = 1_000_000, 0
	}
	a := newAlone(t, uint32(most))
	nb := connects(t, a.port)
	start, highest, refused := time.Now(), 0, false
	for first := 0; first < n && !refused; first += 10_000 {
		if _, err := nb.conn.Write(hosts(t, first, 10_000, true)); err != nil {
			refused = true // as it should
		}
	}
	testenv.Eventually(t, 3*deadline, func() error {
		s, err := a.bridge.Status(t.Context())
		if err != nil {
			return err
		}
		of := s.Neighbors[0]
		highest = max(highest, of.Routes)
		if !strings.Contains(of.Reason, "max-routes") || of.Routes > 0 {
			return fmt.Errorf("%+v", of)
		}
		return nil
	})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if limit := cmp.Or(most, evpn.MaxRoutes); highest > limit+100 { // by one message
		t.Errorf("%d routes at once, of %d", highest, limit)
	}
	a.await(func() bool { return a.count() == 0 })
	t.Logf("over after %v; %d MiB of memory, database and its reader included", time.Since(start), m.Sys>>20)
}
