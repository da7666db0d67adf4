package ebpf

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

	"github.com/vtep/vtep/internal/namespace"
)

// tap is a packet socket on a device.
type tap struct {
	t    testing.TB
	name string
	fd   int
}

func (w *world) tap(n *namespace.Namespace, dev string) *tap {
	w.t.Helper()
	tp := &tap{t: w.t, name: dev}
	err := n.Do(func() error {
		ifi, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		tp.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		for opt, v := range map[int]int{unix.PACKET_AUXDATA: 1, unix.PACKET_IGNORE_OUTGOING: 1} {
			if err := unix.SetsockoptInt(tp.fd, unix.SOL_PACKET, opt, v); err != nil {
				return err
			}
		}
		return unix.Bind(tp.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: ifi.Index})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { unix.Close(tp.fd) })
	w.taps[dev] = tp
	return tp
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func (tp *tap) send(b []byte) {
	tp.t.Helper()
	if _, err := unix.Write(tp.fd, b); err != nil {
		tp.t.Fatalf("send at %s: %v", tp.name, err)
	}
}

// receive gives the next frame with its tag put back, or nil after the deadline.
func (tp *tap) receive(deadline time.Time) []byte {
	tp.t.Helper()
	data, oob := make([]byte, 65536), make([]byte, 64)
	for {
		size, nb, _, _, err := unix.Recvmsg(tp.fd, data, oob, unix.MSG_DONTWAIT)
		if err == nil {
			return untuck(data[:size], oob[:nb])
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(tp.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			tp.t.Fatal(err)
		}
	}
}

// untuck puts the tag that the kernel keeps beside the frame back into it.
func untuck(b, oob []byte) []byte {
	b = bytes.Clone(b)
	messages, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		if status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tag := binary.BigEndian.AppendUint16(nil, binary.NativeEndian.Uint16(m.Data[18:]))
		tag = binary.BigEndian.AppendUint16(tag, binary.NativeEndian.Uint16(m.Data[16:]))
		return append(append(append([]byte{}, b[:12]...), tag...), b[12:]...)
	}
	return b
}

const patience = 30 * time.Second

var noWait time.Time

func (w *world) send(dev string, b []byte) {
	w.t.Helper()
	w.taps[dev].send(b)
}

// expect waits for exactly this frame, passing over others.
func (w *world) expect(dev string, want []byte) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	var last []byte
	for {
		b := w.taps[dev].receive(deadline)
		if b == nil {
			w.t.Fatalf("%s at %s: did not get\n%slast was\n%s", caller(), dev, hex.Dump(want), hex.Dump(last))
		}
		if bytes.Equal(b, want) {
			return
		}
		last = b
	}
}

// expectNothing looks through what has arrived by now, after a barrier, for a frame.
func (w *world) expectNothing(dev string, unwanted []byte) {
	w.t.Helper()
	for {
		b := w.taps[dev].receive(noWait)
		if b == nil {
			return
		}
		if bytes.Equal(b, unwanted) {
			w.t.Fatalf("%s at %s: got\n%s", caller(), dev, hex.Dump(b))
		}
	}
}

func caller() string {
	_, file, line, _ := runtime.Caller(2)
	return fmt.Sprintf("%s:%d", filepath.Base(file), line)
}

// until collects the frames that arrive before marker does.
func (w *world) until(dev string, marker []byte) [][]byte {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	var got [][]byte
	for {
		b := w.taps[dev].receive(deadline)
		if b == nil {
			w.t.Fatalf("%s at %s: the marker did not arrive", caller(), dev)
		}
		if bytes.Equal(b, marker) {
			return got
		}
		got = append(got, b)
	}
}
