package agent_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/testenv"
)

// says is the ARP request of a host with a small number that tells everybody its address.
func says(host byte, ip string) []byte {
	mac := packet.MAC{2, 0, 0, 0, 0, host}
	a := packet.ARP{Op: packet.ARPRequest, SenderMAC: mac, SenderIP: netip.MustParseAddr(ip), TargetIP: netip.MustParseAddr(ip)}
	return a.Frame(packet.MAC{255, 255, 255, 255, 255, 255}, mac)
}

// What a host says of its IP address is in its row: through a move and a new process, until the row
// goes, and only where the switch listens.
func TestHostIPs(t *testing.T) {
	onBoth(t, func(r *rig) {
		fabric := newFabric("p0", "p1")
		v := r.start(fabric, agent.Options{Name: "br0"})
		r.howto()
		v.forwards("p0", frame(0xff, 1), "192.0.2.2/33", "p1")
		row := func(ip string) {
			t.Helper()
			if ip != "" {
				ip = " says " + ip
			}
			r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1"+ip)...)
		}
		row("")
		v.forwards("p0", says(1, "198.51.100.1"), "192.0.2.2/33", "p1")
		row("198.51.100.1")
		v.forwards("p0", says(1, "198.51.100.2"), "192.0.2.2/33", "p1")
		row("198.51.100.2")
		before := v.replica.transactions.Load()
		v.forwards("p0", says(1, "198.51.100.2"), "192.0.2.2/33", "p1")

		// It moves with the MAC, to a port where all frames have a tag.
		tagged := append(append(append([]byte(nil), frame(0xff, 1)[:12]...), 0x81, 0, 0, 100), frame(0xff, 1)[12:]...)
		v.forwards("p1", tagged, "192.0.2.2/33", "p0")
		v.forwards("p0", frame(0xff, 2), "192.0.2.2/33", "p1")
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1 says 198.51.100.2", "ucast ls0 02:00:00:00:00:02 192.0.2.1")...)
		if n := v.replica.transactions.Load() - before; n > 2 {
			t.Errorf("%d transactions for one new MAC", n)
		}

		v.stop()
		fabric.FromPort("p0", says(2, "198.51.100.9")) // while there is none
		r.start(fabric, agent.Options{Name: "br0"})
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1 says 198.51.100.2", "ucast ls0 02:00:00:00:00:02 192.0.2.1 says 198.51.100.9")...)

		r.ctl("set", "Physical_Switch", "br0", "other_config:snoop_ips=false")
		r.rows(append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1", "ucast ls0 02:00:00:00:00:02 192.0.2.1")...)
		r.ctl("set", "Logical_Switch", "ls0", "other_config:snoop_ips=true")
		want := append(howtoRows, "ucast ls0 02:00:00:00:00:01 192.0.2.1", "ucast ls0 02:00:00:00:00:02 192.0.2.1 says 198.51.100.9")
		slices.Sort(want)
		testenv.Eventually(r, deadline, func() error {
			fabric.FromPort("p0", says(2, "198.51.100.9")) // nothing else says when the option is in force
			if got := reported(r.view()); !slices.Equal(got, want) {
				return fmt.Errorf("rows say %q, want %q", got, want)
			}
			return nil
		})
		r.ctl("unbind-ls", "br0", "p0", "0", "--", "unbind-ls", "br0", "p1", "100")
		r.ctl("clear-remote-macs", "ls0")
		r.rows()
	})
}
