package evpn

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/testenv"
)

const deadline = 90 * time.Second

// ownAddress is one of this process alone, of which nobody else has ownPort: none of the ports that the kernel gives to connections. One that was free
// a moment ago may be that of a connection by then.
func ownAddress(n byte) string {
	return netip.AddrFrom4([4]byte{127, n, byte(os.Getpid() >> 8), byte(os.Getpid())}).String()
}

const ownPort = 11790

// bed is a bridge with a database, in this process, and a neighbour that says what the test has it say.
type bed struct {
	testing.TB
	bridge   *Bridge
	database *server.Server
	remote   string      // by which the bridge connects
	operator *idl.Client // at the machine of a server with Roles
	listener net.Listener
	conn     net.Conn
	told     io.Writer // what the bridge tells the neighbor
}

// newBed starts it; rows are made before.
func newBed(t *testing.T, n Neighbor, rows func(tx *hwvtep.Txn)) *bed {
	t.Helper()
	return newBedOf(t, hwvtep.Schema().AppendJSON(nil), server.Options{}, n, rows)
}

// newBedOf is newBed with a database of another schema, or server. The bridge of one with Roles connects by TCP.
func newBedOf(t *testing.T, schema []byte, opts server.Options, n Neighbor, rows func(tx *hwvtep.Txn)) *bed {
	t.Helper()
	s := &bed{TB: t, told: io.Discard}
	file := filepath.Join(t.TempDir(), "vtep.db")
	l, err := storage.Create(file, schema, storage.Options{})
	if err == nil {
		err = l.Close()
	}
	if err == nil {
		s.database, err = server.New(opts)
	}
	if err == nil {
		_, err = s.database.AddDatabase(file)
	}
	at := "unix:" + filepath.Join(t.TempDir(), "db.sock")
	s.remote = "p" + at
	if opts.Roles != nil {
		here := ownAddress(60)
		at, s.remote = fmt.Sprintf("tcp:%s:%d", here, ownPort), fmt.Sprintf("ptcp:%d:%s", ownPort, here)
	}
	if err == nil {
		err = s.database.AddRemote(s.remote)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.database.Close() })
	if s.listener, err = net.Listen("tcp", "127.0.0.2:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.listener.Close() })
	peer := s.listener.Addr().(*net.TCPAddr).AddrPort()
	n.Address, n.Port, n.AS = peer.Addr(), peer.Port(), 65002
	s.bridge = New(Options{Config: &Config{AS: 65001, RouterID: low, Port: -1, Neighbors: []Neighbor{n}}})
	ctx, cancel := context.WithCancel(context.Background())
	operator := idl.New(idl.Options{Database: hwvtep.Database, Dial: func(context.Context) (net.Conn, error) { return s.database.Pipe() }, Tables: tables})
	gone := make(chan struct{})
	go func() { defer close(gone); _ = operator.Run(ctx) }() // till the end of ctx
	t.Cleanup(func() { cancel(); <-gone })
	snapshot, err := operator.WaitReady(ctx)
	if err == nil {
		tx := hwvtep.NewTxn(hwvtep.NewView[*idl.Table](snapshot).Layout())
		rows(tx)
		_, err = operator.Transact(ctx, tx.Ops())
	}
	if err != nil {
		t.Fatal(err)
	}
	if opts.Roles != nil {
		s.operator = operator
	}
	ended := make(chan error, 1)
	go func() { ended <- s.bridge.Run(ctx, at) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return s
}

// write has rows written by somebody else than the bridge.
func (s *bed) write(rows func(tx *hwvtep.Txn)) {
	s.Helper()
	var tx *hwvtep.Txn
	testenv.Eventually(s, deadline, func() error {
		err := s.bridge.ask(s.Context(), func() {
			db := s.bridge.database
			if db.take(); db.view != nil {
				tx = hwvtep.NewTxn(db.view.Layout())
				rows(tx)
			}
		})
		if err == nil && tx == nil {
			err = errors.New("the database is not read yet")
		}
		return err
	})
	by := s.bridge.database.replica
	if s.operator != nil {
		by = s.operator
	}
	if _, err := by.Transact(s.Context(), tx.Ops()); err != nil {
		s.Fatal(err)
	}
}

// up opens a session, as a neighbour that says when it has sent everything, and whose routes go with the session.
func (s *bed) up() {
	s.Helper()
	s.opens(65002, bgp.NewCapGracefulRestart(false, false, 0, []*bgp.CapGracefulRestartTuple{}))
	s.established(true)
}

// opens begins a session, and does not wait for it; what is said behind that goes with it.
func (s *bed) opens(as uint16, restart *bgp.CapGracefulRestart, behind ...byte) {
	s.Helper()
	conn, err := s.listener.Accept()
	if err != nil {
		s.Fatal(err)
	}
	s.conn = conn
	s.Cleanup(func() { _ = conn.Close() })
	open, err := bgp.NewBGPOpenMessage(as, 90, netip.MustParseAddr("10.0.0.2"), []bgp.OptionParameterInterface{bgp.NewOptionParameterCapability([]bgp.ParameterCapabilityInterface{
		bgp.NewCapMultiProtocol(bgp.RF_EVPN), bgp.NewCapFourOctetASNumber(uint32(as)), bgp.NewCapExtendedMessage(), restart})})
	if err != nil {
		s.Fatal(err)
	}
	var said []byte
	for _, m := range []*bgp.BGPMessage{open, bgp.NewBGPKeepAliveMessage()} {
		b, err := m.Serialize()
		if err != nil {
			s.Fatal(err)
		}
		said = append(said, b...)
	}
	s.raw(append(said, behind...))
	go func() { _, _ = io.Copy(s.told, conn) }()
}

func (s *bed) established(want bool) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error {
		status, err := s.bridge.Status(s.Context())
		if err == nil && (status.Neighbors[0].State == "established") != want {
			err = fmt.Errorf("the session is %s (%s)", status.Neighbors[0].State, status.Neighbors[0].Reason)
		}
		return err
	})
}

