package test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// The ends of a tunnel of IPv6.
var own6, peer6 = netip.MustParseAddr("fd00:2::1"), netip.MustParseAddr("fd00:2::2")

// What dst_ip says decides the family of a tunnel: peers of both are in one switch, and in one
// flood set; the switch has a tunnel IP of each. BFD watches the one with IPv6 as others.
func TestIPv6Peer(t *testing.T) {
	w := newWorld(t)
	w.basic()
	own, peer, mac := own6.String(), peer6.String(), "02:00:00:00:06:06"
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
	watch := w.watchers(peer6)
	w.tunnels(lab.RemoteIP.String(), peer)
	for tunnel := range w.now().Tunnels() {
		if l, _ := w.now().PhysicalLocator(tunnel.Remote); l.DstIP == peer {
			w.ctl(fmt.Sprintf("set Tunnel %v bfd_params:enable=true bfd_params:min_rx=1000 bfd_params:min_tx=300", tunnel.UUID))
		}
	}
	watch.status(peer6, statusUp)
	w.closeReplica()
	w.signal(syscall.SIGKILL)
	w.start(usual...)
	watch.status(peer6, statusUp)
	if n := watch.flaps(); n != 0 {
		t.Errorf("the peer has noticed %d restarts", n)
	}
	if text := w.env.Output(t, testenv.Program(t, "ovs-appctl"), "-t", w.control(), "bfd/show", peer); !strings.Contains(text, "Local Session State: up") {
		t.Errorf("bfd/show says\n%s", text)
	}
}
