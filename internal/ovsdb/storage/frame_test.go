package storage

import (
	"bytes"
	"slices"
	"testing"
)

// What is framed in the memory of its data is the same record as any other.
func TestFrame(t *testing.T) {
	data := []byte(`{"a":"` + string(bytes.Repeat([]byte("x"), maxKeptBuffer)) + `"}`)
	want := AppendRecord(nil, data)
	lead := len(want) - len(data)
	for _, room := range []int{0, lead - 1, lead, lead + 100} {
		own := make([]byte, len(data), len(data)+room)
		copy(own, data)
		got := frame(own)
		if !bytes.Equal(got, want) {
			t.Errorf("with room for %d bytes: got %.80q, want %.80q", room, got, want)
		}
		if inPlace := &got[0] == &own[0]; inPlace != (room >= lead) {
			t.Errorf("with room for %d bytes: in the memory of the data: %v", room, inPlace)
		}
	}
	if short := []byte("{}"); !bytes.Equal(frame(slices.Grow(short, 200)), AppendRecord(nil, short)) {
		t.Error("a short record is another one")
	}
}
