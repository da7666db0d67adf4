package memory

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// The bounds of what is kept of frames that have left by a port, until somebody asks.
const (
	captureFrames = 1024
	captureBytes  = 1 << 20
)

// VXLANPort is the UDP port of VXLAN (RFC 7348).
const VXLANPort = 4789

const (
	vxlanLen  = 8
	vxlanFlag = 0x08 // the VNI is valid
)

// Wire is what is outside of a Fabric: hosts that inject frames and look at what comes, and, if it has
// tunnels, other VTEPs, by a UDP socket at the tunnel IP. Without tunnels what would leave by one goes
// nowhere. Its methods may be called by any goroutine.
type Wire struct {
	fabric  *Fabric
	tunnels bool
	port    uint16

	mu       sync.Mutex // guards what follows; taken after fabric.mu
	captured map[string]*capture
	more     chan struct{} // closed, and made anew, when a frame was captured
	ip       netip.Addr    // that conn is bound to
	conn     *net.UDPConn  // nil: none
	closed   bool
	reading  sync.WaitGroup
}

type capture struct {
	frames [][]byte
	bytes  int
	lost   uint64
}

// NewWire joins a wire to the fabric, which has none. With tunnels, packets of VXLAN are sent and taken at a
// UDP port; 0: VXLANPort.
func (f *Fabric) NewWire(tunnels bool, port uint16) *Wire {
	w := &Wire{fabric: f, tunnels: tunnels, port: port, captured: map[string]*capture{}, more: make(chan struct{})}
	if w.port == 0 {
		w.port = VXLANPort
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wire = w
	return w
}

// Close ends the tunnels of the wire.
func (w *Wire) Close() error {
	w.mu.Lock()
	w.closed = true
	err := w.unbind()
	w.mu.Unlock()
	w.reading.Wait()
	return err
}

// bind has the tunnels begin at the address, or with none at no address. fabric.mu is held.
func (w *Wire) bind(ip netip.Addr) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.tunnels || w.closed || w.conn != nil && w.ip == ip {
		return nil
	}
	if err := w.unbind(); err != nil || !ip.IsValid() {
		return err
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, w.port)))
	if err != nil {
		return problem.Errorf(problem.ForeignIP, "free the address, or change Physical_Switch.tunnel_ips", "no tunnel can begin at tunnel IP %v: %w", ip, err)
	}
	w.conn, w.ip = conn, ip
	w.reading.Go(func() { w.receive(conn) })
	return nil
}

// unbind closes the socket. w.mu is held.
func (w *Wire) unbind() error {
	if w.conn == nil {
		return nil
	}
	err := w.conn.Close()
	w.conn = nil
	return err
}

// receive forwards what comes by tunnels, until the socket is closed.
func (w *Wire) receive(conn *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < vxlanLen || buf[0]&vxlanFlag == 0 {
			w.fabric.countDrop(Congested)
			continue
		}
		frame := append([]byte(nil), buf[vxlanLen:n]...) // what is captured stays
		w.FromTunnel(intent.Tunnel{Peer: from.Addr().Unmap(), VNI: binary.BigEndian.Uint32(buf[4:]) >> 8}, frame)
	}
}

func (f *Fabric) countDrop(why Drop) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drops[string(why)]++
}

// FromPort has the host at a port send a frame, and what the fabric makes of it go out.
func (w *Wire) FromPort(port string, frame []byte) ([]Out, Drop) {
	outs, why := w.fabric.FromPort(port, frame)
	w.deliver(outs)
	return outs, why
}

// FromTunnel does so with a frame out of a tunnel.
func (w *Wire) FromTunnel(from intent.Tunnel, inner []byte) ([]Out, Drop) {
	outs, why := w.fabric.FromTunnel(from.Peer, from.VNI, inner)
	w.deliver(outs)
	return outs, why
}

// deliver sends copies where they go. The DSCP of a tunnel's packet is not sent.
func (w *Wire) deliver(outs []Out) {
	w.mu.Lock()
	refused := 0
	captured := false
	for _, o := range outs {
		if o.Port != "" {
			w.capture(o.Port, o.Frame)
			captured = true
		} else if w.tunnels && !w.send(o) {
			refused++
		}
	}
	if captured {
		close(w.more)
		w.more = make(chan struct{})
	}
	w.mu.Unlock()
	for range refused {
		w.fabric.countDrop(SendFailed)
	}
}

// send encapsulates a copy. w.mu is held.
func (w *Wire) send(o Out) bool {
	if w.conn == nil {
		return false
	}
	b := make([]byte, vxlanLen, vxlanLen+len(o.Frame))
	b[0] = vxlanFlag
	binary.BigEndian.PutUint32(b[4:], o.Tunnel.VNI<<8)
	_, err := w.conn.WriteToUDPAddrPort(append(b, o.Frame...), netip.AddrPortFrom(o.Tunnel.Peer, w.port))
	return err == nil
}

// capture keeps a frame. w.mu is held.
func (w *Wire) capture(port string, frame []byte) {
	c := w.captured[port]
	if c == nil {
		c = &capture{}
		w.captured[port] = c
	}
	c.frames = append(c.frames, frame)
	c.bytes += len(frame)
	for len(c.frames) > captureFrames || c.bytes > captureBytes {
		c.bytes -= len(c.frames[0])
		c.frames = c.frames[1:]
		c.lost++
	}
}

// Captured returns the frames that have left by a port since the last call, oldest first, and how many
// before them were lost for want of room. If there are none it waits for one until ctx ends.
func (w *Wire) Captured(ctx context.Context, port string) (frames [][]byte, lost uint64) {
	for {
		w.mu.Lock()
		c, more := w.captured[port], w.more
		delete(w.captured, port)
		w.mu.Unlock()
		if c != nil {
			return c.frames, c.lost
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, 0
		}
	}
}
