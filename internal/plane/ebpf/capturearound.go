package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// The packets around frames are seen where they are on the wire: at the devices of the underlay, by a packet
// socket, as tcpdump sees them. So it does not matter who has made them, a program or the vxlan device.

// aroundBuffer is how many bytes of packets wait to be read.
const aroundBuffer = 8 << 20

// around is the socket.
type around struct {
	file    *os.File
	port    uint16
	dropped atomic.Uint64
}

// openAround opens it. p.mu is held.
func (p *Plane) openAround() (*around, error) {
	a := &around{port: p.opts.Port}
	err := p.space.Run(func() (err error) {
		a.file, err = openPackets(vxlanFilter(a.port))
		return err
	})
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w: it needs the capability CAP_NET_RAW", err)
	}
	if err != nil {
		return nil, fmt.Errorf("see packets of the underlay: %w", err)
	}
	return a, nil
}

// openPackets opens a packet socket that gets what the filter lets through, of all devices.
func openPackets(filter []bpf.Instruction) (*os.File, error) {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	prog := make([]unix.SockFilter, 0, len(raw))
	for _, i := range raw {
		prog = append(prog, unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_PACKET, unix.PACKET_AUXDATA, 1}, {unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
	} {
		if err == nil {
			err = unix.SetsockoptInt(fd, o.level, o.name, o.value)
		}
	}
	if err == nil && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, aroundBuffer) != nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, aroundBuffer) // as much as the host allows
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL)})
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "packets of the underlay"), nil
}

func networkOrder(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// vxlanFilter lets UDP packets to the port through, and the later fragments of any.
func vxlanFilter(port uint16) []bpf.Instruction {
	const accept, refuse = 1 << 18, 0
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Val: unix.ETH_P_IP, SkipFalse: 7},
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Val: unix.IPPROTO_UDP, SkipFalse: 10},
		bpf.LoadAbsolute{Off: 20, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 9},
		bpf.LoadMemShift{Off: 14},
		bpf.LoadIndirect{Off: 16, Size: 2},
		bpf.JumpIf{Val: uint32(port), SkipTrue: 6, SkipFalse: 5},
		bpf.JumpIf{Val: unix.ETH_P_IPV6, SkipFalse: 4},
		bpf.LoadAbsolute{Off: 20, Size: 1},
		bpf.JumpIf{Val: unix.IPPROTO_UDP, SkipFalse: 2},
		bpf.LoadAbsolute{Off: 56, Size: 2},
		bpf.JumpIf{Val: uint32(port), SkipTrue: 1},
		bpf.RetConstant{Val: refuse},
		bpf.RetConstant{Val: accept},
	}
}

func (a *around) close() { a.file.Close() }

// lost says how many packets there was no room for.
func (a *around) lost() uint64 {
	conn, err := a.file.SyscallConn()
	if err != nil {
		return a.dropped.Load()
	}
	_ = conn.Control(func(fd uintptr) {
		if st, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			a.dropped.Add(uint64(st.Drops)) // the kernel begins anew with each reading
		}
	})
	return a.dropped.Load()
}

// readAround shows what comes by the socket, until it is closed.
func (p *Plane) readAround(set *captureSet, a *around) {
	conn, err := a.file.SyscallConn()
	if err != nil {
		p.log.Warn("packets of the underlay can't be read", "err", err)
		return
	}
	buf, oob := make([]byte, 1<<18), make([]byte, 256)
	for {
		var n, oobn int
		var from unix.Sockaddr
		var failed error
		err := conn.Read(func(fd uintptr) bool {
			n, oobn, _, from, failed = unix.Recvmsg(int(fd), buf, oob, unix.MSG_TRUNC)
			return failed != unix.EAGAIN
		})
		if err != nil {
			return // it is closed
		}
		if failed != nil {
			continue // a device went down: there will be others
		}
		where, ok := from.(*unix.SockaddrLinklayer)
		if !ok {
			continue
		}
		if c := p.aroundCaptured(set, a.port, buf[:min(n, len(buf))], n, where, oob[:oobn]); c != nil {
			p.showCaptured(c)
		}
	}
}

