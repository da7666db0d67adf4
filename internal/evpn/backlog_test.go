package evpn

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/testenv"
)

// listening counts the MACs that a bridge announces, as soon as it may.
type listening struct {
	begin chan struct{}
	read  io.Writer // what is written is parsed behind it
	known map[string]bool
	count atomic.Int64
}

func newListening(t *testing.T) *listening {
	r, w := io.Pipe()
	l := &listening{begin: make(chan struct{}), read: w, known: map[string]bool{}}
	t.Cleanup(func() { _ = r.Close() })
	go l.parse(r)
	return l
}

// Write waits until the neighbor listens.
func (l *listening) Write(b []byte) (int, error) {
	<-l.begin
	return l.read.Write(b)
}

func (l *listening) parse(from io.Reader) {
	for {
		m := make([]byte, 19)
		if _, err := io.ReadFull(from, m); err != nil {
			return
		}
		m = append(m, make([]byte, int(binary.BigEndian.Uint16(m[16:]))-19)...)
		if _, err := io.ReadFull(from, m[19:]); err != nil {
			return
		}
		parsed, err := bgp.ParseBGPMessage(m)
		if err != nil {
			continue
		}
		u, ok := parsed.Body.(*bgp.BGPUpdate)
		if !ok {
			continue
		}
		for _, a := range u.PathAttributes {
			switch a := a.(type) {
			case *bgp.PathAttributeMpReachNLRI:
				for _, p := range a.Value {
					l.known[p.NLRI.String()] = true
				}
			case *bgp.PathAttributeMpUnreachNLRI:
				for _, p := range a.Value {
					delete(l.known, p.NLRI.String())
				}
			}
		}
		l.count.Store(int64(len(l.known)))
	}
}

// A session that ends while much is yet to be announced is followed by one in which all is, and nothing of what has been withdrawn since.
func TestBacklog(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	busy := newListening(t)
	s.told = busy
	t.Cleanup(func() { close(busy.begin) })
	s.up()
	_ = s.conn.(*net.TCPConn).SetReadBuffer(4096)
	s.whole()
	const withdrawn = 100
	// Each route has a message of its own, by its targets.
	host := func(i, targets int) *route {
		r := hostAt(fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&0xff), low)
		r.rd = "10.0.0.1:33"
		for n := range targets {
			r.targets = append(r.targets, target{"65001", false, uint32(i<<8 + n)})
		}
		return r
	}
	announce := func(from, to, targets int) { // none: they are withdrawn
		t.Helper()
		var err error
		if e := s.bridge.ask(t.Context(), func() {
			for i := from; i < to && err == nil; i++ {
				r := host(i, targets)
				if k := r.key; targets > 0 {
					err = s.bridge.speaker.announce(k, r)
				} else {
					err = s.bridge.speaker.announce(k, nil)
				}
			}
		}); e != nil || err != nil {
			t.Fatal(e, err)
		}
	}
	hosts, sent := 0, uint64(0)
	for queued := 0; queued < 3000; queued += withdrawn { // which is more than the library takes from its queue at once
		// Two thousand octets fill what is on the way; what then waits in the queue is counted alone.
		targets := 250
		if queued >= 5*withdrawn {
			targets = 1
		}
		announce(hosts, hosts+withdrawn, targets)
		hosts += withdrawn
		before := sent
		if err := s.bridge.speaker.bgp.ListPeer(t.Context(), &api.ListPeerRequest{}, func(p *api.Peer) { sent = p.State.Messages.Sent.Total }); err != nil {
			t.Fatal(err)
		}
		if sent != before {
			queued = 0
		}
	}
	_ = s.conn.Close()
	s.established(false)
	announce(hosts-withdrawn, hosts, 0)

	patient := newListening(t)
	close(patient.begin)
	s.told = patient
	s.up()
	testenv.Eventually(t, deadline, func() error {
		if n := int(patient.count.Load()); n != hosts-withdrawn {
			return fmt.Errorf("the neighbor has heard of %d hosts, want %d", n, hosts-withdrawn)
		}
		return nil
	})
}
