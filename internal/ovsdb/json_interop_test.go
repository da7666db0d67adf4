package ovsdb_test

import (
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// TestInteropJSON compares what the parser says of malformed texts.
func TestInteropJSON(t *testing.T) {
	c := newCTool(t)
	for _, text := range []string{
		" ", "[", "{", `{"a"`, `{"a":`, `["a`, `["a\`, "[1,]", `{"a":1,}`, "[1 2]", `["a" "b"]`, `{"a":1 "b":2}`, "[1}", `{"a",1}`, "{1:2}", "{true:1}", "{[]:1}",
		"[]\n\n x", "[]\n\n []", "[truE]", "[True]", "['a']", "[\x01]", "[\"a\tb\"]", `["a\u0000"]`, `["\x"]`, `["\u12"]`, `["\u12g4"]`, `["\ud834 "]`, `["\ud834\u0041"]`,
		`["\ud834\n"]`, "[01]", "[-01]", "[-]", "[-a]", "[1.]", "[1.e1]", "[1e]", "[1e+]", "[1e9999999999]", "[1e400]", "[1-2]", "[1+]", "[1.2.3]", "[.5]", "[+1]", "[nul]", "[nullx]",
		"[\n  1,\n  x]", "[\x7f]", "[é]", ",", "]", strings.Repeat("[", wire.MaxDepth+1), `[{"a":[}]`, `["a":1]`, "[1,,2]", "{,}", `{"a"::1}`, "[\"\x1f\"]", "[tr\"ue\"]", "[12\"a\"]",
	} {
		t.Run(text, func(t *testing.T) {
			out, cErr := c.env.Command("ovsdb-tool", "query", c.file, text).CombinedOutput()
			_, err := wire.ParseString(text)
			if err == nil || cErr == nil {
				t.Fatalf("got %v, C has %s", err, out)
			}
			want := strings.TrimPrefix(strings.TrimSpace(string(out)), "ovsdb-tool: ")
			if got := err.Error(); !strings.HasSuffix(want, got) {
				t.Errorf("got %s\nC has %s", got, want)
			}
		})
	}
}
