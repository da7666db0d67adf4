package doctor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Tunnel is what Probe tries.
type Tunnel struct {
	From, To netip.Addr // tunnel IPs, of one family
	VNI      uint32
	UDPPort  int           // of VXLAN
	Host     netip.Addr    // IPv4, of a host behind the peer that is asked for its MAC; the zero Addr: none is
	Size     int           // of the largest packet that the underlay has to take, in bytes from the IP header on; 0: no matter
	Wait     time.Duration // for answers
}

// Probe sends packets to a peer as a tunnel does, with a question (ARP) for a host behind it, and tells what
// comes back: the host's answer, errors of ICMP, or nothing. The question comes from a MAC that no host
// has, which the peer may learn for a while.
func Probe(ctx context.Context, t Tunnel) ([]Finding, error) {
	routes, err := netlink.RouteGetWithOptions(net.IP(t.To.AsSlice()), &netlink.RouteGetOptions{SrcAddr: net.IP(t.From.AsSlice())})
	if err != nil || len(routes) == 0 {
		return []Finding{finding(Bad, "probe", t.To.String(), "there is no route to it", "")}, nil
	}
	p := &probe{Tunnel: t, mac: net.HardwareAddr{0x02, 0x56, 0x54, 0x45, 0x50, byte(os.Getpid())}, object: fmt.Sprintf("%s VNI %d", t.To, t.VNI)}
	if p.ear, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(htons(unix.ETH_P_ALL))); err != nil {
		return nil, fmt.Errorf("listen for answers: %w", err)
	}
	defer unix.Close(p.ear)
	if err := unix.Bind(p.ear, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: routes[0].LinkIndex}); err != nil {
		return nil, fmt.Errorf("listen for answers: %w", err)
	}
	if err := p.open(); err != nil {
		return nil, fmt.Errorf("send from %s: %w", t.From, err)
	}
	defer unix.Close(p.mouth)
	return p.run(ctx)
}

type probe struct {
	Tunnel
	ear, mouth int // descriptors: packets of the underlay; UDP, with errors of ICMP
	mac        net.HardwareAddr
	object     string

	sent     time.Time
	answered bool
	arrives  bool // frames of the VNI come from the peer
	found    []Finding
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }

func (p *probe) add(level Level, text, remedy string) {
	f := finding(level, "probe", p.object, text, remedy)
	for _, o := range p.found {
		if o == f {
			return
		}
	}
	p.found = append(p.found, f)
}

// open makes the socket that sends: its packets may not be cut, and it hears why one did not arrive.
func (p *probe) open() (err error) {
	family, from, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Addr: as4(p.From)}), unix.Sockaddr(&unix.SockaddrInet4{Addr: as4(p.To), Port: p.UDPPort})
	level, hear, discover := unix.IPPROTO_IP, unix.IP_RECVERR, unix.IP_MTU_DISCOVER
	if p.To.Is6() {
		family, from, to = unix.AF_INET6, &unix.SockaddrInet6{Addr: p.From.As16()}, &unix.SockaddrInet6{Addr: p.To.As16(), Port: p.UDPPort}
		level, hear, discover = unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.IPV6_MTU_DISCOVER
	}
	if p.mouth, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	err = errors.Join(unix.SetsockoptInt(p.mouth, level, hear, 1), unix.SetsockoptInt(p.mouth, level, discover, unix.IP_PMTUDISC_DO))
	if err == nil {
		err = unix.Bind(p.mouth, from)
	}
	if err == nil {
		err = unix.Connect(p.mouth, to)
	}
	if err != nil {
		unix.Close(p.mouth)
	}
	return err
}

func as4(ip netip.Addr) (b [4]byte) {
	if ip.Is4() {
		b = ip.As4()
	}
	return b
}

// run sends three times, and listens between.
func (p *probe) run(ctx context.Context) ([]Finding, error) {
	const tries = 3
	p.sent = time.Now()
	for i := 0; i < tries && !p.answered && ctx.Err() == nil; i++ {
		for _, size := range []int{0, p.Size} {
			if size == 0 || i == 0 {
				p.send(size)
			}
		}
		p.listen(ctx, time.Now().Add(p.Wait/tries))
	}
	switch {
	case p.answered || Worst(p.found) == Bad:
	case p.Host.IsValid():
		text := "nothing came back from host " + p.Host.String()
		if p.arrives {
			text += ", although frames of the VNI arrive from the peer"
		}
		p.add(Warn, text, "see that the peer knows "+p.From.String()+" in this VNI (it takes frames of peers that it knows), that the host is there, and that no firewall is between: tcpdump udp port "+fmt.Sprint(p.UDPPort)+" there")
	default:
		p.add(Note, "nobody on the way refused the packets; whether they were taken a host has to say", "name one behind the peer: --host IP")
	}
	return p.found, nil
}

