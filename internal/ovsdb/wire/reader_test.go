package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func readAll(r io.Reader, max int) ([]string, error) {
	rd := NewReader(r, max)
	var texts []string
	for {
		b, err := rd.Next()
		if err != nil {
			return texts, err
		}
		texts = append(texts, string(b))
	}
}

func TestReader(t *testing.T) {
	long := `{"a":"` + strings.Repeat(`x\"}`, 50000) + `"}`
	for _, test := range []struct {
		name, stream string
		want         []string
		err          error
	}{
		{"nothing", "", nil, io.EOF},
		{"white space", " \r\n\t", nil, io.EOF},
		{"objects without space", `{"a":1}{"b":[]}[]`, []string{`{"a":1}`, `{"b":[]}`, `[]`}, io.EOF},
		{"white space between", " {} \n\n [1] ", []string{`{}`, `[1]`}, io.EOF},
		{"brackets in strings", `{"a":"}]{["}["\"]\\"]`, []string{`{"a":"}]{["}`, `["\"]\\"]`}, io.EOF},
		{"longer than the buffer", long + `[1]` + long, []string{long, `[1]`, long}, io.EOF},
		{"cut in an object", `{}{"a":`, []string{`{}`}, io.ErrUnexpectedEOF},
		{"cut in a string", `["abc`, nil, io.ErrUnexpectedEOF},
		{"cut after a backslash", `["abc\`, nil, io.ErrUnexpectedEOF},
		{"scalars", `"a b"12 true`, []string{`"a b"`, `12`, `true`}, io.EOF},
		{"garbage", "GET / HTTP/1.1\r\n]}", []string{"GET", "/", "HTTP/1.1", "]", "}"}, io.EOF},
		{"wrong bracket ends a text", `{"a":1]{}`, []string{`{"a":1]`, `{}`}, io.EOF},
	} {
		for _, feed := range []struct {
			name string
			wrap func(io.Reader) io.Reader
		}{
			{"at once", func(r io.Reader) io.Reader { return r }},
			{"byte by byte", iotest.OneByteReader},
			{"data with error", iotest.DataErrReader},
		} {
			t.Run(test.name+"/"+feed.name, func(t *testing.T) {
				got, err := readAll(feed.wrap(strings.NewReader(test.stream)), 1<<20)
				if !errors.Is(err, test.err) {
					t.Errorf("got error %v, want %v", err, test.err)
				}
				if strings.Join(got, "\x00") != strings.Join(test.want, "\x00") {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		}
	}
}

// TestReaderDoesNotWait has texts handed out that can't become valid, though no more comes: whoever
// sent them is waiting, and should hear of it.
func TestReaderDoesNotWait(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1)
	for stream, want := range map[string]string{
		"}": "}", ":": ":", "\x00\x00": "\x00", "\xff\xfe": "\xff", " /x": "/", deep: deep, strings.Repeat(`{"a":`, MaxDepth+1): strings.Repeat(`{"a":`, MaxDepth+1),
	} {
		silent := errors.New("nothing more")
		got, err := NewReader(io.MultiReader(strings.NewReader(stream), iotest.ErrReader(silent)), 1<<20).Next()
		if err != nil || string(got) != want {
			t.Errorf("%.10q: got %.20q and %v", stream, got, err)
		} else if _, err := Parse(got); err == nil {
			t.Errorf("%.10q is taken for JSON", stream)
		}
	}
}

func TestReaderLimit(t *testing.T) {
	text := `["` + strings.Repeat("x", 96) + `"]`
	for _, test := range []struct {
		name string
		max  int
		err  error
	}{
		{"as long as the limit", 100, io.EOF},
		{"a byte longer", 99, ErrTooLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := readAll(strings.NewReader(text), test.max); err != test.err {
				t.Errorf("got %v, want %v", err, test.err)
			}
		})
	}
	t.Run("a text that never ends", func(t *testing.T) {
		endless := io.MultiReader(strings.NewReader(`["`), iotest.OneByteReader(zeros{}))
		if _, err := readAll(endless, 1000); err != ErrTooLong {
			t.Errorf("got %v", err)
		}
	})
}

// zeros is an endless stream of the digit 0.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

func TestReaderGivesOwnCopies(t *testing.T) {
	var stream bytes.Buffer
	for range 3 {
		stream.WriteString(`{"a":"` + strings.Repeat("y", handOver) + `"}` + `{"b":1}`)
	}
	want := stream.String()
	r := NewReader(&stream, 1<<20)
	var all [][]byte
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	if got := string(bytes.Join(all, nil)); got != want {
		t.Error("texts changed after they were returned")
	}
}

// Of a text that is about as long as the one before the buffer is made once; one that is shorter does not keep it.
func TestReaderExpectsAsLong(t *testing.T) {
	const long = 3 << 20
	var held []int
	var texts []io.Reader // which are read one by one
	tests := []struct{ length, held int }{{long, long * 4 / 3}, {long, long + long/16}, {long - 1000, long + long/16}, {long / 5, long - 1000 + (long-1000)/16}}
	for _, test := range tests {
		texts = append(texts, strings.NewReader(`"`+strings.Repeat("x", test.length-2)+`"`))
	}
	r := NewReader(io.MultiReader(texts...), 1<<30)
	r.Holds = func(text, _ int) { held = append(held, text) }
	for i, want := range tests {
		held = nil
		got, err := r.Next()
		if err != nil || len(got) != want.length || slices.Max(held) != want.held || held[len(held)-1] != 0 {
			t.Errorf("text %d has %d bytes (%v), want %d; its buffers had %v, want %d at last", i, len(got), err, want.length, held, want.held)
		}
		if cap(got) > 4*len(got) {
			t.Errorf("text %d of %d bytes keeps %d", i, len(got), cap(got))
		}
	}
}

// Where a text ends does not depend on how its brackets, quotes and escapes lie in words, nor on how it is cut.
func TestReaderFindsEnds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const most = `{}[]""\\aaaaaaaa`
	texts := 0
	for range 2000 {
		stream := make([]byte, 200)
		for i := range stream {
			stream[i] = most[random.IntN(len(most))]
		}
		stream[0] = '{'
		size := endOf(stream)
		if size < 0 {
			continue
		}
		texts++
		for _, cut := range []int{1, 7, 8, 9, 64, 200} {
			if got, err := NewReader(&chunks{stream, cut}, 1000).Next(); string(got) != string(stream[:size]) || err != nil {
				t.Fatalf("%q in pieces of %d: got %q, %v; want %q", stream, cut, got, err, stream[:size])
			}
		}
	}
	if texts < 200 {
		t.Errorf("only %d texts end", texts)
	}
}

// endOf returns the length of the text that stream begins with, byte by byte; -1: it does not end.
func endOf(stream []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(stream); i++ {
		switch c := stream[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// FuzzReader checks that a valid text in a stream is found whole, and is the same value, however the
// stream is cut.
func FuzzReader(f *testing.F) {
	parseAll(f)
	f.Add([]byte(`{"a":"\"\\x"}`), uint8(3))
	f.Add([]byte(`[1,[2,"]"]]`), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, cut uint8) {
		v, err := Parse(text)
		if err != nil || v.Kind() != Object && v.Kind() != Array {
			return
		}
		stream := append(append(append([]byte(" "), text...), text...), '[', ']')
		r := NewReader(&chunks{stream, int(cut) + 1}, 2*len(stream))
		for range 2 {
			got, err := r.Next()
			if err != nil || string(got) != string(v.Raw()) {
				t.Fatalf("got %q, %v; want %q", got, err, v.Raw())
			}
		}
		if got, err := r.Next(); string(got) != "[]" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		r = NewReader(&chunks{stream, int(cut) + 1}, 2*len(stream))
		for range 2 {
			got, err := r.Value()
			if err != nil || string(got.Raw()) != string(v.Raw()) || string(got.AppendTo(nil, true)) != string(v.AppendTo(nil, true)) {
				t.Fatalf("got %v, %v; want %v", got, err, v)
			}
		}
	})
}

// chunks is a stream that gives n bytes at a time.
type chunks struct {
	b []byte
	n int
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.b[:min(c.n, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}
