package test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/lab"
)

// tap is a packet socket on a device: it sends frames, and receives those that come in, as
// they are on the wire.
type tap struct {
	t    *testing.T
	name string
	mac  net.HardwareAddr
	fd   int
}

// tap opens, once, the tap of a device.
func (w *world) tap(node lab.Node, device string) *tap {
	w.t.Helper()
	name := string(node) + " " + device
	if tp := w.taps[name]; tp != nil {
		return tp
	}
	tp := &tap{t: w.t, name: name}
	err := w.lab.Namespace(node).Do(func() error {
		ifi, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		tp.mac = ifi.HardwareAddr
		tp.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		// Room for what arrives while the test does something else.
		_ = unix.SetsockoptInt(tp.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
		for _, option := range []int{unix.PACKET_AUXDATA, unix.PACKET_IGNORE_OUTGOING} {
			if err := unix.SetsockoptInt(tp.fd, unix.SOL_PACKET, option, 1); err != nil {
				return err
			}
		}
		return unix.Bind(tp.fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: ifi.Index})
	})
	if err != nil {
		w.t.Fatalf("tap %s: %v", name, err)
	}
	w.t.Cleanup(func() { unix.Close(tp.fd) })
	w.taps[name] = tp
	return tp
}

// The taps of the picture. Tagged frames of h2 are seen at its eth0.
func (w *world) h1() *tap       { return w.tap(lab.H1, "eth0") }
func (w *world) h2() *tap       { return w.tap(lab.H2, "eth0") }
func (w *world) h3() *tap       { return w.tap(lab.H3, "eth0") }
func (w *world) h4() *tap       { return w.tap(lab.H4, "eth0") }
func (w *world) underlay() *tap { return w.tap(lab.R1, "u0") }

func networkOrder(v uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v))
}

func (tp *tap) send(frame []byte) {
	tp.t.Helper()
	if _, err := unix.Write(tp.fd, frame); err != nil {
		tp.t.Fatalf("send at %s: %v", tp.name, err)
	}
}

// receive gives the next frame, or nil after the deadline.
func (tp *tap) receive(deadline time.Time) []byte {
	tp.t.Helper()
	for {
		if b := tp.read(); b != nil {
			return b
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(tp.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			tp.t.Fatalf("poll %s: %v", tp.name, err)
		}
	}
}

// read gives the next frame if one has arrived, else nil.
func (tp *tap) read() []byte {
	tp.t.Helper()
	data, control := make([]byte, 1<<16), make([]byte, 128)
	for {
		size, n, _, _, err := unix.Recvmsg(tp.fd, data, control, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			return withTag(data[:size], control[:n])
		case errors.Is(err, unix.EAGAIN):
			return nil
		case !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENETDOWN):
			tp.t.Fatalf("receive at %s: %v", tp.name, err)
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

// until returns the frames that come before one that ok accepts, and that one.
func (tp *tap) until(what string, ok func(frame []byte) bool) (before [][]byte, frame []byte) {
	tp.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		b := tp.receive(deadline)
		if b == nil {
			tp.t.Fatalf("%s: %s did not arrive at %s; the last of %d other frames was\n%s",
				caller(), what, tp.name, len(before), hex.Dump(last(before)))
		}
		if ok(b) {
			return before, b
		}
		before = append(before, b)
	}
}

// expect waits for exactly this frame, and returns those before it.
func (tp *tap) expect(want []byte) (before [][]byte) {
	tp.t.Helper()
	before, _ = tp.until("\n"+hex.Dump(want), func(b []byte) bool { return bytes.Equal(b, want) })
	return before
}

// within returns what arrives in a time.
func (tp *tap) within(d time.Duration) (frames [][]byte) {
	tp.t.Helper()
	for deadline := time.Now().Add(d); ; {
		b := tp.receive(deadline)
		if b == nil || time.Now().After(deadline) {
			return frames
		}
		frames = append(frames, b)
	}
}

// drain returns what has arrived.
func (tp *tap) drain() (frames [][]byte) {
	tp.t.Helper()
	for {
		b := tp.read()
		if b == nil {
			return frames
		}
		frames = append(frames, b)
	}
}

func last[T any](all []T) (l T) {
	if len(all) > 0 {
		l = all[len(all)-1]
	}
	return l
}

// caller is the place in the test, for messages of helpers.
func caller() string {
	for skip := 2; ; skip++ {
		_, file, line, ok := runtime.Caller(skip)
		if base := filepath.Base(file); !ok || base != "tap_test.go" && base != "frame_test.go" {
			return fmt.Sprintf("%s:%d", base, line)
		}
	}
}
