package ovsdb

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseUUID(t *testing.T) {
	const good = "550e8400-e29b-41d4-a716-446655440000"
	for _, test := range []struct {
		name, text string
		want       string // "": no UUID
	}{
		{"lower case", good, good},
		{"upper case", strings.ToUpper(good), good},
		{"zero", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"},
		{"empty", "", ""},
		{"short", good[:35], ""},
		{"long", good + "0", ""},
		{"no hyphen", strings.Replace(good, "-", "0", 1), ""},
		{"hyphen for a digit", strings.Replace(good, "8", "-", 1), ""},
		{"not hexadecimal", strings.Replace(good, "8", "g", 1), ""},
		{"space in front", " " + good[:35], ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, ok := ParseUUID(test.text)
			if ok != (test.want != "") {
				t.Fatalf("ok is %v", ok)
			}
			if ok && u.String() != test.want {
				t.Errorf("got %s, want %s", u, test.want)
			}
		})
	}
}

// Each byte in each place of a text is a digit or not, and each byte of a UUID is written as two digits.
func TestUUIDDigits(t *testing.T) {
	text := []byte("123e4567-e89b-42d3-a456-426614174000")
	whole, _ := ParseUUID(string(text))
	for at, was := range text {
		for c := range 256 {
			text[at] = byte(c)
			u, ok := ParseUUID(string(text))
			digit := strings.IndexByte("0123456789abcdef", byte(c)|0x20)
			isDigit := digit >= 10 || digit >= 0 && c >= '0'
			if was == '-' {
				isDigit = c == '-'
			}
			if ok != isDigit || ok && u.String() != strings.ToLower(string(text)) || !ok && u != (UUID{}) {
				t.Fatalf("%q: got %v, %v", text, u, ok)
			}
		}
		text[at] = was
	}
	for at, was := range whole {
		for c := range 256 {
			whole[at] = byte(c)
			want := fmt.Sprintf("%x-%x-%x-%x-%x", whole[:4], whole[4:6], whole[6:8], whole[8:10], whole[10:])
			if got := string(whole.AppendText([]byte("id "))); got != "id "+want {
				t.Fatalf("got %s, want %s", got, want)
			}
			if back, ok := ParseUUID(want); !ok || back != whole {
				t.Fatalf("%s is read as %v, %v", want, back, ok)
			}
		}
		whole[at] = was
	}
}

func BenchmarkUUID(b *testing.B) {
	u := NewUUID()
	text := u.AppendText(nil)
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			text = u.AppendText(text[:0])
		}
	})
	b.Run("parse", func(b *testing.B) {
		text := u.String()
		for b.Loop() {
			if _, ok := ParseUUID(text); !ok {
				b.Fatal("no UUID")
			}
		}
	})
}

func TestNewUUID(t *testing.T) {
	seen := make(map[UUID]bool)
	for range 1000 {
		u := NewUUID()
		if seen[u] {
			t.Fatalf("%s came twice", u)
		}
		seen[u] = true
		if s := u.String(); s[14] != '4' || strings.IndexByte("89ab", s[19]) < 0 {
			t.Fatalf("%s is not of version 4", s)
		}
	}
}
