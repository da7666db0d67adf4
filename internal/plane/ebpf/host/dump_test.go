package host

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// TestWhole reads again what changed under the reading, not without end, and tells of what else failed.
func TestWhole(t *testing.T) {
	other := errors.New("something else")
	for name, c := range map[string]struct {
		interrupted, reads int
		then, want         error
	}{
		"at rest":   {0, 1, nil, nil},
		"changed":   {3, 4, nil, nil},
		"changing":  {1000, readings, nil, nil},
		"failed":    {0, 1, other, other},
		"failed on": {2, 3, other, other},
	} {
		reads := 0
		got, err := whole(func() (int, error) {
			if reads++; reads <= c.interrupted {
				return reads, netlink.ErrDumpInterrupted
			}
			return reads, c.then
		})
		if got != c.reads || !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: read %d times, %v", name, got, err)
		}
	}
}

// TestDevicesChange reads the devices and all else of a host while very many addresses come, as when a machine starts.
func TestDevicesChange(t *testing.T) {
	n := testenv.Netns(t, "host")
	testnet.Links(t, n, func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "p0"}, PeerName: "p1"})
	})
	testnet.Up(t, n, "p0")
	var s *Namespace
	err := n.Do(func() (err error) {
		s, err = Open()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const addresses = 3000
	done := make(chan error, 1)
	testnet.Link(t, n, "p0", func(h *netlink.Handle, l netlink.Link) error {
		go func() {
			var err error
			for i := 0; i < addresses && err == nil; i++ {
				a, _ := netlink.ParseAddr(fmt.Sprintf("10.%d.%d.1/24", i/250, i%250))
				err = h.AddrAdd(l, a)
			}
			done <- err
		}()
		for {
			select {
			case err := <-done:
				return err
			default:
			}
			if d, err := s.Devices(); err != nil || d.Named("p0").Index == 0 {
				t.Errorf("%d devices, %v", len(d.ByIndex), err)
				return <-done
			}
		}
	})
	if d, err := s.Devices(); err != nil || len(d.Addrs) < addresses {
		t.Errorf("%d addresses, %v", len(d.Addrs), err)
	}
}
