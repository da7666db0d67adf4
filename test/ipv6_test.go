package test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// What dst_ip says decides the family of a tunnel: peers of both are in one switch, and in one
// flood set; the switch has a tunnel IP of each.
func TestIPv6Peer(t *testing.T) {
	w := newWorld(t)
	w.basic()
	const own, peer, mac = "fd00:2::1", "fd00:2::2", "02:00:00:00:06:06"
	for node, ip := range map[lab.Node]string{lab.VTEP: own, lab.R1: peer} {
		for _, conf := range [][2]string{{"accept_dad", "0"}, {"disable_ipv6", "0"}} {
			if err := w.lab.Namespace(node).Sysctl("ipv6/conf/u0/"+conf[0], conf[1]); err != nil {
				t.Fatal(err)
			}
		}
		w.address(node, "u0", ip+"/64")
	}
	w.ctl("add-ucast-remote ls0 " + mac + " " + peer)
	w.problem("bad_locator: Logical_Switch ls0: dst_ip of a Physical_Locator: "+peer+": tunnel_ips has no address of this family", true)
	w.ctl("add Physical_Switch " + w.name + ` tunnel_ips "` + own + `"`)
	w.problem("bad_locator", false)
	w.ctl("set-replication-mode ls0 source_node -- add-mcast-remote ls0 unknown-dst " + peer)

	var remote net.PacketConn // a VTEP of the test's
	err := w.lab.Namespace(lab.R1).Do(func() (err error) {
		remote, err = net.ListenPacket("udp6", "["+peer+"]:4789")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	from := frame(lab.Host1.MAC, net.HardwareAddr{2, 0, 0, 0, 6, 6}, "from the IPv6 peer")
	packet := append(binary.BigEndian.AppendUint32([]byte{0x08, 0, 0, 0}, lab.VNIUntagged<<8), from...)
	h1 := w.h1()
	stop := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		for tick := time.Tick(20 * time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick:
				_, _ = remote.WriteTo(packet, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("["+own+"]:4789")))
			}
		}
	})
	h1.Until("from the IPv6 peer", says("from the IPv6 peer"))
	close(stop)
	sender.Wait()

	known := frame(net.HardwareAddr{2, 0, 0, 0, 6, 6}, lab.Host1.MAC, "known unicast")
	flooded := frame(station(7), lab.Host1.MAC, "unknown unicast")
	buf := make([]byte, 4096)
	for _, want := range [][]byte{known, flooded} {
		testenv.Eventually(t, patience, func() error {
			h1.Send(want)
			_ = remote.SetReadDeadline(time.Now().Add(time.Second))
			n, _, err := remote.ReadFrom(buf)
			if err != nil {
				return err
			}
			if n < 8 || binary.BigEndian.Uint32(buf[4:])>>8 != lab.VNIUntagged || !bytes.HasPrefix(buf[8:n], want) {
				return fmt.Errorf("the peer got % x", buf[:n])
			}
			return nil
		})
	}
}
