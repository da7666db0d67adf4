package evpn_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// gate is a way to a database, by which nothing comes while it is locked.
type gate struct{ sync.RWMutex }

// pass copies what comes. Both ways end together, as one connection does: else the server would keep a session, and its lock, that nobody hears.
func (g *gate) pass(to, from net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		g.RLock()
		if err == nil {
			_, err = to.Write(b[:n])
		}
		g.RUnlock()
		if err != nil {
			return
		}
	}
}

// newGate makes one before a socket, at another one.
func newGate(t testing.TB, socket string) (*gate, string) {
	t.Helper()
	g, at := &gate{}, filepath.Join(t.TempDir(), "gate.sock")
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", socket)
			if err != nil {
				_ = in.Close()
				continue
			}
			go g.pass(out, in)
			go g.pass(in, out)
		}
	}()
	return g, at
}

// FRR has a hold time, and the database says nothing for longer than that, while the rows of 10,000 hosts are to be written:
// the session goes on, and all have rows then.
func TestFRRHoldTime(t *testing.T) {
	const hold, hosts = 6 * time.Second, 10_000
	f := newFabric(t, "v", "10.0.0.1", fmt.Sprintf("as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n  hold-time: %d\n", int(hold.Seconds())))
	f.kill()
	var g *gate
	g, f.socket = newGate(t, f.socket)
	f.start()
	l := f.leaf(2, 65002, "")
	f.remote("unknown-dst>10.0.0.2")
	g.Lock()
	testnet.Link(l, l.ns, "h0", func(h *netlink.Handle, link netlink.Link) error {
		for i := range hosts {
			if err := h.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, State: netlink.NUD_REACHABLE,
				HardwareAddr: net.HardwareAddr{2, 0, 0, 1, byte(i >> 8), byte(i)}}); err != nil {
				return err
			}
		}
		return nil
	})
	status := func(want ...string) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			out := f.appctl("evpn/status")
			for _, w := range want {
				if !strings.Contains(out, w) {
					return fmt.Errorf("no %q:\n%s", w, out)
				}
			}
			return nil
		})
	}
	status(fmt.Sprintf(" %d routes", hosts+1))
	time.Sleep(2 * hold)
	g.Unlock()
	status(" established ", fmt.Sprintf(" %d routes", hosts+1))
	testenv.Eventually(t, deadline, func() error {
		if n := strings.Count(f.ctl("list-remote-macs", "ls0"), "02:00:00:01:"); n != hosts {
			return fmt.Errorf("%d rows", n)
		}
		return nil
	})
	if out := f.appctl("evpn/status"); strings.Contains(out, "ended") {
		t.Errorf("the session has ended:\n%s", out)
	}
	if out, err := l.vty("bgpd", "show bgp neighbors 10.0.0.1"); err != nil || !strings.Contains(out, "Connections established 1; dropped 0") || !strings.Contains(out, fmt.Sprintf("Hold time is %d", int(hold.Seconds()))) && !strings.Contains(out, "hold time is 6") {
		t.Errorf("%v:\n%s", err, out)
	}
}
