package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// A reader that is behind has many texts in a buffer for a long one: they cost what they would alone. What memory they need
// does not depend on how much is behind them.
func TestReaderBehind(t *testing.T) {
	for name, test := range map[string]struct{ rows, texts int }{
		"short": {23, 400}, "long": {400, 100}, "half as long": {5000, 4},
	} {
		stream := append(insertMany(10_000), bytes.Repeat(insertMany(test.rows), test.texts)...)
		r := NewReader(bytes.NewReader(stream), 1<<30)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		texts := 0
		for {
			v, err := r.Value()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if texts++; cap(v.doc.nodes) > 4*len(v.doc.nodes) {
				t.Fatalf("%s: text %d keeps memory for %d values, and has %d", name, texts, cap(v.doc.nodes), len(v.doc.nodes))
			}
		}
		runtime.ReadMemStats(&after)
		if texts != 1+test.texts {
			t.Errorf("%s: %d texts", name, texts)
		}
		const most = 10 // bytes for one of text: buffers that get twice as large, a copy, and nodes
		if n := int(after.TotalAlloc - before.TotalAlloc); n > most*len(stream) {
			t.Errorf("%s: %d bytes were got for %d of text", name, n, len(stream))
		}
	}
}

// The room for the nodes of a text is made by what was parsed of it, not by the buffer, in which there are others.
func TestReaderRoomBehind(t *testing.T) {
	for rows, long := range map[int]bool{1: false, 23: false, 400: true} {
		text := insertMany(rows)
		stream := bytes.Repeat(text, 1+(3<<20)/len(text))
		r := NewReader(nil, 1<<30)
		r.store, r.buf, r.parsing = stream, stream, true
		if !r.scan() || r.at != len(text) || long != (r.ahead != nil) {
			t.Fatalf("the end of a text of %d bytes is found at %d, and it was parsed: %v", len(text), r.at, r.ahead != nil)
		}
		if long && cap(r.ahead.nodes) > 5*len(r.ahead.nodes) {
			t.Errorf("room for %d values was made for %d", cap(r.ahead.nodes), len(r.ahead.nodes))
		}
	}
}

// To take a long text out of a buffer does not move all that is behind it, each time.
func TestReaderTakesBehind(t *testing.T) {
	text := insertMany(400)
	stream := bytes.Repeat(text, 60)
	r := NewReader(bytes.NewReader(nil), 1<<30)
	r.store, r.buf = stream, stream
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range 60 {
		if got, err := r.Next(); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("text %d has %d bytes, %v", i, len(got), err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := int(after.TotalAlloc - before.TotalAlloc); n > 4*len(stream) {
		t.Errorf("%d bytes were got for %d", n, len(stream))
	}
}

// What Holds tells of half a text is all the memory that there is of it, and no more than some times the buffer.
func TestReaderHoldsNodes(t *testing.T) {
	half := errors.New("no more comes")
	rows := insertMany(5000)
	for name, text := range map[string]string{
		"rows":     string(rows[:len(rows)-1]),
		"numbers":  `[` + strings.Repeat("1111,", 1<<18),
		"escapes":  `[` + strings.Repeat(`"\n and about as much text as a short name has",`, 1<<14),
		"brackets": `[` + strings.Repeat("[[[[[]]]]],", 1<<16),
		"mixed":    string(rows[:1<<19]) + strings.Repeat(",1", 1<<19),
	} {
		for _, cut := range []int{4 << 10, 1 << 20} {
			told, most := 0, 0
			r := NewReader(io.MultiReader(&chunks{[]byte(text), cut}, iotest.ErrReader(half)), 1<<30)
			r.Holds = func(text, values int) {
				if bytes := text + values; bytes > 0 {
					if has := len(r.store) + r.ahead.memory(); bytes < has {
						t.Errorf("%s in pieces of %d: told of %d bytes with %d", name, cut, bytes, has)
					}
					told, most = bytes, max(most, bytes)
				}
			}
			if _, err := r.Value(); err != half {
				t.Fatalf("%s: got %v", name, err)
			}
			if has := len(r.store) + r.ahead.memory(); told != has {
				t.Errorf("%s in pieces of %d: told of %d bytes, and has %d", name, cut, told, has)
			}
			if most > 5*len(r.store) {
				t.Errorf("%s in pieces of %d: %d bytes for a buffer of %d", name, cut, most, len(r.store))
			}
			if name == "rows" && r.ahead == nil {
				t.Errorf("rows in pieces of %d are not parsed as they come", cut)
			}
		}
	}
}

// A reader that was behind holds nothing any more when it has handed out all texts, though the last ones were short.
func TestReaderHoldsNothing(t *testing.T) {
	stream := append(insertMany(600), bytes.Repeat(insertMany(1), 1000)...)
	held, most := 0, 0
	r := NewReader(bytes.NewReader(stream), 1<<30)
	r.Holds = func(text, values int) { held, most = text+values, max(most, text+values) }
	for range 1001 {
		if _, err := r.Value(); err != nil {
			t.Fatal(err)
		}
	}
	r.r = readerFunc(func([]byte) (int, error) {
		if held != 0 || most < 100_000 {
			t.Errorf("%d bytes are held while it waits, of %d", held, most)
		}
		return 0, io.EOF
	})
	if _, err := r.Value(); err != io.EOF {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