// send sends one packet; size is that of the packet from its IP header on, if it is to be filled up.
func (p *probe) send(size int) {
	packet := make([]byte, 8, 256)
	packet[0] = 0x08 // the VNI is valid
	binary.BigEndian.PutUint32(packet[4:], p.VNI<<8)
	packet = append(packet, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	packet = append(packet, p.mac...)
	packet = append(packet, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1) // ARP: who has
	packet = append(packet, p.mac...)
	packet = append(packet, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // from no address, as RFC 5227 has it
	host := as4(p.Host)
	packet = append(packet, host[:]...)
	headers := 28
	if p.To.Is6() {
		headers = 48
	}
	for least := max(8+60, size-headers); len(packet) < least; {
		packet = append(packet, 0)
	}
	_, err := unix.Write(p.mouth, packet)
	switch {
	case errors.Is(err, unix.EMSGSIZE):
		p.add(Warn, fmt.Sprintf("the way to it does not take packets of %d bytes, which the ports' MTU needs", size), "raise the MTU of the underlay, or lower that of the hosts")
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH): // of one before; the error queue says more
	case err != nil:
		p.add(Bad, "it can't be sent to: "+err.Error(), "see that "+p.From.String()+" is an address of this machine")
	}
}

// listen takes what comes until a time, or until the host has answered.
func (p *probe) listen(ctx context.Context, until time.Time) {
	b := make([]byte, 1<<16)
	for !p.answered && ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 {
			return
		}
		fds := []unix.PollFd{{Fd: int32(p.ear), Events: unix.POLLIN}, {Fd: int32(p.mouth)}} // an error is told in any case
		if n, err := unix.Poll(fds, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) || n == 0 {
			return
		}
		if fds[1].Revents&unix.POLLERR != 0 {
			p.refused(b)
		}
		for {
			n, _, err := unix.Recvfrom(p.ear, b, 0)
			if err != nil {
				break
			}
			p.heard(b[:n])
		}
	}
}

// heard looks at a packet of the underlay.
func (p *probe) heard(b []byte) {
	inner, ok := p.decapsulate(b)
	if !ok {
		return
	}
	p.arrives = true
	host := as4(p.Host)
	if len(inner) >= 42 && p.Host.IsValid() && binary.BigEndian.Uint16(inner[12:]) == 0x0806 && inner[21] == 2 && [4]byte(inner[28:32]) == host {
		p.answered = true
		p.add(OK, fmt.Sprintf("host %s answered through the tunnel after %.1f ms: it is %s", p.Host, float64(time.Since(p.sent).Microseconds())/1000, net.HardwareAddr(inner[22:28])), "")
	}
}

// decapsulate returns the frame in a packet of the tunnel that came from the peer.
func (p *probe) decapsulate(b []byte) ([]byte, bool) {
	var source netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == unix.IPPROTO_UDP && len(b) >= int(b[0]&15)*4:
		source = netip.AddrFrom4([4]byte(b[12:16]))
		b = b[int(b[0]&15)*4:]
	case len(b) >= 40 && b[0]>>4 == 6 && b[6] == unix.IPPROTO_UDP:
		source = netip.AddrFrom16([16]byte(b[8:24]))
		b = b[40:]
	default:
		return nil, false
	}
	if source != p.To || len(b) < 16 || int(binary.BigEndian.Uint16(b[2:])) != p.UDPPort || binary.BigEndian.Uint32(b[12:])>>8 != p.VNI {
		return nil, false
	}
	return b[16:], true
}

// refused reads the errors of ICMP.
func (p *probe) refused(b []byte) {
	oob := make([]byte, 512)
	for {
		_, n, _, _, err := unix.Recvmsg(p.mouth, b, oob, unix.MSG_ERRQUEUE)
		if err != nil {
			_, _ = unix.GetsockoptInt(p.mouth, unix.SOL_SOCKET, unix.SO_ERROR) // takes it away
			return
		}
		messages, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil {
			continue
		}
		for _, m := range messages {
			if (m.Header.Type == unix.IP_RECVERR || m.Header.Type == unix.IPV6_RECVERR) && len(m.Data) >= int(unsafe.Sizeof(unix.SockExtendedErr{})) {
				e := (*unix.SockExtendedErr)(unsafe.Pointer(&m.Data[0]))
				p.explain(e, offender(m.Data[unsafe.Sizeof(*e):]))
			}
		}
	}
}

// offender is who sent an error of ICMP: the socket address behind it. It is not valid if none is told.
func offender(b []byte) netip.Addr {
	switch {
	case len(b) >= 8 && binary.NativeEndian.Uint16(b) == unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case len(b) >= 24 && binary.NativeEndian.Uint16(b) == unix.AF_INET6:
		return netip.AddrFrom16([16]byte(b[8:24]))
	}
	return netip.Addr{}
}

func (p *probe) explain(e *unix.SockExtendedErr, by netip.Addr) {
	switch errno := unix.Errno(e.Errno); {
	case errno == unix.ECONNREFUSED:
		p.add(Bad, fmt.Sprintf("it has nobody at UDP port %d", p.UDPPort), "see that a VTEP runs there, and which port it has")
	case errno == unix.EMSGSIZE:
		p.add(Warn, fmt.Sprintf("%s on the way takes packets of at most %d bytes", by, e.Info), "raise the MTU there, or lower that of the hosts")
	case errno == unix.EHOSTUNREACH && (e.Origin == unix.SO_EE_ORIGIN_LOCAL || by == p.From): // our own kernel
		p.add(Bad, "nobody answers for the next hop", "see that it is there, and that the device to it works")
	case errno == unix.EACCES, errno == unix.EPERM:
		p.add(Bad, "a firewall refuses the packets", "let UDP port "+fmt.Sprint(p.UDPPort)+" through")
	default:
		p.add(Bad, fmt.Sprintf("it can't be reached: %s (ICMP type %d, code %d, from %s)", errno.Error(), e.Type, e.Code, by), "see the routes on the way: traceroute "+p.To.String())
	}
}
