// Package testnet builds networks for tests, and looks at what goes over them: namespaces with
// devices, taps on these, frames and what is around them in a tunnel.
package testnet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/namespace"
)

// Patience is how long anything may take to happen on a busy machine.
const Patience = 60 * time.Second

// Tap is a packet socket on a device: it sends frames, and receives those that come in, as they
// are on the wire.
type Tap struct {
	Name string           // in messages
	MAC  net.HardwareAddr // of the device

	t  testing.TB
	fd int

	mu            sync.Mutex // guards what follows
	data, control []byte     // of Read
}

// Open opens a tap on a device, for as long as t lasts.
func Open(t testing.TB, n *namespace.Namespace, device string) *Tap {
	t.Helper()
	tp := &Tap{t: t, Name: n.Name + " " + device, data: make([]byte, 1<<16), control: make([]byte, 128)}
	err := n.Do(func() error {
		ifi, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		tp.MAC = ifi.HardwareAddr
		tp.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		t.Cleanup(func() { unix.Close(tp.fd) })
		for _, option := range []int{unix.PACKET_AUXDATA, unix.PACKET_IGNORE_OUTGOING} {
			if err := unix.SetsockoptInt(tp.fd, unix.SOL_PACKET, option, 1); err != nil {
				return err
			}
		}
		return unix.Bind(tp.fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: ifi.Index})
	})
	if err != nil {
		t.Fatalf("tap %s: %v", tp.Name, err)
	}
	tp.Buffer(8 << 20)
	return tp
}

func networkOrder(v uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v))
}

// Buffer makes room for what arrives while the test does something else. In a user namespace
// there is no more than the kernel's default.
func (tp *Tap) Buffer(bytes int) {
	_ = unix.SetsockoptInt(tp.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes)
}

// Send sends a frame.
func (tp *Tap) Send(frame []byte) {
	tp.t.Helper()
	if err := tp.TrySend(frame); err != nil {
		tp.t.Fatalf("send at %s: %v", tp.Name, err)
	}
}

// TrySend sends a frame if that can be.
func (tp *Tap) TrySend(frame []byte) error {
	_, err := unix.Write(tp.fd, frame)
	return err
}

// Read gives the next frame if one has arrived, else nil.
func (tp *Tap) Read() []byte {
	tp.t.Helper()
	tp.mu.Lock()
	defer tp.mu.Unlock()
	for {
		size, n, _, _, err := unix.Recvmsg(tp.fd, tp.data, tp.control, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			return withTag(tp.data[:size], tp.control[:n])
		case errors.Is(err, unix.EAGAIN):
			return nil
		case !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENETDOWN):
			tp.t.Fatalf("receive at %s: %v", tp.Name, err)
		}
	}
}

// withTag puts the tag that the kernel keeps beside a frame back into it.
func withTag(frame, control []byte) []byte {
	messages, _ := unix.ParseSocketControlMessage(control)
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		// struct tpacket_auxdata
		if binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tagged := append([]byte{}, frame[:12]...)
		tagged = binary.BigEndian.AppendUint16(tagged, binary.NativeEndian.Uint16(m.Data[18:]))
		tagged = binary.BigEndian.AppendUint16(tagged, binary.NativeEndian.Uint16(m.Data[16:]))
		return append(tagged, frame[12:]...)
	}
	return bytes.Clone(frame)
}

// Receive gives the next frame, or nil after the deadline.
func (tp *Tap) Receive(deadline time.Time) []byte {
	tp.t.Helper()
	for {
		if b := tp.Read(); b != nil {
			return b
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(tp.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			tp.t.Fatalf("poll %s: %v", tp.Name, err)
		}
	}
}

// Until returns the frames that come before one that ok accepts, and that one. what names it
// should it not come.
func (tp *Tap) Until(what string, ok func(frame []byte) bool) (before [][]byte, frame []byte) {
	tp.t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		b := tp.Receive(deadline)
		if b == nil {
			last := ""
			if len(before) > 0 {
				last = "; the last was\n" + hex.Dump(before[len(before)-1])
			}
			tp.t.Fatalf("%s did not arrive at %s, but %d others%s", what, tp.Name, len(before), last)
		}
		if ok(b) {
			return before, b
		}
		before = append(before, b)
	}
}

// Expect waits for exactly this frame, and returns those before it.
func (tp *Tap) Expect(want []byte) (before [][]byte) {
	tp.t.Helper()
	before, _ = tp.Until("\n"+hex.Dump(want), func(b []byte) bool { return bytes.Equal(b, want) })
	return before
}

// Within returns what arrives in a time.
func (tp *Tap) Within(d time.Duration) (frames [][]byte) {
	tp.t.Helper()
	for deadline := time.Now().Add(d); ; {
		b := tp.Receive(deadline)
		if b == nil || time.Now().After(deadline) {
			return frames
		}
		frames = append(frames, b)
	}
}

// Drain returns what has arrived.
func (tp *Tap) Drain() (frames [][]byte) {
	tp.t.Helper()
	for {
		b := tp.Read()
		if b == nil {
			return frames
		}
		frames = append(frames, b)
	}
}