func (s *bed) send(m *bgp.BGPMessage) {
	s.Helper()
	b, err := m.Serialize()
	if err != nil {
		s.Fatal(err)
	}
	s.raw(b)
}

func (s *bed) raw(b []byte) {
	s.Helper()
	if _, err := s.conn.Write(b); err != nil {
		s.Fatal(err)
	}
}

// announce announces a route, with what change makes of the bytes of the update.
func (s *bed) announce(r *route, change func(update []byte) []byte) {
	s.Helper()
	s.raw(s.update(r, change))
}

func (s *bed) update(r *route, change func(update []byte) []byte) []byte {
	s.Helper()
	p, err := encode(r)
	if err != nil {
		s.Fatal(err)
	}
	attrs := append(p.Attrs, bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{65002})}))
	b, err := bgp.NewBGPUpdateMessage(nil, attrs, nil).Serialize()
	if err != nil {
		s.Fatal(err)
	}
	if change != nil {
		b = change(b)
		binary.BigEndian.PutUint16(b[16:], uint16(len(b)))
	}
	return b
}

// whole says that all has been announced.
func (s *bed) whole() {
	s.Helper()
	s.send(bgp.NewEndOfRib(bgp.RF_EVPN))
}

// knows waits until a MAC, or a prefix, is told of with these words; "": of nothing.
func (s *bed) knows(about, want string) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error {
		all, err := s.bridge.Routes(s.Context(), about)
		if err != nil {
			return err
		}
		text := ""
		for _, r := range all {
			text += r.String() + "\n"
		}
		if !strings.Contains(text, want) || want == "" && text != "" {
			return fmt.Errorf("of %s is told %q, want %q", about, text, want)
		}
		return nil
	})
}

func hostAt(mac string, vtep netip.Addr) *route {
	return &route{key: key{kind: MACIP, rd: "10.0.0.2:33", mac: mac}, vtep: vtep, vni: 33, targets: []target{{"65002", false, 33}}}
}

// A neighbour says what no speaker should, or what this one does not know: the session goes on, everything else of it
// counts, and what was left out is told.
func TestBadNeighbor(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		l := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
		tx.InsertARPSourceLocal(hwvtep.ARPSourceLocal{SrcMAC: "02:00:00:00:99:01", Locator: l})
		tx.InsertLogicalRouter(hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: map[string]hwvtep.UUID{"10.1.0.1/24": ls}, OtherConfig: map[string]string{"router_mac": "02:00:00:00:99:02"}})
	})
	s.up()
	mac := func(i int) string { return fmt.Sprintf("02:00:00:00:00:%02x", i) }
	reach := func(update []byte) int { // where the first route begins
		i := strings.Index(string(update), string([]byte{0, 25, 70, 4, 10, 0}))
		if i < 0 {
			t.Fatalf("%x", update)
		}
		return i + 9
	}
	s.announce(hostAt(mac(1), high), nil)
	s.announce(hostAt(mac(2), high), func(b []byte) []byte { b[reach(b)] = 6; return b }) // SMET, RFC 9251
	s.announce(hostAt(mac(3), high), func(b []byte) []byte { b[reach(b)] = 99; return b })
	s.announce(hostAt(mac(4), high), func(b []byte) []byte { b[reach(b)+2+22] = 32; return b }) // a MAC of 32 bits
	s.announce(hostAt(mac(5), high), func(b []byte) []byte {                                    // RFC 9047, in place of the encapsulation
		i := strings.Index(string(b), string([]byte{0x03, 0x0c, 0, 0, 0, 0, 0, 8}))
		copy(b[i:], []byte{0x06, 0x08, 0x01, 0, 0, 0, 0, 0})
		return b
	})
	s.announce(hostAt(mac(6), low), nil)
	s.announce(hostAt("02:00:00:00:99:01", high), nil)
	s.announce(hostAt("02:00:00:00:99:02", high), nil)
	s.announce(hostAt("01:00:5e:00:00:01", high), nil)
	s.whole()
	s.knows(mac(1), ": row in ls0")
	s.knows(mac(2), "")
	s.knows(mac(3), "")
	s.knows(mac(4), "")
	s.knows(mac(5), ": row in ls0")
	s.knows(mac(6), "claims a tunnel IP of ours")
	s.knows("02:00:00:00:99:01", "claims the MAC of a router here")
	s.knows("02:00:00:00:99:02", "claims the MAC of a router here")
	s.knows("01:00:5e:00:00:01", "no MAC of a host")
	s.established(true)
	status, err := s.bridge.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(status.Neighbors[0].Ignored, status.Neighbors[0].Flaps, status.Refused); got != "map[malformed route:1 route type 6:1 route type 99:1] 0 "+
		"map[claims a tunnel IP of ours:1 claims the MAC of a router here:2 no MAC of a host:1]" {
		t.Error(got)
	}

	// What has no form at all ends the session. The next one is as good as any.
	s.raw([]byte(strings.Repeat("\xff", 16) + "\x00\x1d\x02" + strings.Repeat("\xff", 10)))
	s.established(false)
	s.up()
	s.announce(hostAt(mac(1), high), nil)
	s.whole()
	s.knows(mac(1), ": row in ls0")
	s.knows(mac(5), "")
}

