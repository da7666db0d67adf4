package ovsdb

import (
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
