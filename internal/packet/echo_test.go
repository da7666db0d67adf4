package packet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// pieces are the frames of a message of ICMP or ICMPv6 in fragments of some bytes.
func pieces(from, to netip.Addr, id uint32, message []byte, size int) (frames [][]byte) {
	for at := 0; at < len(message); at += size {
		data := message[at:min(len(message), at+size)]
		more := at+size < len(message)
		f := Ethernet(MAC{2, 5: 0xaa}, MAC{2, 5: 1}, EtherIPv4)
		if from.Is6() {
			binary.BigEndian.PutUint16(f[12:], EtherIPv6)
			f = append(f, 0x60, 0, 0, 0)
			f = append(binary.BigEndian.AppendUint16(f, uint16(fragmentLen+len(data))), nextFragment, 9)
			f = append(append(f, from.AsSlice()...), to.AsSlice()...)
			offset := uint16(at)
			if more {
				offset |= 1
			}
			f = binary.BigEndian.AppendUint16(append(f, ProtoICMPv6, 0), offset)
			f = binary.BigEndian.AppendUint32(f, id)
		} else {
			f = append(f, 0x45, 0)
			f = binary.BigEndian.AppendUint16(f, uint16(ipv4Len+len(data)))
			f = binary.BigEndian.AppendUint16(f, uint16(id))
			offset := uint16(at / 8)
			if more {
				offset |= 0x2000
			}
			f = append(binary.BigEndian.AppendUint16(f, offset), 9, ProtoICMP, 0, 0)
			f = append(append(f, from.AsSlice()...), to.AsSlice()...)
			binary.BigEndian.PutUint16(f[HeaderLen+10:], Fold(Sum(0, f[HeaderLen:])))
		}
		frames = append(frames, append(f, data...))
	}
	return frames
}

// together puts the fragments of an answer together again.
func together(t *testing.T, frames [][]byte) (src, dst netip.Addr, message []byte) {
	t.Helper()
	for _, f := range frames {
		p, ok := parseMessage(f)
		if !ok || p.whole {
			t.Fatalf("%x is no fragment", f)
		}
		src, dst = p.src, p.dst
		message = append(message, p.data...)
	}
	return src, dst, message
}

// A request in fragments is answered by as many, which are the answer when they are put together.
func TestEchoInFragments(t *testing.T) {
	for _, ips := range [][2]string{{"192.0.2.1", "192.0.2.254"}, {"2001:db8::1", "2001:db8::fe"}} {
		from, to := netip.MustParseAddr(ips[0]), netip.MustParseAddr(ips[1])
		request, reply, sum := byte(8), byte(0), uint32(0)
		message := append([]byte{request, 0, 0, 0, 1, 2, 0, 3}, bytes.Repeat([]byte("data"), 500)...)
		if from.Is6() {
			request, reply, sum = 128, 129, pseudo(from, to, len(message))
			message[0] = request
		}
		binary.BigEndian.PutUint16(message[2:], Fold(Sum(sum, message)))
		frames := pieces(from, to, 7, message, 1200)
		e, now, place := &Echoes{}, time.Now(), [16]byte{1}
		if e.Answer(now, place, frames[1], MAC{2, 5: 0xaa}) != nil {
			t.Errorf("%v: a fragment of something that has not begun is answered", from)
		}
		var answers [][]byte
		for _, f := range frames {
			a := e.Answer(now, place, f, MAC{2, 5: 0xaa})
			if len(a) != len(f) || !bytes.Equal(a[:6], f[6:12]) || a[11] != 0xaa {
				t.Fatalf("%v: the answer to %x is %x", from, f, a)
			}
			answers = append(answers, a)
		}
		src, dst, got := together(t, answers)
		want := bytes.Clone(message)
		want[0], want[2], want[3] = reply, 0, 0
		binary.BigEndian.PutUint16(want[2:], Fold(Sum(sum, want)))
		if src != to || dst != from || !bytes.Equal(got, want) {
			t.Errorf("%v: the answer of %v to %v is %x", from, src, dst, got)
		}
		for name, f := range map[string][]byte{
			"of another packet": pieces(from, to, 8, message, 1200)[1],
			"of another host":   pieces(from.Next(), to, 7, message, 1200)[1],
		} {
			if e.Answer(now, place, f, MAC{}) != nil {
				t.Errorf("%v: a fragment %s is answered", from, name)
			}
		}
		if e.Answer(now, [16]byte{2}, frames[1], MAC{}) != nil || e.Answer(now.Add(time.Minute), place, frames[1], MAC{}) != nil {
			t.Errorf("%v: a fragment at another place, or much later, is answered", from)
		}
		message[0] = reply
		if e.Answer(now, place, pieces(from, to, 9, message, 1200)[0], MAC{}) != nil {
			t.Errorf("%v: an answer is answered", from)
		}
		message[0] = request
		for id := range uint32(10 * maxEchoes) {
			e.Answer(now, place, pieces(from, to, id, message, 1200)[0], MAC{})
		}
		if len(e.begun) > maxEchoes || len(e.order) > maxEchoes {
			t.Errorf("%v: %d are known", from, len(e.begun))
		}
	}
}
