package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// The messages of ICMP that a ping needs.
const (
	icmpEchoReply   = 0
	icmpEchoRequest = 8
)

// lateness is how long after the last request a reply may still come.
const lateness = 2 * time.Second

// Replies is what came of a ping. Duplicates count once.
type Replies struct {
	Sent, Received int
	Longest        time.Duration // round trip
	Gap            time.Duration // longest time between two replies
}

// Lost is the number of requests without a reply.
func (r Replies) Lost() int { return r.Sent - r.Received }

// Ping sends count echo requests from a node, one each interval, and waits for the replies.
// It ends early when every reply is there.
func (l *Lab) Ping(ctx context.Context, from Node, to netip.Addr, count int, interval time.Duration) (Replies, error) {
	p, err := l.startPing(from, to, interval, count)
	if err != nil {
		return Replies{}, err
	}
	select {
	case <-p.sentAll:
	case <-ctx.Done():
	}
	return p.Stop(), ctx.Err()
}

// Pinger sends echo requests until Stop. One goroutine sends, one receives.
type Pinger struct {
	conn    net.PacketConn
	to      net.Addr
	id      uint16
	stop    chan struct{} // closed by Stop
	sentAll chan struct{} // closed by the sender at its end
	done    sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	times   map[uint16]time.Time // of requests without a reply, by sequence number
	replies Replies
	last    time.Time // of a reply
}

// StartPing sends echo requests from a node, one each interval. Its sequence numbers last for
// 65,536 requests without a reply.
func (l *Lab) StartPing(from Node, to netip.Addr, interval time.Duration) (*Pinger, error) {
	return l.startPing(from, to, interval, 0)
}

// startPing is StartPing with an end after count requests, if that is not 0.
func (l *Lab) startPing(from Node, to netip.Addr, interval time.Duration, count int) (*Pinger, error) {
	n := l.spaces[from]
	if n == nil {
		return nil, fmt.Errorf("ping from %s: %w", from, ErrNotThere)
	}
	var conn net.PacketConn
	err := n.Do(func() (err error) {
		conn, err = net.ListenPacket("ip4:icmp", "0.0.0.0")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ping from %s: %w", from, err)
	}
	p := &Pinger{
		conn: conn, to: &net.IPAddr{IP: to.AsSlice()}, id: uint16(rand.Uint32()),
		stop: make(chan struct{}), sentAll: make(chan struct{}), times: map[uint16]time.Time{},
	}
	p.changed = sync.NewCond(&p.mu)
	p.done.Add(2)
	go p.send(interval, count)
	go p.receive()
	return p, nil
}

// send runs until stop, or until count requests are sent. One that the stack refuses (no ARP
// reply yet) counts as sent.
func (p *Pinger) send(interval time.Duration, count int) {
	defer p.done.Done()
	defer close(p.sentAll)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 1; ; n++ {
		seq := uint16(n)
		p.mu.Lock()
		p.replies.Sent++
		p.times[seq] = time.Now()
		p.mu.Unlock()
		_, _ = p.conn.WriteTo(echoRequest(p.id, seq), p.to)
		if n == count {
			return
		}
		select {
		case <-tick.C:
		case <-p.stop:
			return
		}
	}
}

// receive runs until the connection is closed.
func (p *Pinger) receive() {
	defer p.done.Done()
	buf := make([]byte, 1500)
	for {
		n, _, err := p.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < 8 || buf[0] != icmpEchoReply || binary.BigEndian.Uint16(buf[4:]) != p.id {
			continue // an ICMP error, or not for us: every raw socket gets everything
		}
		now := time.Now()
		p.mu.Lock()
		seq := binary.BigEndian.Uint16(buf[6:])
		if at, ok := p.times[seq]; ok {
			delete(p.times, seq)
			p.replies.Received++
			p.replies.Longest = max(p.replies.Longest, now.Sub(at))
			if !p.last.IsZero() {
				p.replies.Gap = max(p.replies.Gap, now.Sub(p.last))
			}
			p.last = now
			p.changed.Broadcast()
		}
		p.mu.Unlock()
	}
}

// Stop ends sending, waits for the replies that are under way, and returns what came.
func (p *Pinger) Stop() Replies {
	close(p.stop)
	<-p.sentAll
	end := time.Now().Add(lateness)
	late := time.AfterFunc(lateness, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	defer late.Stop()
	p.mu.Lock()
	for len(p.times) > 0 && time.Now().Before(end) {
		p.changed.Wait()
	}
	r := p.replies
	p.mu.Unlock()
	p.conn.Close()
	p.done.Wait()
	return r
}

// echoRequest makes the message, 64 bytes long as that of ping(8).
func echoRequest(id, seq uint16) []byte {
	b := make([]byte, 64)
	b[0] = icmpEchoRequest
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	copy(b[8:], fmt.Sprintf("vtep lab %d", os.Getpid()))
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return b
}
