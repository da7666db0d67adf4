package bench

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testnet"
	"golang.org/x/sys/unix"
)

// streamGap is the time between two frames of a stream: what is lost in a row, times this, is
// how long the way was closed.
const streamGap = 5 * time.Millisecond

var streamMark = []byte("frame of a stream ")

// hostMAC is the source of the frames that streams send.
var hostMAC = [6]byte{2, 0, 1, 0, 0, 1}

// stream is frames from a host to a remote MAC, until stop.
type stream struct {
	b              *testing.B
	name           string // of the contender
	sent           atomic.Uint32
	missing        atomic.Int32  // of those before the latest
	twice          atomic.Int32  // that have arrived before
	latest         atomic.Uint32 // the greatest number that has arrived
	stopped, heard chan struct{}
	finish         chan struct{}
}

// stream begins one to the MAC that the switch was bound with.
func (s *site) stream() *stream {
	s.b.Helper()
	return newStream(s.b, s.name, mac(1<<24-1), testnet.Open(s.b, s.host, "h0"), testnet.Open(s.b, s.far, "r0"))
}

// newStream begins one from a host to a MAC, of which the packets pass the tap in.
func newStream(b *testing.B, name, to string, out, in *testnet.Tap) *stream {
	b.Helper()
	st := &stream{b: b, name: name, stopped: make(chan struct{}), heard: make(chan struct{}), finish: make(chan struct{})}
	dst, err := net.ParseMAC(to)
	if err != nil {
		b.Fatal(err)
	}
	go st.listen(in)
	go st.talk(out, dst)
	return st
}

func (st *stream) talk(out *testnet.Tap, dst net.HardwareAddr) {
	defer close(st.stopped)
	head := slices.Concat(dst, hostMAC[:], []byte{0x88, 0xb5}, streamMark)
	tick := time.NewTicker(streamGap)
	defer tick.Stop()
	for {
		select {
		case <-st.finish:
			return
		case <-tick.C:
			frame := binary.BigEndian.AppendUint32(slices.Clone(head), st.sent.Load()+1)
			if out.TrySend(append(frame, make([]byte, 64)...)) == nil {
				st.sent.Add(1)
			}
		}
	}
}

func (st *stream) listen(in *testnet.Tap) {
	seen := map[uint32]bool{}
	for {
		frame := in.Receive(time.Now().Add(50 * time.Millisecond)) // nil: nothing came for a while
		select {
		case <-st.heard:
			return
		default:
		}
		if at := bytes.Index(frame, streamMark); at > 0 && at+len(streamMark)+4 <= len(frame) {
			n, latest := binary.BigEndian.Uint32(frame[at+len(streamMark):]), st.latest.Load()
			if seen[n] {
				st.twice.Add(1)
				continue
			}
			seen[n] = true
			if n < latest {
				st.missing.Add(-1) // it was overtaken
				continue
			}
			st.missing.Add(int32(n - latest - 1))
			st.latest.Store(n)
		}
	}
}

// flows waits until frames that are sent from now on arrive.
func (st *stream) flows() {
	st.b.Helper()
	now := st.sent.Load()
	await(st.b, st.name+" forwards", func() bool { return st.latest.Load() > now+20 })
}

// stop returns when the last frame has arrived.
func (st *stream) stop() {
	close(st.finish)
	<-st.stopped
	sent := st.sent.Load()
	await(st.b, st.name+" has forwarded the last frame", func() bool { return st.latest.Load() == sent })
	close(st.heard)
	if n := st.twice.Load(); n > 0 {
		st.b.Errorf("%s: %d of %d frames arrived twice", st.name, n, sent)
	}
}

// lost is how many frames a restart costs, which begins with a signal to the contender and is
// over when a new MAC is in the flow table.
func (s *site) lost(signal unix.Signal) float64 {
	s.b.Helper()
	st := s.stream()
	st.flows()
	before := st.missing.Load() // until the neighbour was known
	s.end(signal)
	s.start()
	s.insert(1)
	st.flows()
	st.stop()
	return float64(st.missing.Load() - before)
}
