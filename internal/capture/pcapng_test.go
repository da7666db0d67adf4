package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/plane"
)

// TestBytes has a file with everything in it compared byte by byte: testdata/all.pcapng was written by another
// implementation (gopacket's pcapgo 1.7.7).
func TestBytes(t *testing.T) {
	var b bytes.Buffer
	if err := writeAll(&b); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/all.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		i := 0
		for i < min(b.Len(), len(want)) && b.Bytes()[i] == want[i] {
			i++
		}
		t.Errorf("%d bytes, not %d; the first that differs is at %#x", b.Len(), len(want), i)
	}
}

func writeAll(b *bytes.Buffer) error {
	began := time.Unix(1700000000, 123456789)
	w, err := newWriter(b, Source{Name: "br 0", Program: "vtep test"}, "--port=p0", 96, began)
	if err != nil {
		return err
	}
	book, _ := named(context.Background())
	for i, c := range []plane.Captured{
		{Frame: 7, What: plane.CameIn, From: plane.CapturePlace{Port: "p0", VLAN: 100}, Switch: ls0, Data: []byte("12345678")},
		{Frame: 1 << 40, What: plane.WentOut, From: plane.CapturePlace{Port: "p0"}, To: plane.CapturePlace{Tunnel: peer}, Switch: ls0, Data: []byte("123456789"), Length: 1500},
		{What: plane.Dropped, Reason: "unbound_vlan", From: plane.CapturePlace{Port: "p0", VLAN: plane.OtherTag}, Data: []byte("1234567890")},
		{What: plane.Held, From: plane.CapturePlace{Port: "p0", VLAN: 100}, Switch: ls0, Data: []byte("12345678901")},
	} {
		c.At = began.Add(time.Duration(i) * time.Second)
		if err := w.frame(&frame{Captured: c}, &book); err != nil {
			return err
		}
	}
	if err := w.flush(Total{Written: 4, Lost: 3}, false, began.Add(time.Minute)); err != nil {
		return err
	}
	return w.flush(Total{Written: 4, Lost: 3}, true, began.Add(time.Hour))
}

// TestBadPacket has blocks of packets refused that have no room for what they say.
func TestBadPacket(t *testing.T) {
	good := packetBlock(1, time.Unix(1, 0), []byte("1234567"), 0, options(nil).text(optionComment, "in"))
	size := slices.Clone(good)
	size[20] = 64
	for name, bad := range map[string][]byte{"too many bytes": size, "no place": block(blockPacket, make([]byte, 16), nil)} {
		if _, err := Print(io.Discard, bytes.NewReader(bad), func(Total) {}); err == nil || errors.Is(err, ErrCut) {
			t.Errorf("%s: %v", name, err)
		}
	}
	option := slices.Clone(good)
	option[38] = 255 // it says that it has more bytes than there are
	if _, err := Print(io.Discard, bytes.NewReader(option), func(Total) {}); !errors.Is(err, ErrCut) {
		t.Errorf("an option that is too long: %v", err)
	}
}
