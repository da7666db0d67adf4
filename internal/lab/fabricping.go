package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/packet"
)

// PingHost sends echo requests from one host to another, one each interval. In a fabric of the memory plane
// both hosts are this function: it injects what they would send, ARP included, and waits for what they
// would get.
func (f *Fabric) PingHost(ctx context.Context, from, to *Host, count int, interval time.Duration) (Replies, error) {
	if f.Options.Plane != "memory" {
		return f.Ping(ctx, Node(from.Name), to.IP, count, interval)
	}
	r := Replies{}
	for range count {
		r.Sent++
		start := time.Now()
		err := f.exchange(ctx, from, to)
		if errors.Is(err, errNoReply) {
			continue
		}
		if err != nil {
			return r, err
		}
		r.Received++
		r.Longest = max(r.Longest, time.Since(start))
	}
	return r, nil
}

var errNoReply = errors.New("no reply")

// exchange is a ping of two hosts that know nothing of each other.
func (f *Fabric) exchange(ctx context.Context, from, to *Host) error {
	ctx, cancel := context.WithTimeout(ctx, lateness)
	defer cancel()
	a, b := packet.MAC(from.mac), packet.MAC(to.mac)
	broadcast := packet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	question := packet.ARP{Op: packet.ARPRequest, SenderMAC: a, SenderIP: from.IP, TargetIP: to.IP}.Frame(broadcast, a)
	answer := packet.ARP{Op: packet.ARPReply, SenderMAC: b, SenderIP: to.IP, TargetMAC: a, TargetIP: from.IP}.Frame(a, b)
	echo := echoFrame(a, b, from, to)
	reply := packet.Echo(echo, b)
	for _, step := range []struct {
		by, at *Host
		frame  []byte
	}{{from, to, question}, {to, from, answer}, {from, to, echo}, {to, from, reply}} {
		if err := f.inject(ctx, step.by, step.frame); err != nil {
			return err
		}
		if err := f.expect(ctx, step.at, step.frame); err != nil {
			return err
		}
	}
	return nil
}

// echoFrame is an echo request in IPv4.
func echoFrame(src, dst packet.MAC, from, to *Host) []byte {
	message := echoRequest(1, 1)
	header := make([]byte, 20)
	header[0], header[8], header[9] = 0x45, 64, packet.ProtoICMP
	binary.BigEndian.PutUint16(header[2:], uint16(len(header)+len(message)))
	copy(header[12:], from.IP.AsSlice())
	copy(header[16:], to.IP.AsSlice())
	binary.BigEndian.PutUint16(header[10:], packet.Fold(packet.Sum(0, header)))
	return append(append(packet.Ethernet(dst, src, packet.EtherIPv4), header...), message...)
}

// inject has a host of the memory plane send a frame.
func (f *Fabric) inject(ctx context.Context, h *Host, frame []byte) error {
	_, err := daemon.Call(ctx, f.Control(h.At), "plane/inject", h.Name, hex.EncodeToString(frame))
	return err
}

// expect waits until a host of the memory plane gets a frame. What it got before is forgotten.
func (f *Fabric) expect(ctx context.Context, h *Host, want []byte) error {
	for ctx.Err() == nil {
		data, err := daemon.CallData(ctx, f.Control(h.At), "plane/capture", h.Name, fmt.Sprint(lateness.Seconds()))
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		var answer struct{ Reply struct{ Frames []string } }
		if err := json.Unmarshal(data, &answer); err != nil {
			return fmt.Errorf("read what %s got: %w", h.Name, err)
		}
		for _, text := range answer.Reply.Frames {
			if frame, err := hex.DecodeString(text); err == nil && bytes.Equal(frame, want) {
				return nil
			}
		}
	}
	return errNoReply
}

// Pair is what came of pings from one host to another.
type Pair struct {
	From, To *Host
	Replies
}

// PingAll sends count echo requests from each host to each other one of its switch, those of one sender after those of
// another.
func (f *Fabric) PingAll(ctx context.Context, count int, interval time.Duration) (all []Pair, err error) {
	for i := range f.Hosts {
		for j := range f.Hosts {
			if i == j || f.Hosts[i].Switch != f.Hosts[j].Switch {
				continue
			}
			p := Pair{}
			if p.From, err = f.Host(f.Hosts[i].Name); err != nil {
				return nil, err
			}
			if p.To, err = f.Host(f.Hosts[j].Name); err != nil {
				return nil, err
			}
			if p.Replies, err = f.PingHost(ctx, p.From, p.To, count, interval); err != nil {
				return all, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}