// A host that comes and goes more often than rows can be written costs fewer transactions than it has moved, and its
// row is right at the end.
func TestFlapping(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
	})
	s.up()
	s.whole()
	const times = 1000
	r := hostAt("02:00:00:00:00:01", high)
	p, err := encode(r)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := bgp.NewPathAttributeMpUnreachNLRI(bgp.RF_EVPN, []bgp.PathNLRI{{NLRI: p.Nlri}})
	if err != nil {
		t.Fatal(err)
	}
	for range times {
		s.announce(r, nil)
		s.send(bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{gone}, nil))
	}
	s.announce(r, nil)
	s.announce(hostAt("02:00:00:00:00:02", high), nil)
	s.knows("02:00:00:00:00:02", ": row in ls0")
	testenv.Eventually(t, deadline, func() error {
		rows := 0
		if err := s.bridge.ask(t.Context(), func() {
			for range s.bridge.database.view.UcastMACsRemote() {
				rows++
			}
		}); err != nil || rows != 2 {
			return fmt.Errorf("%d rows, %v", rows, err)
		}
		return nil
	})
	status, err := s.bridge.Status(t.Context())
	if err != nil || status.Transactions > times || status.Failures > 0 {
		t.Errorf("%d transactions, %d failures, %v", status.Transactions, status.Failures, err)
	}
}

// A neighbour with more routes than it may have loses the session, and the status says why.
func TestTooManyRoutes(t *testing.T) {
	s := newBed(t, Neighbor{MaxRoutes: 3}, func(tx *hwvtep.Txn) {
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
	})
	s.up()
	for i := range 5 {
		s.announce(hostAt(fmt.Sprintf("02:00:00:00:00:%02x", i), high), nil)
	}
	s.established(false)
	testenv.Eventually(t, deadline, func() error {
		status, err := s.bridge.Status(t.Context())
		if err == nil && (!strings.Contains(status.Neighbors[0].Reason, "max-routes: 3") || status.Neighbors[0].Routes != 0) {
			err = fmt.Errorf("%+v", status.Neighbors[0])
		}
		return err
	})
	more := *s.bridge.Config() // when it may announce more it is not waited for long
	more.Neighbors = []Neighbor{more.Neighbors[0]}
	more.Neighbors[0].MaxRoutes = 5
	if _, _, err := s.bridge.Reconfigure(t.Context(), &more); err != nil {
		t.Fatal(err)
	}
	s.up()
	s.announce(hostAt(host1, high), nil)
	s.rows(host1 + ">10.0.0.2")
}

// A neighbor that may announce more before its session has ended gets one more, and not a third one when the end is noticed.
func TestAdmittedBeforeTheEnd(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	if err := s.bridge.ask(t.Context(), func() {
		of := s.bridge.sessions[s.bridge.Config().Neighbors[0].Address]
		of.routes = of.most + 1
		s.bridge.limit(of.address)
		of.routes = 0
		s.bridge.admit(of)
	}); err != nil {
		t.Fatal(err)
	}
	s.up()
	s.announce(hostAt(host1, high), nil)
	s.rows(host1 + ">10.0.0.2")
	time.Sleep(pause + time.Second)
	if now := s.status().Neighbors[0]; now.Flaps != 1 || now.State != "established" {
		t.Errorf("%+v", now)
	}
}

// A session is not refused any more when the neighbor has been admitted again meanwhile, or has been replaced.
func TestRefusedTooLate(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	var of, replaced *session
	if err := s.bridge.ask(t.Context(), func() {
		of = s.bridge.sessions[s.bridge.Config().Neighbors[0].Address]
		replaced = &session{peerState: peerState{address: of.address}, over: true}
	}); err != nil {
		t.Fatal(err)
	}
	for _, late := range []*session{of, replaced} {
		s.bridge.refuse(late, "too many routes")
	}
	s.announce(hostAt(host1, high), nil)
	s.rows(host1 + ">10.0.0.2")
	if now := s.status().Neighbors[0]; now.Flaps > 0 {
		t.Errorf("the session has ended: %+v", now)
	}
}