// aroundCaptured says what a packet is; nil: none of the VTEP's.
func (p *Plane) aroundCaptured(set *captureSet, port uint16, b []byte, length int, where *unix.SockaddrLinklayer, oob []byte) *plane.Captured {
	names := set.names.Load()
	if names == nil || names.ways[where.Ifindex] == "" {
		return nil
	}
	o, ok := parseOuter(b, port)
	if !ok {
		return nil
	}
	c := &plane.Captured{At: time.Now(), What: plane.CameIn, Device: names.ways[where.Ifindex], Data: b, Length: length, Inner: o.inner}
	end, peer := o.dst, &c.From
	t := intent.Tunnel{Peer: o.src, VNI: o.vni}
	if where.Pkttype == unix.PACKET_OUTGOING {
		c.What, end, peer = plane.WentOut, o.src, &c.To
		t.Peer = o.dst
	}
	if !names.ends[layout.AddressOf(end)] {
		return nil
	}
	peer.Tunnel = t
	if !o.rest {
		c.Switch = p.switchOf(t)
	}
	readMessages(c, oob)
	return c
}

// readMessages takes what the kernel says beside a packet: when it came, and the tag that it has taken out of it.
func readMessages(c *plane.Captured, oob []byte) {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for _, m := range all {
		switch {
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})):
			ts := *(*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
			c.At = time.Unix(ts.Unix())
		case m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= int(unsafe.Sizeof(unix.TpacketAuxdata{})):
			aux := *(*unix.TpacketAuxdata)(unsafe.Pointer(&m.Data[0]))
			if aux.Status&unix.TP_STATUS_VLAN_VALID != 0 && len(c.Data) >= 12 {
				proto := aux.Vlan_tpid
				if aux.Status&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
					proto = unix.ETH_P_8021Q
				}
				c.Data = withTag(c.Data, proto, aux.Vlan_tci)
				c.Length += 4
			}
		}
	}
}

// withTag is the frame with a tag more.
func withTag(b []byte, proto, tci uint16) []byte {
	out := append(make([]byte, 0, len(b)+4), b[:12]...)
	out = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(out, proto), tci)
	return append(out, b[12:]...)
}

// outer is what a packet says that is around a frame.
type outer struct {
	src, dst netip.Addr
	vni      uint32
	inner    []byte
	rest     bool // it is a later fragment: the VNI is not in it
}

// parseOuter reads a packet with its Ethernet header; false: it is none of VXLAN.
func parseOuter(b []byte, port uint16) (o outer, ok bool) {
	const ethernet, ipv4, ipv6, udp, vxlan = 14, 20, 40, 8, 8
	if len(b) < ethernet+ipv4+udp {
		return o, false
	}
	ip := b[ethernet:]
	switch binary.BigEndian.Uint16(b[12:]) {
	case unix.ETH_P_IP:
		o.src, o.dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		o.rest = binary.BigEndian.Uint16(ip[6:])&0x1fff != 0
		ip = ip[min(int(ip[0]&15)*4, len(ip)):]
	case unix.ETH_P_IPV6:
		if len(ip) < ipv6+udp {
			return o, false
		}
		o.src, o.dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
		ip = ip[ipv6:]
	default:
		return o, false
	}
	if o.rest {
		return o, true
	}
	if len(ip) < udp+vxlan || binary.BigEndian.Uint16(ip[2:]) != port {
		return o, false
	}
	o.vni = binary.BigEndian.Uint32(ip[udp+4:]) >> 8
	o.inner = ip[udp+vxlan:]
	return o, true
}

// switchOf is the switch that frames of a tunnel enter; zero: none.
func (p *Plane) switchOf(t intent.Tunnel) (id intent.SwitchID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return id
	}
	var d layout.Decap
	ok := false
	if pr := p.contents.Peers[t.Peer]; pr != nil {
		d, ok = p.contents.DecapFor(layout.TunnelKey{Peer: pr.Number, VNI: t.VNI})
	}
	if !ok && p.overlay.anySource {
		d, ok = p.contents.DecapFor(layout.TunnelKey{VNI: t.VNI})
	}
	if dom := p.contents.Domains[d.BD]; ok && dom != nil {
		id = dom.ID
	}
	return id
}
