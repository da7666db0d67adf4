package wire

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// parseAll has all texts that are not scalars parsed as they come.
func parseAll(t testing.TB) {
	was := aheadFrom
	aheadFrom = 1
	t.Cleanup(func() { aheadFrom = was })
}

func rightTexts() []string {
	return []string{
		`{"a":[1,-2.5e3,"x\n\u00e9\ud834\udd1e"],"a":{"b":null,"c":true},"d":false,"long name":"","long name":12}`,
		` [ ] `, ` { } `, `[[],{},[{}]]`, `{ "a" : [ 1 , 2 ] , "b" : { "c" : "d\\\"" } }`, `[-0,0.0,1e2,18446744073709551616,-7]`,
		`["\u00e9"]`, `{"":"","":0}`, `["é","]","}","\"]"]`, `[true,false,null]`,
		string(insertMany(3)), strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth),
	}
}

// A text becomes the same value, or the same error, however it comes, and as if it were parsed when it is whole.
func TestReaderParsesAhead(t *testing.T) {
	parseAll(t)
	texts := rightTexts()
	random := rand.New(rand.NewPCG(3, 4))
	const noise = "{}[]\"\\:,0-etn \x01"
	right := len(texts)
	for _, text := range texts[:right] {
		for range 40 {
			b := []byte(text)
			b[1+random.IntN(len(b)-1)] = noise[random.IntN(len(noise))]
			texts = append(texts, string(b))
		}
	}
	wrong := 0
	for i, text := range texts {
		stream := text + text + `[7]`
		for _, cut := range []int{1, 2, 3, 7, 8, 64, len(stream)} {
			one, other := NewReader(&chunks{[]byte(stream), cut}, 1<<20), NewReader(&chunks{[]byte(stream), cut}, 1<<20)
			for {
				got, err := one.Value()
				raw, end := other.Next()
				if end != nil {
					if err != end {
						t.Fatalf("%q in pieces of %d ends with %v, want %v", text, cut, err, end)
					}
					break
				}
				want, bad := Parse(raw)
				if fmt.Sprint(err) != fmt.Sprint(bad) || bad != nil && !errors.As(err, new(*SyntaxError)) {
					t.Fatalf("%q in pieces of %d: got error %v, want %v", text, cut, err, bad)
				}
				if bad != nil {
					wrong++
				} else if string(got.Raw()) != string(want.Raw()) || string(got.AppendTo(nil, false)) != string(want.AppendTo(nil, false)) {
					t.Fatalf("%q in pieces of %d: got %v, want %v", text, cut, got, want)
				}
				if bad != nil && i < right {
					t.Fatalf("%q: %v", text, bad)
				}
			}
		}
	}
	if wrong < 1000 {
		t.Errorf("only %d texts were wrong", wrong)
	}
}

// A text is parsed up to its last token before the last byte comes, however it is cut.
func TestReaderDoesNotWaitToParse(t *testing.T) {
	parseAll(t)
	silent := errors.New("no more comes")
	for _, text := range append(rightTexts(), string(insertMany(1000))) {
		text = strings.TrimSpace(text)
		for _, cut := range []int{1, 2, 3, 7, 8, 64, 1000} {
			r := NewReader(io.MultiReader(&chunks{[]byte(text[:len(text)-1]), cut}, iotest.ErrReader(silent)), 1<<30)
			if _, err := r.Value(); err != silent {
				t.Fatalf("%q in pieces of %d: %v", text, cut, err)
			}
			if r.ahead == nil || len(text)-r.ahead.at > len(" 18446744073709551616,-7]") {
				t.Errorf("%.100q in pieces of %d is not parsed as it comes", text, cut)
			}
		}
	}
}

// Of half a text no more is kept than some times its length, and a long token is not begun again each time that more of it comes.
func TestReaderGivesUp(t *testing.T) {
	half := errors.New("no more comes")
	for name, text := range map[string]string{
		"short values": `[` + strings.Repeat("1,", 1<<20),
		"a long text":  `["` + strings.Repeat("x", 1<<20),
		"no JSON":      `[1 2` + strings.Repeat(`,"x"`, 1<<20),
	} {
		r := NewReader(io.MultiReader(strings.NewReader(text), iotest.ErrReader(half)), 1<<30)
		if _, err := r.Value(); err != half {
			t.Fatalf("%s: got %v", name, err)
		}
		if r.ahead != nil {
			t.Errorf("%s: %d values are kept of %d bytes", name, len(r.ahead.nodes), len(r.buf))
		}
	}
}
