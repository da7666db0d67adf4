package bfd

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// sample is a packet as Open vSwitch sends it, by hand after RFC 5880, 4.1.
var sample = []byte{
	1 << 5, 3<<6 | 1<<5, 3, 24,
	0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
	0, 1, 0x86, 0xa0, 0, 0xf, 0x42, 0x40, 0, 0, 0, 0,
}

func TestPacket(t *testing.T) {
	want := Packet{State: Up, Poll: true, Mult: 3, My: 0x12345678, Your: 0x9abcdef0, MinTx: 100 * time.Millisecond, MinRx: time.Second}
	got, err := Parse(sample)
	if err != nil || got != want {
		t.Fatalf("got %+v, %v", got, err)
	}
	if b := want.Append(nil); !bytes.Equal(b, sample) {
		t.Fatalf("got % x", b)
	}
}

// The bits and the fields of the wire format, one by one.
func TestPacketFields(t *testing.T) {
	base := Packet{State: Up, Mult: 1, My: 1, Your: 1}
	for _, c := range []struct {
		at   int
		want byte
		edit func(*Packet)
	}{
		{0, 1<<5 | 8, func(p *Packet) { p.Diag = ReverseConcatenatedPathDown }},
		{1, 0 << 6, func(p *Packet) { p.State = AdminDown }},
		{1, 1 << 6, func(p *Packet) { p.State = Down }},
		{1, 2 << 6, func(p *Packet) { p.State = Init }},
		{1, 3<<6 | 0x20, func(p *Packet) { p.Poll = true }},
		{1, 3<<6 | 0x10, func(p *Packet) { p.Final = true }},
		{1, 3<<6 | 0x08, func(p *Packet) { p.Independent = true }},
		{1, 3<<6 | 0x02, func(p *Packet) { p.Demand = true }},
		{2, 255, func(p *Packet) { p.Mult = 255 }},
		{7, 9, func(p *Packet) { p.My = 9 }},
		{11, 9, func(p *Packet) { p.Your = 9 }},
		{15, 9, func(p *Packet) { p.MinTx = 9 * time.Microsecond }},
		{19, 9, func(p *Packet) { p.MinRx = 9 * time.Microsecond }},
		{23, 9, func(p *Packet) { p.MinEchoRx = 9 * time.Microsecond }},
	} {
		p := base
		c.edit(&p)
		b := p.Append(nil)
		if b[c.at] != c.want {
			t.Errorf("byte %d of %+v is %#x, want %#x", c.at, p, b[c.at], c.want)
		}
		if got, err := Parse(b); err != nil || got != p {
			t.Errorf("%+v is read as %+v, %v", p, got, err)
		}
	}
	p := base
	p.MinTx, p.MinRx = -1, 2*time.Hour // more than 32 bits of microseconds
	if b := p.Append(nil); !bytes.Equal(b[12:20], []byte{0, 0, 0, 0, 255, 255, 255, 255}) {
		t.Errorf("times out of range are sent as % x", b[12:20])
	}
}

// RFC 5880, 6.8.6: what is discarded.
func TestParseRefuses(t *testing.T) {
	with := func(edits ...func([]byte)) []byte {
		b := bytes.Clone(sample)
		for _, f := range edits {
			f(b)
		}
		return b
	}
	set := func(at int, to byte) func([]byte) { return func(b []byte) { b[at] = to } }
	clearAt := func(at int) func([]byte) { return func(b []byte) { clear(b[at : at+4]) } }
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"good":                               {with(), nil},
		"bytes behind it":                    {append(with(), 1, 2, 3), nil},
		"length counts bytes behind it":      {append(with(set(3, 26)), 1, 2), nil},
		"poll and final":                     {with(set(1, 3<<6|0x30)), nil},
		"control plane independent":          {with(set(1, 3<<6|0x08)), nil},
		"reserved diagnostic":                {with(set(0, 1<<5|31)), nil},
		"nothing":                            {nil, ErrLength},
		"cut":                                {with()[:23], ErrLength},
		"version 0":                          {with(set(0, 0)), ErrVersion},
		"version 2":                          {with(set(0, 2<<5)), ErrVersion},
		"length 23":                          {with(set(3, 23)), ErrLength},
		"length 0":                           {with(set(3, 0)), ErrLength},
		"length beyond the payload":          {with(set(3, 25)), ErrLength},
		"multiplier 0":                       {with(set(2, 0)), ErrMult},
		"multipoint":                         {with(set(1, 3<<6|0x01)), ErrMultipoint},
		"no discriminator":                   {with(clearAt(4)), ErrDiscriminator},
		"up without your discriminator":      {with(clearAt(8)), ErrDiscriminator},
		"init without your discriminator":    {with(clearAt(8), set(1, 2<<6)), ErrDiscriminator},
		"down without your discriminator":    {with(clearAt(8), set(1, 1<<6)), nil},
		"admin down without yours":           {with(clearAt(8), set(1, 0)), nil},
		"authenticated, but short":           {with(set(1, 3<<6|0x04)), ErrLength},
		"authenticated":                      {append(with(set(1, 3<<6|0x04), set(3, 26)), 1, 2), ErrAuth},
		"authenticated, longer than payload": {with(set(1, 3<<6|0x04), set(3, 26)), ErrLength},
	} {
		if _, err := Parse(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		Down.String(): "down", State(7).String(): "state 7", NeighborDown.String(): "Neighbor Signaled Session Down",
		TimeExpired.String(): "Control Detection Time Expired", Diag(9).String(): "Diagnostic 9",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(p.Append(nil))
		if err != nil || again != p {
			t.Fatalf("% x is read as %+v, and that as %+v, %v", b, p, again, err)
		}
	})
}
