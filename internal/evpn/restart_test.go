package evpn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	bgpserver "github.com/osrg/gobgp/v4/pkg/server"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/testenv"
)

// helper is a GoBGP that keeps the routes of a neighbour that restarts gracefully. It is another process: those of one
// share variables, which StartBgp writes to.
type helper struct {
	testing.TB
	at string // where it listens

	mu    sync.Mutex
	known map[string]bool // MACs
	lost  []string        // MACs that were withdrawn, each time
	whole int             // how often the neighbour has said that it has said all
}

// helperVariable makes the test program a helper, at this address.
const helperVariable = "VTEP_TEST_EVPN_HELPER"

func TestMain(m *testing.M) {
	if at := os.Getenv(helperVariable); at != "" {
		if err := help(at); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// help says what the helper hears, a line "MAC true", or "MAC false" where it is withdrawn, and "end true" for an End-of-RIB, until nobody
// writes to it any more.
func help(at string) error {
	bgp := bgpserver.NewBgpServer()
	go bgp.Serve()
	ctx := context.Background()
	err := bgp.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: 65002, RouterId: "10.0.0.2", ListenPort: ownPort, ListenAddresses: []string{at}}})
	if err != nil {
		return err
	}
	err = bgp.WatchEvent(ctx, bgpserver.WatchEventMessageCallbacks{OnBestPath: func(paths []*apiutil.Path, _ time.Time) {
		for _, p := range paths {
			if k, _ := keyOf(p.Nlri); k.kind == MACIP {
				fmt.Println(k.mac, !p.Withdrawal)
			}
		}
	}, OnPathEor: func(*apiutil.Path, time.Time) { fmt.Println(endOfRIB, true) }}, bgpserver.WatchBestPath(true), bgpserver.WatchEor(false))
	if err == nil {
		err = bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{
			Conf:            &api.PeerConf{NeighborAddress: "127.0.0.1", PeerAsn: 65001},
			Transport:       &api.Transport{PassiveMode: true, LocalAddress: at},
			GracefulRestart: &api.GracefulRestart{Enabled: true, RestartTime: 600},
			AfiSafis: []*api.AfiSafi{{Config: &api.AfiSafiConfig{Family: &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}, Enabled: true},
				MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: true}}}}}})
	}
	if err == nil {
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	return err
}

func newHelper(t *testing.T) *helper {
	t.Helper()
	at := ownAddress(61)
	h := &helper{TB: t, at: at, known: map[string]bool{}}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprint(helperVariable, "=", at))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if mac, known, ok := strings.Cut(lines.Text(), " "); ok && (known == "true" || known == "false") {
				h.hear(mac, known == "true")
			}
		}
	})
	t.Cleanup(func() {
		_ = in.Close()
		reading.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the helper: %v", err)
		}
	})
	return h
}

func (h *helper) hear(mac string, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case mac == endOfRIB:
		h.whole++
	case known:
		h.known[mac] = true
	default:
		delete(h.known, mac)
		h.lost = append(h.lost, mac)
	}
}

// endOfRIB is in the place of a MAC for an End-of-RIB.
const endOfRIB = "end"

// hasAll waits until the neighbour has said all, once more than so many times. A speaker that restarts anew before that may lose what it had
// announced before (RFC 4724, section 4.2).
func (h *helper) hasAll(times int) {
	h.Helper()
	testenv.Eventually(h, deadline, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.whole <= times {
			return fmt.Errorf("the neighbor has said all %d times", h.whole)
		}
		return nil
	})
}

// knows waits until the helper has these MACs.
func (h *helper) knows(macs ...string) {
	h.Helper()
	testenv.Eventually(h, deadline, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, mac := range macs {
			if !h.known[mac] || len(h.known) != len(macs) {
				return fmt.Errorf("the neighbor knows %v, want %v", h.known, macs)
			}
		}
		return nil
	})
}

// A bridge that starts anew withdraws nothing that is still there from a neighbour that waits for it; what has gone meanwhile goes
// when the rest has been announced.
func TestRestartOfOurs(t *testing.T) {
	const first, second = "02:00:00:00:00:01", "02:00:00:00:00:02"
	db, err := server.New(server.Options{})
	if err == nil {
		err = db.AddMemory(hwvtep.Schema())
	}
	socket := filepath.Join(t.TempDir(), "db.sock")
	if err == nil {
		err = db.AddRemote("punix:" + socket)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h := newHelper(t)
	start := func() (s *bed, finish func()) {
		s = &bed{TB: t}
		s.bridge = New(Options{Config: &Config{AS: 65001, RouterID: low, Port: -1, Neighbors: []Neighbor{{Address: netip.MustParseAddr(h.at), Port: ownPort, AS: 65002,
			LocalAddress: netip.MustParseAddr("127.0.0.1"), Restart: 600}}}})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.bridge.Run(ctx, "unix:"+socket) }()
		finish = sync.OnceFunc(func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		t.Cleanup(finish)
		return s, finish
	}
	s, finish := start()
	var ls, here hwvtep.UUID
	s.write(func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls = tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		here = tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
		for _, mac := range []string{first, second} {
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, LogicalSwitch: ls, Locator: here})
		}
	})
	h.knows(first, second)
	h.hasAll(0)
	finish()
	h.knows(first, second)
	s, finish = start()
	s.said(first, map[string]int64{"": -1})
	h.hasAll(1)
	finish()
	s, _ = start()
	s.write(func(tx *hwvtep.Txn) {
		for row := range s.bridge.database.view.UcastMACsLocal() {
			if row.MAC == second {
				tx.DeleteUcastMACLocal(row.UUID)
			}
		}
	})
	h.knows(first)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.lost, []string{second}) {
		t.Errorf("%v were withdrawn, want %s alone, once", h.lost, second)
	}
}
