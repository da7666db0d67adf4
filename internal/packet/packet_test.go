package packet

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	a4, b4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	a6, b6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	macA   = MAC{2, 5: 1}
	macB   = MAC{2, 5: 2}
)

func TestARP(t *testing.T) {
	a := ARP{ARPRequest, macA, MAC{}, a4, b4}
	f := a.Frame(MAC{255, 255, 255, 255, 255, 255}, macA)
	want := "ffffffffffff0200000000010806" + "0001080006040001" + "020000000001c0000201" + "000000000000c0000202"
	if hex.EncodeToString(f) != want {
		t.Errorf("made %x\nwant %s", f, want)
	}
	if got, ok := ParseARP(f[HeaderLen:]); !ok || got != a {
		t.Errorf("read %+v, %v", got, ok)
	}
	for _, n := range []int{0, 6, 27} {
		if _, ok := ParseARP(f[HeaderLen : HeaderLen+n]); ok {
			t.Errorf("%d bytes are enough", n)
		}
	}
}

// A solicitation as Linux sends it, read from the wire.
func TestND(t *testing.T) {
	f := unhex(t, "3333ff000002"+"020000000001"+"86dd"+"6000000000203aff"+"20010db8000000000000000000000001"+"ff0200000000000000000001ff000002"+
		"8700"+"0000"+"00000000"+"20010db8000000000000000000000002"+"0101020000000001")
	made := ND{Type: Solicitation, Src: a6, Dst: netip.MustParseAddr("ff02::1:ff00:2"), Target: b6, MAC: macA}.Frame(MAC{0x33, 0x33, 0xff, 5: 2}, macA)
	copy(f[56:58], made[56:58])
	if !bytes.Equal(made, f) {
		t.Errorf("made %x\nwant %x", made, f)
	}
	n, ok := ParseND(made)
	if !IsND(made) || !ok || n.Target != b6 || n.MAC != macA || n.Src != a6 || NDTarget(made) != b6 {
		t.Errorf("read %+v, %v", n, ok)
	}
	if sum := Fold(Sum(pseudo(a6, n.Dst, 32), made[54:])); sum != 0 {
		t.Errorf("its checksum is off by %04x", sum)
	}
	if dst, mac := SolicitedNode(b6); dst != n.Dst || mac != (MAC{0x33, 0x33, 0xff, 5: 2}) {
		t.Errorf("it is for %v at %v", dst, mac)
	}
	for i, value := range map[int]byte{21: 254, 55: 1, 56: made[56] ^ 1, 79: 0} {
		bad := bytes.Clone(made)
		if bad[i] = value; i != 56 && i != 21 {
			bad[56], bad[57] = 0, 0
			s := Fold(Sum(pseudo(a6, n.Dst, 32), bad[54:]))
			bad[56], bad[57] = byte(s>>8), byte(s)
		}
		if _, ok := ParseND(bad); ok {
			t.Errorf("valid with byte %d as %d", i, value)
		}
	}
}

func TestRouted(t *testing.T) {
	f := append(Ethernet(macB, macA, EtherIPv4), unhex(t, "4500001c000000004011f6cd"+"c0000201c0000202"+"0001000200080000")...)
	if _, ok := ParseIPv4(f[HeaderLen:]); !ok {
		t.Fatal("the packet is wrong")
	}
	out := Routed(f, macA, macB)
	p, ok := ParseIPv4(out[HeaderLen:])
	if !ok || p.TTL != 63 || MAC(out) != macA || MAC(out[6:]) != macB || !bytes.Equal(p.Payload, f[34:]) {
		t.Errorf("%x is not %x a hop further", out, f)
	}
	if f[22] != 64 {
		t.Error("the frame itself was edited")
	}
}

// Of trouble nobody is told who has told of it himself, or by the rest of a packet.
func TestErrorOfErrors(t *testing.T) {
	f := append(Ethernet(macB, macA, EtherIPv4), unhex(t, "4500001c000000004011f6cd"+"c0000201c0000202"+"0001000200080000")...)
	told := Error(f, TimeExceeded, macB, b4, 0)
	if p, ok := ParseIPv4(told[HeaderLen:]); !ok || p.Src != b4 || p.Dst != a4 || Fold(Sum(0, p.Payload)) != 0 || p.Payload[0] != 11 {
		t.Errorf("told %x", told)
	}
	if again := Error(told, TimeExceeded, macA, a4, 0); again != nil {
		t.Errorf("told again %x", again)
	}
	if Error(f, TooBig, macB, b4, 1000) != nil {
		t.Error("told although it may be cut up")
	}
	six := ND{Type: Solicitation, Src: a6, Dst: b6, Target: b6}.Frame(macB, macA)
	told = Error(six, NoRoute, macB, b6, 0)
	if p, ok := ParseIPv6(told[HeaderLen:]); !ok || p.Src != b6 || p.Dst != a6 || Fold(Sum(pseudo(b6, a6, len(p.Payload)), p.Payload)) != 0 {
		t.Errorf("told %x", told)
	}
	if again := Error(told, NoRoute, macA, a6, 0); again != nil {
		t.Errorf("told again %x", again)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(ND{Type: Solicitation, Src: a6, Dst: b6, Target: b6, MAC: macA}.Frame(macB, macA))
	f.Add(ARP{ARPRequest, macA, MAC{}, a4, b4}.Frame(macB, macA))
	f.Add(append(Ethernet(macB, macA, EtherIPv4), 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < HeaderLen {
			return
		}
		was := bytes.Clone(frame)
		ParseARP(frame[HeaderLen:])
		if IsND(frame) {
			ParseND(frame)
		}
		if p, ok := ParseIPv4(frame[HeaderLen:]); ok {
			p.SourceRouted()
			if p.TTL > 0 && EtherType(frame) == EtherIPv4 {
				if _, ok := ParseIPv4(Routed(frame, macA, macB)[HeaderLen:]); !ok {
					t.Error("a hop further it is wrong")
				}
			}
		}
		if e := EtherType(frame); e == EtherIPv4 || e == EtherIPv6 {
			Error(frame, TooBig, macA, a4, 1500)
			Echo(frame, macA)
		}
		if !bytes.Equal(frame, was) {
			t.Error("it was edited")
		}
	})
}
